"""What the page of a model shows, a pushed one or a refused candidate: from its data to what was decided of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lakeloop.contract import Contract
from lakeloop.decision import Decision
from lakeloop.decision_table import read_decisions
from lakeloop.drift_report import DriftReport, WindowKind
from lakeloop.drift_store import lake_reports
from lakeloop.exceptions import LakeloopError, first_line
from lakeloop.manifest import Manifest, read_manifest
from lakeloop.use_case import UseCase
from operations.drift.windows import statistics_folder
from tfx_pipeline.data_checks.anomalies import Anomaly, read_anomalies
from tfx_pipeline.data_checks.schema_history import SchemaState, described, read_schema, schema_history, schema_uri
from tfx_pipeline.data_checks.statistics import FeatureStatistics, read_statistics
from tfx_pipeline.metadata.lineage.runs import run_graph
from tfx_pipeline.metadata.store import open_store
from tfx_pipeline.runs.run_record import RunRecord

Statistics = Mapping[str, Mapping[str, FeatureStatistics]]


@dataclass(frozen=True)
class Schema:
    """The schema a run was held to, column -> type and what is allowed, and every change of it so far."""

    columns: Mapping[str, str]
    history: Sequence[SchemaState]


@dataclass(frozen=True)
class ModelPage:
    """One run and what became of it. What cannot be read is None or empty, and `gaps` says why.

    `windows` are the measured periods of requests, `smaller` the measured windows within them. `anomalies`: of the
    training rows against the schema; `differences`: against the champion's rows; () is none found.
    """

    contract: Contract
    run: RunRecord
    windows: Sequence[DriftReport] = ()
    smaller: Sequence[DriftReport] = ()
    decisions: Sequence[Decision] = ()
    manifest: Manifest | None = None
    statistics: Statistics = field(default_factory=dict)
    anomalies: Sequence[Anomaly] | None = None
    differences: Sequence[Anomaly] | None = None
    schema: Schema | None = None
    gaps: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What people call it."""
        run = self.run
        return f"Model version {run.pushed_version}" if run.pushed_version else f"Run {run.run_id}"


def model_page(use_case: UseCase, run: RunRecord) -> ModelPage:
    """Everything the page shows at once; windows' statistics come when they are asked for."""
    gaps: dict[str, str] = {}
    found: dict[str, object] = {}

    def measured(kind: WindowKind) -> tuple[DriftReport, ...]:
        return lake_reports(use_case, kind, run.pushed_version) if run.pushed_version else ()

    readers = {
        "manifest": lambda: read_manifest(run.parameters.manifest),
        "statistics": lambda: read_statistics(run.statistics_uri),
        "anomalies": lambda: read_anomalies(Path(run.anomalies_uri)) if run.anomalies_uri else None,
        "differences": lambda: (
            read_anomalies(Path(run.distribution_anomalies_uri)) if run.distribution_anomalies_uri else None
        ),
        "schema": lambda: _schema(use_case, run),
        "windows": lambda: measured("month"),
        "smaller": lambda: measured("tumbling"),
        "decisions": lambda: _decisions_about(use_case, run),
    }
    for name, read in readers.items():
        try:
            found[name] = read()
        except (LakeloopError, OSError) as error:
            gaps[name] = str(error)
        except Exception as error:  # noqa: BLE001 - delta-rs and ML Metadata raise many kinds; the page shows the rest
            gaps[name] = f"{type(error).__name__}: {first_line(error)}"
    return ModelPage(contract=use_case.contract, run=run, gaps=gaps, **found)  # type: ignore[arg-type]


@dataclass(frozen=True)
class WindowStatistics:
    """A window's requests beside the rows its model was trained on."""

    statistics: Statistics
    anomalies: Sequence[Anomaly]


def window_statistics(use_case: UseCase, run: RunRecord, measured: DriftReport) -> WindowStatistics | None:
    """What was counted of a window; None while nobody has counted it."""
    folder = statistics_folder(use_case, measured)
    if not folder.is_dir():
        return None
    both = {**read_statistics(run.statistics_uri), **read_statistics(str(folder))}
    return WindowStatistics(both, read_anomalies(folder))


def _schema(use_case: UseCase, run: RunRecord) -> Schema | None:
    with open_store(use_case.settings) as store:
        graph = run_graph(store, run.run_id)
        uri = schema_uri(graph) if graph is not None else ""
        return Schema(described(read_schema(uri)), schema_history(store, use_case.name)) if uri else None


def _decisions_about(use_case: UseCase, run: RunRecord) -> list[Decision]:
    """The one this run was a candidate of, and those that asked whether to replace it; the oldest first."""
    return [
        decision
        for decision in read_decisions(use_case)
        if any(candidate.run_id == run.run_id for candidate in decision.candidates)
        or (run.pushed_version and run.pushed_version in (decision.champion, decision.version))
    ]
