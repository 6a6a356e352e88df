"""What is known when a retrain begins: champion, labelled months, drift, and the requests of now."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from lakehouse.gold.export import export, finished_export
from lakehouse.gold.labelled import TABLE, changed_rows, labelled_month, labelled_months
from lakehouse.read.tables import open_table
from lakehouse.read.window import newest_requests
from lakehouse.requests.log_files import new_files
from lakeloop.champion import ModelCard, read_model_card
from lakeloop.contract import Contract
from lakeloop.decision import Decision
from lakeloop.decision_table import read_decisions
from lakeloop.exceptions import BusyError, ModelCardMissingError, NotFoundError, WrongUseError
from lakeloop.git import git_commit
from lakeloop.lake_tables import has_lake_table
from lakeloop.manifest import read_manifest
from lakeloop.settings import Settings
from operations.drift.newest import detect_newest
from operations.evaluation import exported_rows
from operations.retraining.candidates import Candidate, Evidence, Months
from operations.retraining.request import SparkWhenNeeded
from tfx_pipeline.metadata.store import PushedModel, champion

log = logging.getLogger(__name__)
STREAM_SECONDS = 300.0


@dataclass(frozen=True)
class Context:
    """All a retrain looks at; nothing in it needs Spark any more.

    `gold_version` is the version of gold/training looked at (None: there is no table yet), `newest` its rows of the
    newest labelled month, `window` the newest requests' features.
    """

    evidence: Evidence
    champion: PushedModel | None
    drift: Mapping[str, float]
    gold_version: int | None
    newest: pd.DataFrame
    window: pd.DataFrame

    @property
    def newest_month(self) -> int:
        """The newest labelled month."""
        return self.evidence.labelled[-1]


@dataclass(frozen=True)
class Prepared:
    """A candidate and the export it is trained on."""

    candidate: Candidate
    manifest: Path


def read_context(contract: Contract, settings: Settings) -> Context:
    """Look at gold, the request log and the champion. Before the first champion everything labelled is new."""
    version = open_table(settings, TABLE).version() if has_lake_table(settings, TABLE) else None
    labelled = _labelled(contract, settings, version)
    window = newest_requests(contract, settings, contract.monitoring.window)
    pushed = champion(settings)
    trained = _TrainedOn(contract, settings, _model_card(settings, pushed.version)) if pushed is not None else None
    drift = _drift(contract, trained, window)
    evidence = Evidence(
        labelled=labelled,
        champion_months=trained.months if trained is not None else (),
        old=trained.export if trained is not None else None,
        changed=_changed(contract, settings, trained, version),
        drifted=tuple(drift),
        requests=len(window),
    )
    newest = labelled_month(contract, settings, labelled[-1], version) if labelled else pd.DataFrame()
    return Context(evidence, pushed, drift, version, newest, window)


def take_in_requests(spark: SparkWhenNeeded, contract: Contract, settings: Settings) -> None:
    """Bring what the request log has finished into the lake, for what is new counts; a stream at work may do it.

    Raises:
        BusyError: a stream is at work and does not get on.
    """
    deadline = time.monotonic() + STREAM_SECONDS
    while new_files(settings):
        from lakehouse.requests.stream import stream

        try:
            stream(spark(), contract, settings)
        except BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def prepare(
    spark: SparkWhenNeeded, contract: Contract, settings: Settings, context: Context, candidates: list[Candidate]
) -> list[Prepared]:
    """Export what each candidate is trained on; candidates of the same rows share one export."""
    newest = context.gold_version
    return [
        Prepared(c, _export(spark, contract, settings, c.months, newest if c.version is None else c.version))
        for c in candidates
    ]


def evaluation_export(spark: SparkWhenNeeded, contract: Contract, settings: Settings, context: Context) -> Path:
    """The export whose eval rows speak where no new truth is there: the champion's, or all that is labelled."""
    old = context.evidence.old
    months, version = old if old is not None else (None, context.gold_version)
    return _export(spark, contract, settings, months, version)


def _export(
    spark: SparkWhenNeeded, contract: Contract, settings: Settings, months: Months | None, version: int | None
) -> Path:
    found = finished_export(contract, settings, version, months)
    if found is not None:
        return found
    return export(spark(), contract, settings, version=version, months=months, git_commit=git_commit())


@dataclass(frozen=True)
class _TrainedOn:
    """What the champion's model card leads to; empty where its export is gone or it has no card."""

    contract: Contract
    settings: Settings
    card: ModelCard | None

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All rows, train and eval, of the champion's export."""
        if self.card is None:
            return pd.DataFrame()
        try:
            return exported_rows(self.contract, self.card.manifest_path(self.settings))
        except (WrongUseError, OSError):
            return pd.DataFrame()

    @property
    def months(self) -> tuple[int, ...]:
        if self.rows.empty:
            return ()
        names = self.rows[self.contract.event_time.column].unique()
        return tuple(sorted(self.contract.month_number(str(name)) for name in names))

    @property
    def export(self) -> tuple[Months | None, int] | None:
        if self.card is None or self.rows.empty:
            return None
        manifest = read_manifest(self.card.manifest_path(self.settings))
        return manifest.months, manifest.version


def rows_changed(contract: Contract, settings: Settings, months: Months, before: int, now: int) -> int:
    """Rows of these months of gold/training that two of its versions do not share; 0 where the earlier one is gone."""
    try:
        return changed_rows(contract, settings, months, before, now)
    except NotFoundError as gone:
        log.warning("event=version_gone table=gold/training version=%d reason=%r", before, str(gone)[:200])
        return 0


def _changed(contract: Contract, settings: Settings, trained: _TrainedOn | None, version: int | None) -> int:
    """Rows of the champion's months that are others at `version` than when it was trained, or checked since."""
    if trained is None or trained.export is None or trained.card is None or version is None:
        return 0
    months, exported = trained.export
    before = last_compared_on(read_decisions(settings), trained.card.version, exported)
    if before >= version:
        return 0
    return rows_changed(contract, settings, months or (0, trained.months[-1]), before, version)


def last_compared_on(decisions: Sequence[Decision], champion: str, exported: int) -> int:
    """The newest version of gold/training a champion was compared on; `exported`, its own, where it never was.

    A decision that still waits for somebody has settled nothing.
    """
    settled = [d for d in decisions if d.champion == champion and d.with_truth and not d.waits]
    return max([exported, *(d.judged_version for d in settled if d.judged_version is not None)])


def _drift(contract: Contract, trained: _TrainedOn | None, window: pd.DataFrame) -> dict[str, float]:
    """Drifted features with their scores, the furthest beyond its threshold first; {} where that cannot be told."""
    if trained is None or trained.card is None or trained.rows.empty:
        return {}
    report = detect_newest(contract, trained.card, trained.rows, window)
    return {column.column: column.score for column in report.furthest if column.score is not None}


def _model_card(settings: Settings, version: str) -> ModelCard | None:
    try:
        return read_model_card(settings, version)
    except (ModelCardMissingError, NotFoundError):
        return None


def _labelled(contract: Contract, settings: Settings, version: int | None) -> tuple[int, ...]:
    if version is None:
        return ()
    found = labelled_months(open_table(settings, TABLE, version), contract)
    return tuple(sorted(contract.month_number(name) for name in found))
