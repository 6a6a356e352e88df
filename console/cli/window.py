"""`lakeloop window`: a closer look at one period of answered requests."""

from pathlib import Path
from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import BAD, console, table
from console.cli.use_case_option import UseCaseOption
from lakeloop.atomic_file import write_text
from lakeloop.drift_store import lake_reports
from monitoring.drift.evidently_page import evidently_page
from operations.drift.windows import count_window, find_window, read_window, reference_of_window
from tfx_pipeline.data_checks.anomalies import read_anomalies
from tfx_pipeline.data_checks.statistics import read_statistics

Period = Annotated[str, typer.Argument(help="A period of event time, as `window list` shows it.", metavar="PERIOD")]
Version = Annotated[str, typer.Option(help="The model version that answered; default: the one with most answers.")]


def list_command(use_case: UseCaseOption = "") -> None:
    """List the periods that `lakeloop drift` has measured."""
    case = open_use_case(use_case)
    found = lake_reports(case)
    if not found:
        console.print(f"no {case.contract.period} was measured yet; `lakeloop drift` does")
        return
    rows = [
        (
            one.window.period,
            one.model_version or "none",
            f"{one.window.rows:,}",
            one.state,
            f"{one.share:.3f}" if one.features else "",
            one.reason,
        )
        for one in found
    ]
    console.print(
        table((case.contract.period, "model", "requests", "state", "drifted share", "why"), rows, ("requests",))
    )


def statistics_command(period: Period, version: Version = "", use_case: UseCaseOption = "") -> None:
    """Count a period's requests with TFDV, beside the training rows, and check them against the model's schema."""
    case = open_use_case(use_case)
    measured = find_window(case, period, version)
    with console.status("TFDV counts …"):
        folder = count_window(case, measured)
    counted = read_statistics(str(folder))["serving"]
    rows = [
        (
            one.name,
            f"{one.rows:,}",
            f"{one.missing:,}",
            *one.shown(case.contract.features.get(one.name)),
            ", ".join(v for v, _ in one.top[:3]),
        )
        for one in counted.values()
    ]
    header = ("feature", "rows", "missing", "mean", "std", "min", "median", "max", "commonest")
    console.print(table(header, rows, header[1:8]))
    anomalies = read_anomalies(folder)
    for anomaly in anomalies:
        console.print(str(anomaly), style=BAD, soft_wrap=True)
    if not anomalies:
        console.print("no anomalies")


def report_command(
    period: Period,
    version: Version = "",
    out: Annotated[Path | None, typer.Option(help="The file to write.", dir_okay=False)] = None,
    use_case: UseCaseOption = "",
) -> None:
    """Write Evidently's own report of a period against what it was measured against, as a rule its training rows."""
    case = open_use_case(use_case)
    answered_by = find_window(case, period, version).model_version
    path = out or Path(case.settings.area("reports")) / case.name / "evidently" / f"{period}-{answered_by}.html"
    with console.status("Evidently compares …"):
        rows = read_window(case, answered_by, period)
        page = evidently_page(reference_of_window(case, answered_by, period), rows, case.contract)
    write_text(path, page)
    console.print(f"{path}", soft_wrap=True)
