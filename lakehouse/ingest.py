"""Landing to gold in one go; bad files and bad rows are reported, never raised."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pyspark.sql import SparkSession

from lakehouse.bronze import LandingReport, land, read_deliveries
from lakehouse.contract_change import follow_contract
from lakehouse.gold import GoldReport, build_gold
from lakehouse.layout import work_folder
from lakehouse.lock import in_turn, only_one
from lakehouse.no_space import disk_full_as_no_space
from lakehouse.predictions import refine_predictions
from lakehouse.silver import SilverReport, refine
from lakeloop.contract import Contract
from lakeloop.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SourceReport:
    """What one source brought. `taken`, `repeated` are file names; `refused`, `notices` are sentences.

    `known` files lay there unchanged; `bronze_rows` were delivered, `silver_inserted` and `silver_updated` written,
    `rejected` put aside, for `reasons` (sentence, rows), the most frequent first.
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


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did; `gold.version` is the version of `gold/training` it left (None: no truth was ever there)."""

    sources: tuple[SourceReport, ...]
    gold: GoldReport

    @property
    def refused(self) -> tuple[str, ...]:
        """One sentence a refused file, over all sources."""
        return tuple(sentence for source in self.sources for sentence in source.refused)

    @property
    def changed(self) -> bool:
        """Whether any row in any table was added, changed or removed."""
        rows = any(s.bronze_rows or s.silver_inserted or s.silver_updated or s.rejected for s in self.sources)
        return rows or bool(self.gold.added or self.gold.updated or self.gold.removed)


def ingest(
    spark: SparkSession, contract: Contract, settings: Settings, progress: Callable[[str], None] = lambda line: None
) -> IngestReport:
    """Take everything new in the landing folder through bronze and silver to gold.

    Raises:
        Busy: another ingest runs on this home.
        NoSpace: the disk is full; run it again when it is not, nothing is lost and nothing doubled.
    """
    work = work_folder(settings)
    with only_one(work / "ingest.lock"), in_turn(work / "tables.lock"), disk_full_as_no_space():
        follow_contract(spark, contract, settings, progress)
        before = read_deliveries(spark, settings)

        def take(source: str) -> SourceReport:
            landed = land(spark, contract, settings, source, before)
            return _source_report(source, landed, refine(spark, contract, settings, source))

        reports = []
        with ThreadPoolExecutor(len(contract.sources), "ingest") as side_by_side:
            for report in side_by_side.map(take, contract.sources):
                reports.append(report)
                progress(_line(report))
        refine_predictions(spark, contract, settings)  # only new after a change of the contract
        gold = build_gold(spark, contract, settings)
        if gold.version is not None:
            progress(
                f"gold/training version {gold.version}: {gold.added:,} rows added, {gold.updated:,} updated, "
                f"{gold.removed:,} removed"
            )
        return IngestReport(tuple(reports), gold)


def _source_report(source: str, landed: LandingReport, refined: SilverReport) -> SourceReport:
    by_state = {state: [r for r in landed.records if r.state == state] for state in ("taken", "repeated", "refused")}
    return SourceReport(
        source=source,
        taken=tuple(r.file for r in by_state["taken"]),
        repeated=tuple(r.file for r in by_state["repeated"]),
        refused=tuple(f"{source}/{r.file}: {r.reason}" for r in by_state["refused"]),
        notices=(*landed.notices, *(f"{r.file}: {r.reason}; skipped" for r in by_state["repeated"])),
        known=landed.known,
        bronze_rows=landed.rows,
        silver_inserted=refined.inserted,
        silver_updated=refined.updated,
        rejected=refined.rejected,
        reasons=tuple(refined.reasons),
    )


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
