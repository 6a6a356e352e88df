"""How things look in a terminal: one console, progress bars, tables."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from lakeloop.gate_check import GateCheck
    from tfx_pipeline.evaluation.gate import GateReport
    from tfx_pipeline.runs.run_record import NodeResult

PIPED_WIDTH = 160
console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
GOOD, BAD, DIM = "green", "bold red", "dim"
BROKEN = 1.5
"""So many times as wide as the terminal a table may be before folding its columns makes it unreadable."""
FAR_TOO_WIDE = 100_000
NOT_KNOWN = "-"


def print_problem(use_case: str, problem: str) -> None:
    """What is wrong with one use case, where a command goes on with the others."""
    console.print(f"use case {use_case}: {problem}", style=BAD, soft_wrap=True, markup=False)


def progress() -> Progress:
    """A progress bar on standard error that disappears when done; piped output stays clean."""
    errors = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,  # it would leave an empty line
    )


def table(
    header: Sequence[str], rows: Iterable[Sequence[object]], numbers: Sequence[str] = (), whole: Sequence[str] = ()
) -> Table:
    """A plain table; the columns named in `numbers` are right-aligned, those in `whole` never broken over lines."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in header:
        justify: JustifyMethod = "right" if name in numbers else "left"
        made.add_column(name, justify=justify, overflow="fold", no_wrap=name in whole)
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else _text(cell) for cell in row))
    return made


def rows_of(header: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[str] = ()) -> Iterable[Table]:
    """The rows as one table, or, where its columns would be broken into splinters, each row as a list of its own."""
    made = table(header, rows, numbers)
    if fits(made, BROKEN):
        return [made]
    return [table((f"row {number}", ""), zip(header, row, strict=True)) for number, row in enumerate(rows, start=1)]


def fits(made: Table, times: float = 1.0) -> bool:
    """Whether a table, unbroken, is at most so many times as wide as the terminal."""
    wanted = console.measure(made, options=console.options.update(max_width=FAR_TOO_WIDE)).maximum
    return wanted <= times * console.width


def _text(cell: object) -> str:
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def verdict(passed: bool) -> Text:
    """`pass` or `FAIL`; the words differ so that colour is not needed."""
    return Text("pass", GOOD) if passed else Text("FAIL", BAD)


def gate_table(report: "GateReport") -> Table:
    """The gate's checks: check, value, bound, verdict."""
    rows = [
        (check.name, f"{check.value:.4f}", _interval(check), check.bound, verdict(check.passed))
        for check in report.checks
    ]
    return table(("check", "value", "with 95 %", "bound", "verdict"), rows, numbers=("value",))


def _interval(check: "GateCheck") -> str:
    return f"{check.interval[0]:.3f} to {check.interval[1]:.3f}" if check.interval is not None else ""


def print_gate(report: "GateReport", heading: str) -> None:
    """The gate table with the interval that says how much its metric can be trusted."""
    low, high = report.interval
    rows = ", ".join(f"{count:,} {name}".removesuffix(" rows") for name, count in report.rows.items())
    console.print(f"\n{heading} ({rows} rows)", style="bold")
    console.print(gate_table(report))
    for check in report.checks:
        if check.note:
            console.print(f"{check.name}: {check.note}", style=DIM, soft_wrap=True, markup=False)
    console.print(
        f"{report.metric} on {report.interval_set} lies between {low:.3f} and {high:.3f} with 95 % confidence",
        style=DIM,
    )


def node_line(result: "NodeResult") -> Text:
    """One line a pipeline node: name, time, result."""
    style = {"failed": BAD, "skipped": DIM, "cached": DIM}.get(result.state, "")
    state = "" if result.state == "ran" else f"[{result.state}] "
    return Text(f"  {result.node:<22}{result.seconds:6.1f} s  {state}{result.result}", style)


def chapter(title: str) -> None:
    """A headline in a story that is told while it happens."""
    console.print()
    console.rule(title, align="left", style="dim")
