"""`lakeloop lake ingest`, and its three steps `bronze`, `silver` and `gold`: deliveries become tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import BAD, DIM, console
from console.cli.result import write_result
from console.cli.spark import spark_of
from console.cli.use_case_option import UseCaseOption
from console.cli.warm_server import start_warm_server
from lakehouse.ingest import IngestReport, bronze_step, gold_step, ingest, silver_step
from lakehouse.lake import Lake, open_lake
from lakehouse.read.tables import count_rows, open_table
from lakehouse.storage.layout import TRAINING_TABLE
from lakehouse.storage.lock import INGEST_LOCK, check_free
from lakeloop.exceptions import DeliveryError
from lakeloop.use_case import UseCase

Verify = Annotated[
    bool,
    typer.Option("--verify", help="Hash files that seem known: finds other content of the same size and time."),
]


def ingest_command(verify: Verify = False, use_case: UseCaseOption = "") -> None:
    """Take everything new in the landing folder through bronze and silver to gold.

    Rows that break the contract go to silver/rejects with file, line and reason; a file that cannot be taken is
    refused with a sentence (exit 1), everything else is taken. Repeating it changes nothing.
    """
    case = open_use_case(use_case)
    with _lake_to_ingest(case) as lake:
        report = ingest_with(lake, verify)
    _fail_if_refused(report)


@contextmanager
def _lake_to_ingest(use_case: UseCase) -> Iterator[Lake]:
    """The lake, unless another ingest is at work: that is told at once. Spark starts when something is new."""
    check_free(use_case.work_folder / INGEST_LOCK)
    with open_lake(use_case, spark_of) as lake:
        yield lake


def ingest_with(lake: Lake, verify: bool = False) -> IngestReport:
    """Ingest, saying what was taken, what was rejected and why."""
    with console.status("ingesting …"):
        report = ingest(lake, _say, verify)
    _tell_sources(report)
    _tell_truth(report)
    _tell_clusters(report)
    if not report.changed:
        console.print("nothing new: no table changed")
    _tell_rejects(lake, report)
    return report


def bronze_command(
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Refused files are told, and do not fail the command.")
    ] = False,
    verify: Verify = False,
    use_case: UseCaseOption = "",
) -> None:
    """Step 1 of an ingest alone: new landing files into bronze, as delivered, each once."""
    case = open_use_case(use_case)
    with _lake_to_ingest(case) as lake:
        report = bronze_step(lake, _say, verify)
    _tell_sources(report)
    _give(report)
    if go_on:
        for sentence in report.refused:
            console.print(f"refused: {sentence}", style=BAD, soft_wrap=True)
    else:
        _fail_if_refused(report)


def silver_command(use_case: UseCaseOption = "") -> None:
    """Step 2 of an ingest alone: bronze into silver, typed and validated by the contract, one row a key."""
    case = open_use_case(use_case)
    with _lake_to_ingest(case) as lake:
        report = silver_step(lake, _say)
    _tell_sources(report)
    _tell_rejects(case, report)
    _give(report)


def gold_command(use_case: UseCaseOption = "") -> None:
    """Step 3 of an ingest alone: gold as silver is now; new ground truth becomes an event in the ledger."""
    case = open_use_case(use_case)
    with _lake_to_ingest(case) as lake:
        report = gold_step(lake, _say)
    rows = 0 if report.gold.version is None else count_rows(open_table(case, TRAINING_TABLE))
    if report.gold.version is None:
        console.print("there is no gold/training yet: it needs features and their ground truth")
    _tell_truth(report)
    _tell_clusters(report)
    if report.new_truth is not None and case.settings.airflow_run_id:
        start_warm_server(case, wait=False)  # a retrain begins: it imports while Airflow gets there
    gold = report.gold
    write_result(
        {
            "version": gold.version,
            "rows": rows,
            "rows_added": gold.added,
            "rows_updated": gold.updated,
            "rows_removed": gold.removed,
            "new_truth": None if report.new_truth is None else report.new_truth.extra,
        }
    )


def _say(line: str) -> None:
    console.print(line, soft_wrap=True)


def _tell_sources(report: IngestReport) -> None:
    for source in report.sources:
        for notice in source.notices:
            console.print(f"  {source.source}: {notice}", style=DIM, soft_wrap=True)
        for warning in source.warnings:
            console.print(f"  {source.source}: {warning}", style=BAD, soft_wrap=True)
        for reason, count in source.reasons:
            console.print(f"  {source.source}: {count:,} rejected: {reason}", style=BAD, soft_wrap=True)
        if source.mended:
            console.print(f"  {source.source}: {source.mended:,} values were mended", style=DIM, soft_wrap=True)
    if any(source.mended for source in report.sources):
        console.print("  what was mended in which file: `lakeloop lake show silver/mended`", style=DIM)
    if any(source.rejected for source in report.sources):
        console.print("  every rejected row, with file and line: `lakeloop lake show silver/rejects`")


def _tell_rejects(use_case: UseCase, report: IngestReport) -> None:
    """The last line: how much of what was delivered is not in silver, and why."""
    rejects, limit = report.rejects, use_case.contract.monitoring.rejected_share_above
    if rejects.rejected:
        loud = f"; more than {100 * limit:g} % is an alert" if rejects.share > limit else ""
        console.print(f"{rejects.sentence}{loud}", style=BAD, soft_wrap=True)


def _tell_truth(report: IngestReport) -> None:
    if report.new_truth is not None:
        console.print(f"new ground truth: event {report.new_truth.id} of the ledger", style=DIM)


def _tell_clusters(report: IngestReport) -> None:
    if report.clusters is not None:
        for notice in report.clusters.notices:
            console.print(f"  clusters: {notice}", style=DIM, soft_wrap=True)
        if report.clusters.problem:
            console.print(f"  clusters: {report.clusters.problem}", style=BAD, soft_wrap=True)


def _fail_if_refused(report: IngestReport) -> None:
    if report.refused:
        count = "1 delivery was" if len(report.refused) == 1 else f"{len(report.refused)} deliveries were"
        raise DeliveryError("\n  ".join([f"{count} refused, everything else was taken:", *report.refused]))


def _give(report: IngestReport) -> None:
    """The result of a step for whoever runs it."""
    write_result(
        {
            "taken": [f"{source.source}/{file}" for source in report.sources for file in source.taken],
            "refused": list(report.refused),
            "rejected_rows": sum(source.rejected for source in report.sources),
            "rejected_share": round(report.rejects.share, 6),
            "changed": report.changed,
        }
    )
