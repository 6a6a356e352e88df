"""QualityGate: checks the trained model by the contract's checks; only its blessing makes a champion."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils, path_utils

from lakeloop.contract import Contract, Feature, Gate, Name, Section
from lakeloop.contract.decision_threshold import Costs
from lakeloop.contract.label import LEVEL
from lakeloop.contract.metrics import Task
from lakeloop.contract.persistence import Persistence
from lakeloop.contract.section import unless
from lakeloop.own_files import OwnFile
from tfx_pipeline.evaluation.answers import EVAL, TRAIN, Answers
from tfx_pipeline.evaluation.gate import GateReport, check_gate
from tfx_pipeline.evaluation.own_checks import checked_model, own_checks
from tfx_pipeline.evaluation.prediction import Question, answers_on, load_saved_model
from tfx_pipeline.example_files import files_of
from tfx_pipeline.metadata.provenance import write_own_code
from tfx_pipeline.metadata.store import GATE_PROPERTY
from tfx_pipeline.runs import parameters as p
from tfx_pipeline.training.columns import UNSEEN
from tfx_pipeline.training.raw_features import example_spec
from tfx_pipeline.training.row_weights import load_row_weights

EXAMPLES_KEY, MODEL_KEY, CHAMPION_KEY, EVALUATION_KEY = "examples", "model", "champion", "evaluation"
BLESSING_KEY, REQUIREMENTS_KEY = "blessing", "requirements"
REPORT_FILE = "gate.json"
GATE_NAME = "quality_gate"


class Requirements(Section):
    """What the gate needs: of the contract, with the features whose values it reads, and the use case's own checks."""

    gate: Gate
    key: str
    label: str
    class_names: tuple[str, ...]
    task: Task | None = unless(None)
    level: float = unless(LEVEL)
    decided: bool = unless(False)
    costs: Costs | None = unless(None)
    features: dict[Name, Feature] = unless({})
    period_column: str = unless("")
    persistence: Persistence | None = unless(None)
    own: OwnFile | None = unless(None)


def requirements_of(contract: Contract, own: OwnFile | None = None) -> Requirements:
    """The contract's gate with the names it needs. Own checks get every feature."""
    read = contract.gate.sliced_by if own is None else tuple(contract.features)
    persistence = contract.persistence
    if persistence is not None:
        read = tuple(dict.fromkeys([*read, persistence.feature]))
    return Requirements(
        gate=contract.gate,
        key=contract.key.column,
        label=contract.label.name,
        class_names=contract.label.class_names,
        task="multilabel" if contract.label.several else None,
        level=contract.label.interval,
        decided=contract.label.decision is not None,
        costs=contract.label.costs,
        features={name: contract.features[name].model_copy(update=UNSEEN) for name in read},
        period_column=contract.period_column if contract.gate.by_period else "",
        persistence=persistence,
        own=own,
    )


class QualityGateExecutor(base_executor.BaseExecutor):
    """Predicts all train and eval rows with the model, the eval rows with the champion too, and checks."""

    def Do(  # noqa: N802 TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write the blessing, the checks as its properties and the report as `gate.json`."""
        wanted = Requirements.model_validate_json(exec_properties[REQUIREMENTS_KEY])
        model = artifact_utils.get_single_instance(input_dict[MODEL_KEY])
        champion = next(iter(input_dict.get(CHAMPION_KEY) or ()), None)
        path = exec_properties[p.WEIGHTS]
        weights = load_row_weights(Path(path)) if path else None
        rows, of_champion = _model_answers(input_dict[EXAMPLES_KEY], model, champion, wanted, weights)
        gate, names = wanted.gate, wanted.class_names
        report = check_gate(gate, rows, of_champion, names, wanted.period_column, wanted.persistence)
        blessing = artifact_utils.get_single_instance(output_dict[BLESSING_KEY])
        if wanted.own is not None:
            checked = checked_model(rows, of_champion, names, wanted.features, report.checks)
            report = report.with_own(own_checks(wanted.own, checked))
            write_own_code(blessing, {wanted.own.name: wanted.own.sha256})
        write_blessing(blessing, model, champion, report)


def _model_answers(
    examples: list[Artifact],
    model: Artifact,
    champion: Artifact | None,
    wanted: Requirements,
    weights: Mapping[str, float] | None,
) -> tuple[Mapping[str, Answers], Answers | None]:
    models = [load_saved_model(path_utils.serving_model_path(model.uri))]
    columns: dict[str, Any] = example_spec(wanted.features)
    if wanted.period_column:
        columns[wanted.period_column] = tf.io.FixedLenFeature([], tf.string)
    task: Task = wanted.task or ("classification" if wanted.class_names else "regression")
    question = Question(wanted.label, task, wanted.level, wanted.decided, wanted.costs)
    answers = partial(answers_on, question=question, key=wanted.key, weights=weights, columns=columns)
    train = answers(models, files_of(examples, TRAIN))[0]
    if champion is not None:
        models.append(load_saved_model(path_utils.serving_model_path(champion.uri)))
    held_out = answers(models, files_of(examples, EVAL), held_out=True)
    return {TRAIN: train, EVAL: held_out[0]}, held_out[1] if champion is not None else None


def write_blessing(blessing: Artifact, model: Artifact, champion: Artifact | None, report: GateReport) -> None:
    """Fill a ModelBlessing as TFX's Evaluator does, marked as ours and with every check as properties."""
    name = constants.BLESSED_FILE_NAME if report.passed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(str(Path(blessing.uri) / name), "")
    io_utils.write_string_file(str(Path(blessing.uri) / REPORT_FILE), report.model_dump_json(indent=2))
    blessing.set_string_custom_property(GATE_PROPERTY, GATE_NAME)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(report.passed))
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    if champion is not None:
        blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, champion.uri)
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, champion.id)
    for check in report.checks:
        blessing.set_string_custom_property(
            f"check_{check.name}",
            json.dumps({"value": check.value, "bound": check.bound, "passed": check.passed}),
        )


def read_report(blessing_uri: str) -> GateReport:
    """The report written beside a blessing."""
    return GateReport.model_validate_json((Path(blessing_uri) / REPORT_FILE).read_text(encoding="utf-8"))


class QualityGateSpec(ComponentSpec):
    """`evaluation` is not read: it makes the gate the last word after TFMA's."""

    PARAMETERS = {REQUIREMENTS_KEY: ExecutionParameter(type=str), p.WEIGHTS: ExecutionParameter(type=str)}
    INPUTS = {
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        CHAMPION_KEY: ChannelParameter(type=standard_artifacts.Model, optional=True),
        EVALUATION_KEY: ChannelParameter(type=standard_artifacts.ModelEvaluation),
    }
    OUTPUTS = {BLESSING_KEY: ChannelParameter(type=standard_artifacts.ModelBlessing)}


class QualityGate(base_component.BaseComponent):
    """Between Evaluator and Pusher."""

    SPEC_CLASS = QualityGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(QualityGateExecutor)

    def __init__(
        self,
        contract: Contract,
        examples: BaseChannel,
        model: BaseChannel,
        champion: BaseChannel,
        evaluation: BaseChannel,
        weights: RuntimeParameter,
        own: OwnFile | None = None,
    ):
        channels = {
            EXAMPLES_KEY: examples,
            MODEL_KEY: model,
            CHAMPION_KEY: champion,
            EVALUATION_KEY: evaluation,
            BLESSING_KEY: Channel(type=standard_artifacts.ModelBlessing),
        }
        properties = {REQUIREMENTS_KEY: requirements_of(contract, own).model_dump_json(), p.WEIGHTS: weights}
        super().__init__(spec=QualityGateSpec(**channels, **properties))
