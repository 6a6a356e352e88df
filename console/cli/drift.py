"""`lakeloop drift`: the answered requests, window by window, against what their model was trained on."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from console.cli.options import open_use_case, parse_periods
from console.cli.render import BAD, DIM, console, fits, table
from console.cli.use_case_option import UseCaseOption
from console.words import counted
from lakeloop.contract import Contract
from lakeloop.drift_report import ColumnDrift, DriftReport, WindowKind
from lakeloop.lake_tables import has_lake_table
from monitoring.drift.episodes import Episode
from operations.drift.periods import detect_windows, nothing_answered


def drift_command(
    periods: Annotated[str, typer.Option("--periods", "-p", help="A period's number or a range; default: all.")] = "",
    by_requests: Annotated[
        bool, typer.Option("--by-requests", help="Windows of the contract's size instead of whole periods.")
    ] = False,
    model: Annotated[
        str, typer.Option("--model", help="What if: measure against this pushed version; nothing is written.")
    ] = "",
    use_case: UseCaseOption = "",
) -> None:
    """Measure the answered requests by period of event time and write gold/drift.

    Only periods that changed are measured again. A drifted score is marked *; dataset drift is when enough of the
    features drifted. The prediction and its confidence are measured by themselves and never among them.
    """
    case = open_use_case(use_case)
    wanted = parse_periods(periods, case.contract.event_time) if periods else None
    if not (wanted or model or has_lake_table(case, "silver/predictions")):
        console.print(nothing_answered(case.contract), soft_wrap=True)  # so it is on a platform that was just started
        return
    with console.status("measuring …") as status:
        kind: WindowKind = "tumbling" if by_requests else "month"
        found = detect_windows(
            case, wanted, kind, model, on_period=lambda period: status.update(f"measuring {period} …")
        )
    windows = _windows(found.reports, case.contract)
    if fits(windows):
        console.print(windows)
    else:
        console.print(_drifted_alone(found.reports))
        console.print("named are the features that drifted; gold/drift has the scores of all", style=DIM)
    for line in _reasons(found.reports):
        console.print(line, style=DIM, soft_wrap=True)
    for line in (*_missing(found.reports), *_confidence(found.reports), *_against(found.reports, case.contract)):
        console.print(line, soft_wrap=True)
    for episode in found.episodes:
        console.print(_episode(episode, case.contract), soft_wrap=True)
    if not found.episodes:
        console.print("no dataset drift")
    where = "nothing was written" if model else "gold/drift has them all"
    console.print(f"{found.measured} of {len(found.reports)} windows measured now; {where}", style=DIM)


def _windows(reports: Sequence[DriftReport], contract: Contract) -> Table:
    answers = ["prediction", *(["confidence"] if any(report.confidence for report in reports) else [])]
    header = ("window", "rows", "model", "state", "share", *contract.features, *answers)
    return table(header, (_row(report, contract)[: len(header)] for report in reports), numbers=header[4:])


def _drifted_alone(reports: Sequence[DriftReport]) -> Table:
    """A row a window that fits a narrow terminal, however many features there are: only those that drifted."""
    header = ("window", "rows", "model", "state", "share", "prediction", "drifted")
    rows = ([*_whole(report), _score(report.prediction), _names_of_drifted(report)] for report in reports)
    return table(header, rows, numbers=header[4:6], whole=header[:6])


def _names_of_drifted(report: DriftReport) -> Text:
    """The furthest beyond its threshold first."""
    return Text(", ".join(f"{column.label} {column.score:.4f}" for column in report.furthest), BAD)


def _row(report: DriftReport, contract: Contract) -> list[object]:
    scores = {column.column: column for column in report.features}
    return [
        *_whole(report),
        *(_score(scores.get(name)) for name in contract.features),
        _score(report.prediction),
        _score(report.confidence),
    ]


def _whole(report: DriftReport) -> list[object]:
    measured = bool(report.features)
    return [
        _name(report),
        f"{report.window.rows:,}",
        report.model_version or "none",
        Text("DRIFT", BAD) if report.dataset_drift else Text(report.state, "" if measured else DIM),
        f"{len(report.drifted)}/{len(report.features)}" if measured else "",
    ]


def _score(column: ColumnDrift | None) -> Text:
    """The marks are characters, so that colour is not needed."""
    if column is None or column.score is None:
        return Text("-", DIM)
    return Text(f"*{column.score:.4f}", BAD) if column.drifted else Text(f"{column.score:.4f}")


def _missing(reports: Sequence[DriftReport]) -> list[str]:
    """A line for each feature whose missing share drifted in any window: where first, and how far there."""
    first: dict[str, str] = {}
    for report in reports:
        for column in report.missing:
            if column.drifted:
                first.setdefault(column.column, f"{_name(report)}: {column.note} (distance {column.score:.3f})")
    return [f"the missing share of {name} drifted first in {where}" for name, where in first.items()]


def _confidence(reports: Sequence[DriftReport]) -> list[str]:
    """Where the model's confidence drifted first; no line where it never did."""
    found = [(report, report.confidence) for report in reports if report.confidence and report.confidence.drifted]
    return [f"the model's confidence drifted first in {_name(r)} (distance {c.score:.3f})" for r, c in found[:1]]


def _against(reports: Sequence[DriftReport], contract: Contract) -> list[str]:
    """What windows were measured against, each once; no line where the contract says the training rows."""
    if contract.monitoring.reference == "train":
        return []
    named: dict[str, list[str]] = {}
    for report in reports:
        if report.features:
            named.setdefault(report.against, []).append(_name(report))
    return [f"{_span(names)}: measured against {against}" for against, names in named.items()]


def _span(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} windows, {names[0]} to {names[-1]}"


def _reasons(reports: Sequence[DriftReport]) -> list[str]:
    """Why windows were not measured, each reason once."""
    named: dict[str, list[str]] = {}
    for report in reports:
        if report.reason:
            named.setdefault(report.reason, []).append(_name(report))
    return [f"{_span(names)}: {reason}" for reason, names in named.items()]


def _name(report: DriftReport) -> str:
    return report.window.period if report.window.kind == "month" else report.window.first[:16]


def _episode(episode: Episode, contract: Contract) -> str:
    period = episode.opened_by.period
    ended = f"closed by {episode.closed_by.period}" if episode.closed_by else "still open"
    return (
        f"dataset drift of model {episode.model_version} from {period} "
        f"({contract.period} {contract.period_number(period)}) "
        f"to {episode.last_drifted.period}, {counted(episode.drifted_windows, 'window')} drifted, {ended}"
    )
