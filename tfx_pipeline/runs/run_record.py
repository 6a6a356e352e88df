"""What one run did, as a JSON file beside it: read by the report, `validate` and whoever asks later."""

from collections.abc import Sequence
from math import hypot
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from lakeloop.atomic_file import write_text
from lakeloop.contract import Balance, ModelSettings
from lakeloop.contract.metrics import METRICS
from lakeloop.exceptions import LakeloopError, NotFoundError
from lakeloop.frozen_model import FrozenModel
from lakeloop.threshold import Threshold
from lakeloop.use_case import UseCase
from tfx_pipeline.evaluation.gate import GateReport
from tfx_pipeline.runs.parameters import RunParameters

FILE_NAME = "run.json"
NOTEWORTHY = 0.02
NodeState = Literal["ran", "cached", "skipped", "failed"]


class NodeResult(FrozenModel, extra="ignore"):
    """One node of one run: how it ended, how long it took, and its result in a line."""

    node: str
    state: NodeState
    seconds: float
    result: str
    started: str = ""
    execution_id: int | None = None


class History(FrozenModel, extra="ignore"):
    """Training history, one value an epoch. Numbers have mean 0 and deviation 1 there, by which errors go."""

    loss: tuple[float, ...] = ()
    accuracy: tuple[float, ...] = ()
    mean_absolute_error: tuple[float, ...] = Field((), exclude_if=lambda values: values == ())
    val_loss: tuple[float, ...] = ()
    val_accuracy: tuple[float, ...] = ()
    val_mean_absolute_error: tuple[float, ...] = Field((), exclude_if=lambda values: values == ())

    @property
    def metric(self) -> tuple[str, tuple[float, ...], tuple[float, ...]]:
        """What was measured beside the loss, on train and on eval rows."""
        if self.mean_absolute_error:
            return "mean absolute error", self.mean_absolute_error, self.val_mean_absolute_error
        return "accuracy", self.accuracy, self.val_accuracy


class Trained(FrozenModel, extra="ignore"):
    """What the Trainer really trained with: its settings, the Tuner's best among them, and the rows after balancing.

    `class_weights` is what each class counts for: its rows, or the sum of their weights. `rows` is None where they
    were streamed from disk, for then nobody counted them. `threshold`: from which probability on the model answers a
    class; None where it answers the most probable one, or a number.
    """

    settings: ModelSettings
    balance: Balance
    rows: int | None = None
    class_weights: tuple[float, ...] = ()
    threshold: Threshold | None = Field(None, exclude_if=lambda threshold: threshold is None)

    def unseen(self, class_names: Sequence[str]) -> list[str]:
        """Those of the classes, in the order of their ids, of which no row was trained on."""
        return [name for name, weight in zip(class_names, self.class_weights, strict=False) if weight == 0]


class SliceScore(FrozenModel, extra="ignore", populate_by_name=True, serialize_by_alias=True):
    """TFMA's metric on the eval rows with one value of a feature; `feature` and `value` are '' for all rows.

    On the same rows `champion_score`, None without a champion, and `persistence_score`, of what the rows have now, None
    where no feature says it. `failed`: "bounds", "champion" or both. Records have
    the names of when every metric was the accuracy.
    """

    feature: str
    value: str
    rows: int
    score: float = Field(alias="accuracy")
    champion_score: float | None = Field(None, alias="champion_accuracy")
    persistence_score: float | None = None
    failed: tuple[Literal["bounds", "champion"], ...] = ()


class Evaluation(FrozenModel, extra="ignore"):
    """TFMA's view of a model: its `metric` by slice, and what was wanted of every slice.

    `below` None: no such bound. `champion_margin` is how far it may be behind the champion; None: it was not
    compared.
    """

    metric: str = "accuracy"
    above: float
    below: float | None = None
    champion_margin: float | None = None
    slices: tuple[SliceScore, ...] = ()

    @property
    def shown(self) -> str:
        """`metric` in words."""
        return self.metric.replace("_", " ")


class FeatureImportance(FrozenModel, extra="ignore"):
    """How much worse a model is without a feature, by a metric: the mean over repeats, and their standard deviation."""

    feature: str
    mean: float
    spread: float

    @property
    def is_noise(self) -> bool:
        """Whether shuffling it made the model no worse than chance does."""
        return self.mean <= 2 * self.spread


class PermutationImportance(FrozenModel, extra="ignore"):
    """What a model looks at, on `rows` of the `of_rows` eval rows; the feature it needs most comes first."""

    metric: str
    rows: int
    of_rows: int
    repeats: int
    seconds: float
    features: tuple[FeatureImportance, ...]


class HeldOutScore(FrozenModel, extra="ignore"):
    """A score where rows were held out by time, or by a column's values, with its 95 % interval."""

    by: str
    score: float
    interval: tuple[float, float]

    @property
    def half(self) -> float:
        """Half the interval's width."""
        return (self.interval[1] - self.interval[0]) / 2


class SplitCheck(FrozenModel, extra="ignore"):
    """What quick trees score on the rows the contract's split holds out, and on rows that others would."""

    metric: str
    score: float
    interval: tuple[float, float]
    others: tuple[HeldOutScore, ...]

    @property
    def worse(self) -> list[HeldOutScore]:
        """Those by which a model looks worse, beyond chance and by more than a fiftieth."""
        here, metric = HeldOutScore(by="key", score=self.score, interval=self.interval), METRICS[self.metric]
        return [
            one
            for one in self.others
            if metric.gain(here.score, one.score) > max(hypot(here.half, one.half), NOTEWORTHY * abs(here.score))
        ]


class FeatureContribution(FrozenModel, extra="ignore"):
    """The mean size of what a feature contributed to a model's answers, by output.

    `points`: by output what it contributed to single answers, and `levels` where the feature's value lay in these rows,
    from 0 (the lowest) to 1; None of a category or a missing value. Empty where nobody drew them.
    """

    feature: str
    by_output: tuple[float, ...]
    points: tuple[tuple[float, ...], ...] = Field((), exclude_if=lambda points: points == ())
    levels: tuple[float | None, ...] = Field((), exclude_if=lambda levels: levels == ())

    @property
    def mean(self) -> float:
        """Over the outputs, too."""
        return sum(self.by_output) / len(self.by_output)


class FeatureContributions(FrozenModel, extra="ignore"):
    """What moves a model's answers, on so many eval `rows`, each against `background_rows` of train.

    `outputs`: the classes whose probabilities are explained, or the label that is a number; `what` they are, in words.
    The feature that contributes most comes first.
    """

    what: str
    outputs: tuple[str, ...]
    rows: int
    background_rows: int
    seconds: float
    features: tuple[FeatureContribution, ...]


class RunRecord(FrozenModel, extra="ignore"):
    """One run. URIs are '' where the run did not get that far; `blessed` is None before the gate has checked it.

    `tuned` are the hyper-parameters the Tuner changed in `parameters.model`. `baselines`: the gate's `metric` on the
    same eval rows of what the model has to beat, by name; empty where nobody has compared them. `baselines_decided` are
    by the metric that decides, where that is another one. `importance` is None where nobody has measured it,
    `contributions` where no version was pushed or nobody has explained it, `split_check` where nobody has asked, or no
    other split can be made. `own_code`: the hashes of the use case's own files when it began, by their names.
    """

    run_id: str
    use_case: str
    started: str
    seconds: float = 0.0
    state: Literal["running", "succeeded", "failed"] = "running"
    error: str = ""
    parameters: RunParameters
    manifest_sha256: str = ""
    own_code: dict[str, str] = {}
    nodes: tuple[NodeResult, ...] = ()
    gate: GateReport | None = None
    blessed: bool | None = None
    baselines: dict[str, float] = {}
    baselines_decided: dict[str, float] = Field({}, exclude_if=lambda scores: scores == {})
    importance: PermutationImportance | None = None
    split_check: SplitCheck | None = None
    contributions: FeatureContributions | None = None
    tuned: dict[str, float] = {}
    trained: Trained | None = None
    history: History = History()
    model_uri: str = ""
    model_run_uri: str = ""
    pushed_version: str = ""
    statistics_uri: str = ""
    anomalies_uri: str = ""
    distribution_anomalies_uri: str = ""
    evaluation_uri: str = ""
    evaluation: Evaluation | None = None
    champion_model_uri: str = ""

    def node(self, name: str) -> NodeResult | None:
        """The result of one node; None if the run did not reach it."""
        return next((n for n in self.nodes if n.node == name), None)

    def with_node(self, result: NodeResult) -> "RunRecord":
        """The record with a node's result added; a retried node's earlier result is replaced."""
        kept = tuple(n for n in self.nodes if n.node != result.node)
        return self.model_copy(update={"nodes": (*kept, result)})


def run_folder(use_case: UseCase, run_id: str) -> Path:
    """Where a run's record lives."""
    return use_case.folder("tfx").absolute() / "runs" / run_id


def save_run(use_case: UseCase, record: RunRecord) -> RunRecord:
    """Write the record, and give it; readers see the old or the new one, never half of it."""
    write_text(run_folder(use_case, record.run_id) / FILE_NAME, record.model_dump_json(indent=2) + "\n")
    return record


def load_run(use_case: UseCase, run_id: str) -> RunRecord:
    """One run's record.

    Raises:
        NotFoundError: there is no such run; the text names the newest ones.
        LakeloopError: the record cannot be read.
    """
    path = run_folder(use_case, run_id) / FILE_NAME
    if not path.is_file():
        known = sorted((p.parent.name for p in path.parent.parent.glob(f"*/{FILE_NAME}")), reverse=True)
        there = f"the newest runs are {', '.join(known[:5])}" if known else "there are no runs yet"
        raise NotFoundError(f"there is no run {run_id} of {use_case.name}; {there}")
    return _read(path)


def load_runs(use_case: UseCase) -> list[RunRecord]:
    """All runs of the use case, oldest first."""
    return sorted(map(_read, run_files(use_case)), key=lambda record: record.started)


def run_files(use_case: UseCase) -> list[Path]:
    """The records' files, in no order."""
    return list((use_case.folder("tfx").absolute() / "runs").glob(f"*/{FILE_NAME}"))


def _read(path: Path) -> RunRecord:
    try:
        return RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise LakeloopError(f"{path} is not a run record: {error}") from error
