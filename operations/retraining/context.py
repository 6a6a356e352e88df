"""What is known when a retrain begins: champion, labelled periods, drift, and the requests of now."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from lakehouse.gold.export import export, finished_export
from lakehouse.gold.labelled import changed_rows, labelled_period
from lakehouse.gold.training_periods import labelled_periods
from lakehouse.lake import Lake
from lakehouse.read.tables import open_table
from lakehouse.read.window import newest_requests
from lakehouse.requests.arrivals import arrivals
from lakehouse.storage.layout import TRAINING_TABLE
from lakeloop.contract import Contract
from lakeloop.decision import Decision
from lakeloop.decision_table import read_decisions
from lakeloop.exceptions import BusyError, ModelCardMissingError, NotFoundError, WrongUseError
from lakeloop.git import git_commit
from lakeloop.lake_tables import has_lake_table
from lakeloop.manifest import read_manifest
from lakeloop.model_card import ModelCard, read_model_card
from lakeloop.use_case import UseCase
from operations.drift.newest import detect_newest
from operations.evaluation import exported_rows
from operations.retraining.candidates import Candidate, Evidence, Periods
from tfx_pipeline.metadata.store import PushedModel, champion

log = logging.getLogger(__name__)
STREAM_SECONDS = 300.0


@dataclass(frozen=True)
class Context:
    """All a retrain looks at; nothing in it needs Spark any more.

    `gold_version` is the version of gold/training looked at (None: there is no table yet), `newest` its rows of the
    newest labelled period, `window` the newest requests' features.
    """

    evidence: Evidence
    champion: PushedModel | None
    drift: Mapping[str, float]
    gold_version: int | None
    newest: pd.DataFrame
    window: pd.DataFrame

    @property
    def newest_period(self) -> int:
        """The newest labelled period."""
        return self.evidence.labelled[-1]


@dataclass(frozen=True)
class Prepared:
    """A candidate and the export it is trained on."""

    candidate: Candidate
    manifest: Path


def read_context(use_case: UseCase) -> Context:
    """Look at gold, the request log and the champion. Before the first champion everything labelled is new."""
    contract = use_case.contract
    version = open_table(use_case, TRAINING_TABLE).version() if has_lake_table(use_case, TRAINING_TABLE) else None
    labelled = _labelled(use_case, version)
    window = newest_requests(use_case, contract.monitoring.window)
    pushed = champion(use_case)
    trained = _TrainedOn(use_case, _model_card(use_case, pushed.version)) if pushed is not None else None
    drift = _drift(contract, trained, window)
    evidence = Evidence(
        labelled=labelled,
        champion_periods=trained.periods if trained is not None else (),
        old=trained.export if trained is not None else None,
        changed=_changed(use_case, trained, version),
        drifted=tuple(drift),
        requests=len(window),
    )
    newest = labelled_period(use_case, labelled[-1], version) if labelled else pd.DataFrame()
    return Context(evidence, pushed, drift, version, newest, window)


def take_in_requests(lake: Lake) -> None:
    """Bring what the request log has finished by now into the lake, for what is new counts; a stream at work may do it.

    What comes meanwhile waits for the next stream: a gateway that is asked all the time finishes a file each second.

    Raises:
        BusyError: a stream is at work and does not get on.
    """
    deadline = time.monotonic() + STREAM_SECONDS
    there = arrivals(lake)
    while there.any_in(arrivals(lake)):
        from lakehouse.requests.stream import stream

        try:
            stream(lake)
        except BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def prepare(lake: Lake, context: Context, candidates: list[Candidate]) -> list[Prepared]:
    """Export what each candidate is trained on; candidates of the same rows share one export."""
    newest = context.gold_version
    return [Prepared(c, _export(lake, c.periods, newest if c.version is None else c.version)) for c in candidates]


def evaluation_export(lake: Lake, context: Context) -> Path:
    """The export whose eval rows speak where no new truth is there: the champion's, or all that is labelled."""
    old = context.evidence.old
    periods, version = old if old is not None else (None, context.gold_version)
    return _export(lake, periods, version)


def _export(lake: Lake, periods: Periods | None, version: int | None) -> Path:
    found = finished_export(lake, version, periods)
    if found is not None:
        return found
    return export(lake, version, periods, git_commit())


@dataclass(frozen=True)
class _TrainedOn:
    """What the champion's model card leads to; empty where its export is gone or it has no card."""

    use_case: UseCase
    card: ModelCard | None

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All rows, train and eval, of the champion's export."""
        if self.card is None:
            return pd.DataFrame()
        try:
            return exported_rows(self.use_case.contract, self.card.manifest_path(self.use_case))
        except (WrongUseError, OSError):
            return pd.DataFrame()

    @property
    def periods(self) -> tuple[int, ...]:
        if self.rows.empty:
            return ()
        contract = self.use_case.contract
        names = self.rows[contract.period_column].unique()
        return tuple(sorted(contract.period_number(str(name)) for name in names))

    @property
    def export(self) -> tuple[Periods | None, int] | None:
        if self.card is None or self.rows.empty:
            return None
        manifest = read_manifest(self.card.manifest_path(self.use_case))
        return manifest.periods, manifest.version


def rows_changed(use_case: UseCase, periods: Periods, before: int, now: int) -> int:
    """Rows of these periods of gold/training that two of its versions do not share; 0 where the earlier one is gone."""
    try:
        return changed_rows(use_case, periods, before, now)
    except NotFoundError as gone:
        log.warning("event=version_gone table=gold/training version=%d reason=%r", before, str(gone)[:200])
        return 0


def _changed(use_case: UseCase, trained: _TrainedOn | None, version: int | None) -> int:
    """Rows of the champion's periods that are others at `version` than when it was trained, or checked since."""
    if trained is None or trained.export is None or trained.card is None or version is None:
        return 0
    periods, exported = trained.export
    before = last_compared_on(read_decisions(use_case), trained.card.version, exported)
    if before >= version:
        return 0
    return rows_changed(use_case, periods or (0, trained.periods[-1]), before, version)


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


def _model_card(use_case: UseCase, version: str) -> ModelCard | None:
    try:
        return read_model_card(use_case, version)
    except (ModelCardMissingError, NotFoundError):
        return None


def _labelled(use_case: UseCase, version: int | None) -> tuple[int, ...]:
    contract = use_case.contract
    if version is None:
        return ()
    found = labelled_periods(open_table(use_case, TRAINING_TABLE, version), contract)
    return tuple(sorted(contract.period_number(name) for name in found))
