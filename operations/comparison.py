"""Two ways to train on the same rows: by how much one is better, and whether that is more than chance."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lakeloop.contract import Contract, MetricCheck
from lakeloop.contract.metrics import Task
from lakeloop.exceptions import LakeloopError, WrongUseError
from lakeloop.git import git_commit
from lakeloop.use_case import UseCase
from operations.evaluation import exported_rows
from tfx_pipeline.evaluation.answers import EVAL
from tfx_pipeline.evaluation.measured import Measured
from tfx_pipeline.evaluation.metrics import measure
from tfx_pipeline.evaluation.validate import answers_of, serving_folder
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import NodeResult, RunRecord
from tfx_pipeline.runs.runner import run_pipeline

AS_IT_IS = "contract"
DROP = "drop"
TRIGGER = "command line"
"""That of `lakeloop train`, which then takes from the cache what was trained here."""
SHOWN: Mapping[Task, tuple[str, ...]] = {
    "classification": ("accuracy", "f1_macro", "roc_auc", "log_loss", "calibration_error"),
    "multilabel": ("accuracy", "f1_micro", "f1_macro", "hamming_loss", "roc_auc", "log_loss"),
    "regression": ("mean_absolute_error", "root_mean_squared_error", "r2_score", "interval_coverage"),
}
"""What is told of both besides what the contract's gate asks for."""


@dataclass(frozen=True)
class Variant:
    """One way to train: hyper-parameters other than the contract's, and features left out. `text` is how it is said."""

    text: str
    changes: Mapping[str, str]
    drop: tuple[str, ...] = ()

    @property
    def options(self) -> str:
        """The options of `lakeloop train` that train it alone."""
        said = [f"--set {name}={value}" for name, value in self.changes.items()]
        return " ".join([*said, *(f"--drop {name}" for name in self.drop)])


@dataclass(frozen=True)
class ComparedMetric:
    """One metric of two models on the same eval rows, and by how much the second is better (paired, 95 %).

    `title`: what is measured, in words; it is more than the metric's name where it is of one class.
    """

    title: str
    first: Measured
    second: Measured
    gain: float
    gain_interval: tuple[float, float]

    @property
    def better(self) -> int | None:
        """Which model is better, 0 or 1; None where the difference may be chance."""
        low, high = self.gain_interval
        if low > 0:
            return 1
        return 0 if high < 0 else None


@dataclass(frozen=True)
class Comparison:
    """Two runs on one export, neither pushed, and their metrics on its `rows` eval rows, the one that decides first."""

    variants: tuple[Variant, Variant]
    runs: tuple[RunRecord, RunRecord]
    rows: int
    metrics: tuple[ComparedMetric, ...]

    @property
    def better(self) -> Variant | None:
        """The variant that is better by the metric that decides; None where none is for sure."""
        which = self.metrics[0].better
        return None if which is None else self.variants[which]


def read_variant(text: str, changes: Mapping[str, str], drop: tuple[str, ...] = ()) -> Variant:
    """'units=50,drop=age' as a variant, on top of the `changes` and `drop` of both; 'contract' changes nothing.

    Raises:
        WrongUseError: a part without `=`.
    """
    own, gone = dict(changes), list(drop)
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, given, value = (piece.strip() for piece in part.partition("="))
        if part == AS_IT_IS:
            continue
        if not given:
            raise WrongUseError(
                f"--compare {text}: {part!r} says nothing; write NAME=VALUE, several with commas between "
                f"(kind=trees,leaves=15), drop=FEATURE, or `{AS_IT_IS}` for the contract's own settings"
            )
        if name == DROP:
            gone.append(value)
        else:
            own[name] = value
    return Variant(text, own, tuple(gone))


def check_variants(contract: Contract, variants: tuple[Variant, Variant]) -> None:
    """Refuse what cannot be trained, or compared, before anything slow starts.

    Raises:
        WrongUseError: an unknown hyper-parameter or feature, a value out of range, or both are the same.
    """
    first, second = (run_parameters(contract, Path(), one.changes, one.drop) for one in variants)
    if first == second:
        raise WrongUseError(f"`{variants[0].text}` and `{variants[1].text}` are the same model; change one of them")


def compare_variants(
    use_case: UseCase,
    manifest: Path,
    variants: tuple[Variant, Variant],
    on_start: Callable[[Variant, str], None] = lambda variant, node: None,
    on_node: Callable[[NodeResult], None] = lambda result: None,
) -> Comparison:
    """Train both on one export, up to the gate's verdict, and measure both on its eval rows; nothing is pushed.

    Raises:
        LakeloopError: a run failed; the text says which.
    """
    first, second = (_trained(use_case, manifest, one, on_start, on_node) for one in variants)
    eval_rows = exported_rows(use_case.contract, manifest, "eval")
    one, other = (
        answers_of(serving_folder(run), use_case.contract, eval_rows, held_out=True) for run in (first, second)
    )
    metrics = []
    for title, check in compared_checks(use_case.contract).items():
        of_one, of_other = (measure(check, answers, use_case.contract.label.class_names) for answers in (one, other))
        metrics.append(ComparedMetric(title, of_one, of_other, *of_other.better_by(of_one)))
    return Comparison(variants, (first, second), len(eval_rows), tuple(metrics))


def _trained(
    use_case: UseCase,
    manifest: Path,
    variant: Variant,
    on_start: Callable[[Variant, str], None],
    on_node: Callable[[NodeResult], None],
) -> RunRecord:
    parameters = run_parameters(
        use_case.contract, manifest, variant.changes, variant.drop, trigger=TRIGGER, git_commit=git_commit()
    )
    try:
        return run_pipeline(use_case, parameters, on_node, lambda node: on_start(variant, node), push=False)
    except LakeloopError as error:
        raise LakeloopError(f"`{variant.text}` could not be trained: {error}") from error


def compared_checks(contract: Contract) -> dict[str, MetricCheck]:
    """What two models are compared by, as it is measured in the gate: by the metric that decides first, by what the
    gate asks of all eval rows, and by what is told of any model.
    """
    asked = (check for check in contract.gate.checks if check.slice is None and check.on == EVAL)
    told = (MetricCheck.model_construct(metric=name) for name in SHOWN[contract.label.task])
    by = [MetricCheck.model_construct(metric=contract.gate.decides), *asked, *told]
    return {check.title.removesuffix(f" on {EVAL}"): check for check in by}
