"""What a finished node has to say: its result in a line, and what of it belongs in the run's record."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfx.types import Artifact, artifact_utils

from tfx_pipeline.components.example_gen import rows_property
from tfx_pipeline.components.infra_validator import BLESSED_PROPERTY, LOG_FILE, REASON_PROPERTY, ROWS_PROPERTY
from tfx_pipeline.components.quality_gate import read_report
from tfx_pipeline.data_checks.anomalies import read_anomalies
from tfx_pipeline.data_checks.statistics import read_statistics
from tfx_pipeline.evaluation.answers import TRAIN
from tfx_pipeline.exceptions import InfraRefusedError
from tfx_pipeline.metadata.provenance import read_provenance
from tfx_pipeline.metadata.store import PUSHED_PROPERTY, VERSION_PROPERTY
from tfx_pipeline.runs.graph import TUNER
from tfx_pipeline.runs.run_record import History

Outputs = Mapping[str, Sequence[Artifact]]
RecordFields = dict[str, Any]
"""Fields of RunRecord."""
Described = tuple[str, RecordFields]


def describe(node: str, outputs: Outputs) -> Described:
    """The one-line result of a node that ended well and the RunRecord fields it fills.

    Raises:
        InfraRefusedError: InfraValidator did not bless the model.
    """
    return _DESCRIPTIONS.get(node, lambda _: ("done", {}))(outputs)


def _gold_export(outputs: Outputs) -> Described:
    provenance = read_provenance(outputs["export"][0])
    text = f"{provenance['delta_table']} version {provenance['delta_version']}, {int(provenance['rows']):,} rows"
    return text, {"manifest_sha256": provenance["manifest_sha256"]}


def _example_gen(outputs: Outputs) -> Described:
    examples = outputs["examples"][0]
    splits = artifact_utils.decode_split_names(examples.split_names)
    if not all(examples.has_custom_property(rows_property(split)) for split in splits):
        return "done", {}  # an earlier release's, from the cache
    counts = [f"{examples.get_int_custom_property(rows_property(split)):,} {split}" for split in splits]
    return ", ".join(counts) + " rows", {}


def _statistics(outputs: Outputs) -> Described:
    artifact = outputs["statistics"][0]
    columns = read_statistics(artifact.uri)[TRAIN]
    return f"{len(columns)} columns", {"statistics_uri": artifact.uri}


def _validator(outputs: Outputs) -> Described:
    artifact = outputs["anomalies"][0]
    found = read_anomalies(Path(artifact.uri))
    text = "no anomalies" if not found else f"{len(found)} anomalies"
    return text, {"anomalies_uri": artifact.uri}


def _distribution(outputs: Outputs) -> Described:
    artifact = outputs["anomalies"][0]
    differ = {anomaly.feature for anomaly in read_anomalies(Path(artifact.uri))}
    text = "as the champion's" if not differ else f"differs from the champion's in {', '.join(sorted(differ))}"
    return text, {"distribution_anomalies_uri": artifact.uri}


def _transform(outputs: Outputs) -> Described:
    from tfx_pipeline.components.transform import LEARNT_PROPERTY

    learnt = outputs["transform_graph"][0].get_string_custom_property(LEARNT_PROPERTY)
    return f"vocabularies learnt: {learnt}" if learnt else "done", {}


def _trainer(outputs: Outputs) -> Described:
    from tfx_pipeline.components.trainer import read_trained
    from tfx_pipeline.training.trainer import HISTORY_FILE

    model, run = outputs["model"][0], outputs["model_run"][0]
    history = History.model_validate_json((Path(run.uri) / HISTORY_FILE).read_text(encoding="utf-8"))
    trained = read_trained(Path(run.uri))
    rows = f"{trained.rows:,} rows" if trained.rows is not None else "rows streamed from disk"
    balanced = f", classes evened out by {trained.balance}" if trained.balance != "none" else ""
    measured, _, on_eval = history.metric
    found = {"last loss": history.loss, "validation": history.val_loss, f"validation {measured}": on_eval}
    last = "".join(f", {name} {values[-1]:.3f}" for name, values in found.items() if values)
    text = f"{len(history.loss)} {trained.settings.step}s of {rows}{balanced}{last}"
    if trained.threshold is not None:
        text += f"; answers {trained.threshold.text} ({trained.threshold.reached})"
    return text, {"model_uri": model.uri, "model_run_uri": run.uri, "history": history, "trained": trained}


def _tuner(outputs: Outputs) -> Described:
    trials = _json(outputs["tuner_results"][0])
    values = _json(outputs["best_hyperparameters"][0])["values"]
    best = trials[0]["score"]  # TFX writes them from the best
    named = ", ".join(f"{name} {value:g}" for name, value in values.items())
    return f"best of {len(trials)} trials: {named} ({best:.3f} on held-back train rows)", {"tuned": values}


def _json(artifact: Artifact) -> Any:
    (path,) = Path(artifact.uri).iterdir()
    return json.loads(path.read_text(encoding="utf-8"))


def _champion(outputs: Outputs) -> Described:
    models = outputs.get("model", ())
    if not models:
        return "no champion yet", {}
    return f"champion is model {models[0].id}", {"champion_model_uri": models[0].uri}


def _evaluator(outputs: Outputs) -> Described:
    from tfx_pipeline.evaluation.slices import read_evaluation

    uri = outputs["evaluation"][0].uri
    found = read_evaluation(uri)
    failed = [one for one in found.slices if one.failed]
    text = f"eval {found.metric} {found.slices[0].score:.3f}, {len(found.slices)} slices, {len(failed)} out of bounds"
    return text, {"evaluation_uri": uri, "evaluation": found}


def _quality_gate(outputs: Outputs) -> Described:
    report = read_report(outputs["blessing"][0].uri)
    scores = "/".join(f"{value:.3f}" for value in report.by_set.values())
    failed = ", ".join(f"{check.name} {check.value:.3f} (wanted {check.bound})" for check in report.failed)
    text = f"blessed, {report.metric} {scores}" if report.passed else f"refused: {failed}"
    return text, {"gate": report, "blessed": report.passed}


def _infra_validator(outputs: Outputs) -> Described:
    blessing = outputs["blessing"][0]
    if not blessing.get_int_custom_property(BLESSED_PROPERTY):
        raise InfraRefusedError(blessing.get_string_custom_property(REASON_PROPERTY), Path(blessing.uri) / LOG_FILE)
    return f"the model server answered {blessing.get_int_custom_property(ROWS_PROPERTY)} rows", {}


def _pusher(outputs: Outputs) -> Described:
    if not outputs["pushed_model"][0].get_int_custom_property(PUSHED_PROPERTY):
        return "not pushed: the model server did not serve it", {}
    version = outputs["pushed_model"][0].get_string_custom_property(VERSION_PROPERTY)
    return f"version {version}", {"pushed_version": version}


_DESCRIPTIONS: dict[str, Callable[[Outputs], Described]] = {
    "GoldExport": _gold_export,
    "ExampleGen": _example_gen,
    "StatisticsGen": _statistics,
    "ImportSchemaGen": lambda _: ("from the contract", {}),
    "ExampleValidator": _validator,
    "DataGate": lambda _: ("passed", {}),
    "ChampionStatistics": lambda _: ("resolved", {}),
    "DistributionValidator": _distribution,
    "Transform": _transform,
    TUNER: _tuner,
    "Trainer": _trainer,
    "Champion": _champion,
    "Evaluator": _evaluator,
    "QualityGate": _quality_gate,
    "InfraValidator": _infra_validator,
    "Pusher": _pusher,
}
