"""A history that is fetched: the first command that needs it gets it."""

from console.cli.render import DIM, console, progress
from console.words import counted
from lakeloop.use_case import UseCase
from operations.fetching.fetched_history import fetch_history, is_to_be_fetched


def with_history(use_case: UseCase) -> None:
    """Fetch the history of a use case that has such a one, unless it is there; raises as `fetch_history`."""
    if is_to_be_fetched(use_case):
        print_fetched_history(use_case)


def print_fetched_history(use_case: UseCase) -> None:
    """Fetch what a history lacks, and say what came; raises as `fetch_history`."""
    with progress() as bar:
        task = bar.add_task("history", total=None)

        def on_period(source: str, period: str) -> None:
            bar.update(task, advance=1, description=f"history: {source} {period}")

        def on_line(line: str) -> None:
            bar.console.print(f"  {line}", style=DIM, markup=False, soft_wrap=True)

        report = fetch_history(use_case, on_period=on_period, on_line=on_line)
    console.print(
        f"history: {counted(report.new_files, 'new file')}, whole up to {use_case.contract.period} {report.last}, in "
        f"{report.folder}",
        soft_wrap=True,
    )
