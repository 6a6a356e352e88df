"""Landing to gold, in one go or step by step; bad files and bad rows are reported, never raised."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from lakehouse.bronze.append import LandingReport, land
from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.elsewhere import deliver_new, is_foreign
from lakehouse.bronze.ledger import deliveries
from lakehouse.bronze.notices import collated
from lakehouse.contract_change import follow_contract
from lakehouse.exceptions import ForeignSourceError
from lakehouse.gold.build import GoldReport, build_gold
from lakehouse.gold.clusters import ClusterReport, update_clusters
from lakehouse.gold.new_truth import record_new_truth
from lakehouse.lake import Lake
from lakehouse.requests.predictions import refine_predictions
from lakehouse.silver.refine import SilverReport, refine
from lakehouse.storage.disk_full import disk_full_as_no_space
from lakehouse.storage.lock import INGEST_LOCK, only_one, tables_held
from lakeloop.contract import Contract
from lakeloop.events import Event
from lakeloop.landing_files import KnownFiles, write_known
from lakeloop.notifications import notify
from lakeloop.rejected_rows import RejectedRows
from lakeloop.use_case import UseCase
from lakeloop.waiting_rows import waiting_rows

log = logging.getLogger(__name__)
Progress = Callable[[str], None]


@dataclass(frozen=True)
class SourceReport:
    """What one source brought. `taken`, `repeated` are file names; `refused`, `notices` are sentences.

    `known` files lay there unchanged; `bronze_rows` were delivered, `silver_inserted` and `silver_updated` written,
    `rejected` put aside, for `reasons` (sentence, rows), the most frequent first. `validated` are all rows that silver
    looked at, and `by_reason` counts those put aside by the kind of mistake alone. `warnings` are sentences on rows
    that met no row of a joined source, or wait for one. `mended` counts what was read otherwise than delivered.
    """

    source: str
    taken: tuple[str, ...]
    repeated: tuple[str, ...]
    refused: tuple[str, ...]
    notices: tuple[str, ...]
    known: int
    bronze_rows: int
    silver_inserted: int
    silver_updated: int
    rejected: int
    reasons: tuple[tuple[str, int], ...]
    validated: int = 0
    by_reason: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    mended: int = 0


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did; `gold.version` is the version of `gold/training` it left (None: no truth was ever there).

    `new_truth` is the event it recorded if ground truth came. `clusters`: what became of gold/clusters, None where
    there was nothing to do.
    """

    sources: tuple[SourceReport, ...]
    gold: GoldReport = field(default_factory=GoldReport)
    new_truth: Event | None = None
    clusters: ClusterReport | None = None

    @property
    def refused(self) -> tuple[str, ...]:
        """One sentence a refused file, over all sources."""
        return tuple(sentence for source in self.sources for sentence in source.refused)

    @property
    def rejects(self) -> RejectedRows:
        """Of all rows that silver looked at those that were put aside, over all sources."""
        reasons: Counter[str] = Counter()
        for source in self.sources:
            reasons.update(source.by_reason)
        return RejectedRows(sum(source.validated for source in self.sources), reasons)

    @property
    def changed(self) -> bool:
        """Whether any row in any table was added, changed or removed."""
        rows = any(s.bronze_rows or s.silver_inserted or s.silver_updated or s.rejected for s in self.sources)
        gold, clusters = self.gold, self.clusters is not None and self.clusters.version is not None
        return rows or clusters or bool(gold.added or gold.updated or gold.removed or gold.performance)


def ingest(lake: Lake, progress: Progress = lambda line: None, verify: bool = False) -> IngestReport:
    """Take everything new in the landing folder through bronze and silver to gold: the three steps in one go.

    `verify`: files that seem to be known are hashed, so that other content of the same size and time is noticed.

    Raises:
        BusyError: another ingest runs on this home.
        DiskFullError: the disk is full; run it again when it is not, nothing is lost and nothing doubled.
    """
    with _alone(lake, progress):
        reports = _land_each(lake, progress, verify, lambda source: refine(lake, source))
        refine_predictions(lake)  # only new after a change of the contract
        return IngestReport(reports, *_gold(lake, progress))


def bronze_step(lake: Lake, progress: Progress = lambda line: None, verify: bool = False) -> IngestReport:
    """The first step alone: new files into bronze, and what became of each; arguments and errors as `ingest`."""
    with _alone(lake, progress):
        return IngestReport(_land_each(lake, progress, verify, lambda source: SilverReport()))


def silver_step(lake: Lake, progress: Progress = lambda line: None) -> IngestReport:
    """The second step alone: what is new in bronze, validated and typed into silver; raises as `ingest`."""

    def take(source: str) -> SourceReport:
        return _source_report(lake, source, LandingReport(), refine(lake, source))

    with _alone(lake, progress):
        reports = _each_source(lake.contract, take, progress)
        refine_predictions(lake)
        return IngestReport(reports)


def gold_step(lake: Lake, progress: Progress = lambda line: None) -> IngestReport:
    """The third step alone: gold as silver is now, and an event if that brought ground truth; raises as `ingest`."""
    with _alone(lake, progress):
        return IngestReport((), *_gold(lake, progress))


@contextmanager
def _alone(lake: Lake, progress: Progress) -> Iterator[None]:
    """One ingest at a time on a home, with tables in the contract's shape."""
    with only_one(lake.work_folder / INGEST_LOCK), tables_held(lake), disk_full_as_no_space():
        follow_contract(lake, progress)
        yield


def _land_each(
    lake: Lake, progress: Progress, verify: bool, go_on: Callable[[str], SilverReport]
) -> tuple[SourceReport, ...]:
    """Every source's new files into bronze, and on with each as `go_on` does it, while others still land."""
    before = deliveries(lake)
    landed: list[DeliveryRecord] = []

    def take(source: str) -> SourceReport:
        report = _land(lake, source, before, verify)
        landed.extend(report.records)
        return _source_report(lake, source, report, go_on(source))

    reports = _each_source(lake.contract, take, progress)
    _note_known(lake, [*before, *landed])
    return reports


def _land(lake: Lake, source: str, before: Sequence[DeliveryRecord], verify: bool) -> LandingReport:
    """New files of a source into bronze; where it is another's table or topic, what is new has become some."""
    notices: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    if is_foreign(lake.contract.sources[source]):
        try:
            notices = deliver_new(lake, source, before).notices
        except ForeignSourceError as error:
            refused = (str(error),)
    report = land(lake, source, before, verify=verify)
    for sentence in refused:
        notify(lake, "refused file", f"{source}: {sentence}", lake.settings.monitor, once_by=f"{source}: {sentence}")
    for record in report.records:
        if record.state == "refused":
            text = f"{source}/{record.file} was refused: it {record.reason}. Everything else was taken."
            once = f"{source}/{record.file} {record.sha256}"
            notify(lake, "refused file", text, lake.settings.monitor, once_by=once)
    return replace(report, notices=(*notices, *report.notices), refused=refused)


def _each_source(
    contract: Contract, take: Callable[[str], SourceReport], progress: Progress
) -> tuple[SourceReport, ...]:
    """Side by side; only the base waits for the sources that are joined to it."""
    last = [contract.feature_source] if contract.joins else []
    reports = {}
    with ThreadPoolExecutor(len(contract.sources), "ingest") as side_by_side:
        for sources in ([source for source in contract.sources if source not in last], last):
            for report in side_by_side.map(take, sources):
                reports[report.source] = report
                progress(_line(report))
    return tuple(reports[source] for source in contract.sources)


def _gold(lake: Lake, progress: Progress) -> tuple[GoldReport, Event | None, ClusterReport | None]:
    gold = build_gold(lake)
    if gold.version is not None:
        progress(
            f"gold/training version {gold.version}: {gold.added:,} rows added, {gold.updated:,} updated, "
            f"{gold.removed:,} removed"
        )
    truth, clusters = record_new_truth(lake), update_clusters(lake)
    if clusters is not None and clusters.version is not None:
        progress(clusters.sentence)
    return gold, truth, clusters


def _note_known(use_case: UseCase, records: list[DeliveryRecord]) -> None:
    """Tell those who watch the landing folder without Spark what need not be taken any more."""
    known: KnownFiles = {}
    for record in records:
        known.setdefault(f"{record.source}/{record.file}", set()).add(record.file_state)
    write_known(use_case.folder("landing"), known)


def _source_report(use_case: UseCase, source: str, landed: LandingReport, refined: SilverReport) -> SourceReport:
    by_state = {state: [r for r in landed.records if r.state == state] for state in ("taken", "repeated", "refused")}
    return SourceReport(
        source=source,
        taken=tuple(r.file for r in by_state["taken"]),
        repeated=tuple(r.file for r in by_state["repeated"]),
        refused=(*landed.refused, *(f"{source}/{r.file}: {r.reason}" for r in by_state["refused"])),
        notices=(*landed.notices, *collated((r.file, f"{r.reason}; skipped") for r in by_state["repeated"])),
        known=landed.known,
        bronze_rows=landed.rows,
        silver_inserted=refined.inserted,
        silver_updated=refined.updated,
        rejected=refined.rejected,
        reasons=tuple(refined.reasons),
        validated=refined.delivered,
        by_reason=refined.by_reason,
        warnings=_on_joins(use_case, source, refined),
        mended=refined.mended,
    )


def _on_joins(use_case: UseCase, source: str, refined: SilverReport) -> tuple[str, ...]:
    """Of the base where sources are joined to it: rows that met nothing, and how many wait now."""
    contract = use_case.contract
    if not contract.joins or source != contract.feature_source:
        return ()
    waiting = (one.sentence for one in waiting_rows(use_case) if one.waiting)
    return (*(unmet.sentence for unmet in refined.unmet), *waiting)


def _line(report: SourceReport) -> str:
    files = "1 new file" if len(report.taken) == 1 else f"{len(report.taken)} new files"
    parts = [
        f"{report.source}: {files}, {report.bronze_rows:,} rows",
        f"{report.silver_inserted:,} new in silver" if report.silver_inserted else "",
        f"{report.silver_updated:,} updated" if report.silver_updated else "",
        f"{report.rejected:,} rejected" if report.rejected else "",
        f"{len(report.repeated)} repeated" if report.repeated else "",
        f"{len(report.refused)} refused" if report.refused else "",
    ]
    return ", ".join(part for part in parts if part)
