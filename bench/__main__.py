"""`python -m bench [PART…] [FOLDER]`: measure, print a table of what was met. Parts are the keys of `PARTS`."""

import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from os import cpu_count
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import (
    commands_bench,
    drift_bench,
    gaps_bench,
    gate_bench,
    gateway_bench,
    ingest_bench,
    isolation_bench,
    kinds_bench,
    lakehouse_bench,
    lineage_bench,
    loop_bench,
    model_server_bench,
    neighbours_bench,
    new_bench,
    nodes_bench,
    platform_bench,
    scoring_bench,
    shadow_bench,
    stream_bench,
    tfx_bench,
    trees_bench,
)
from bench.figure import Figure
from lakeloop.drawn_rows import sample_period
from lakeloop.fallback import why_not_ask
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case


def pushed(home: Path) -> tuple[UseCase, dict[str, object]]:
    """The first use case with a pushed model, and a row that its model may answer."""
    use_case = open_use_case(load_settings(home=home / "reference"))
    if not use_case.folder("models").is_dir():
        command = [sys.executable, "-m", "bench", "tfx", str(home)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    contract = use_case.contract
    rows = sample_period(use_case, 0)[list(contract.features)].to_dict("records")
    named = ({str(feature): value for feature, value in row.items()} for row in rows)
    return use_case, next(row for row in named if not why_not_ask(contract, row))


def serving(home: Path) -> list[Figure]:
    """A pushed model of the first use case, asked row by row."""
    use_case, row = pushed(home)
    return model_server_bench.measure(use_case.folder("models"), use_case.name, row)


def gateway(home: Path) -> list[Figure]:
    """The gateway before a pushed model of the first use case."""
    use_case, row = pushed(home)
    return gateway_bench.measure(use_case, request_of(use_case, row))


def shadow(home: Path) -> list[Figure]:
    """What a challenger in the shadow costs the gateway's clients."""
    use_case, row = pushed(home)
    return shadow_bench.measure(use_case, request_of(use_case, row))


def scoring(home: Path) -> list[Figure]:
    """A pushed model of the first use case over a large table."""
    use_case, _ = pushed(home)
    newest = max(use_case.folder("models").glob("[0-9]*"), key=lambda path: int(path.name))
    return scoring_bench.measure(home, newest)


def request_of(use_case: UseCase, row: dict[str, object]) -> dict[str, object]:
    """A row as the gateway is asked it."""
    request: dict[str, object] = {}
    for name, feature in use_case.contract.features.items():
        place = request.setdefault(feature.group, {}) if feature.group else request
        assert isinstance(place, dict)
        place[name] = row[name]
    return request


PARTS: dict[str, Callable[[Path], list[Figure]]] = {
    "commands": commands_bench.measure,
    "tfx": tfx_bench.measure,
    "trees": trees_bench.measure,
    "kinds": kinds_bench.measure,
    "new": new_bench.measure,
    "gate": gate_bench.measure,
    "nodes": nodes_bench.measure,
    "serving": serving,
    "isolation": isolation_bench.measure,
    "gateway": gateway,
    "shadow": shadow,
    "neighbours": neighbours_bench.measure,
    "scoring": scoring,
    "ingest": ingest_bench.measure,
    "lakehouse": lakehouse_bench.measure,
    "gaps": gaps_bench.measure,
    "stream": stream_bench.measure,
    "drift": drift_bench.measure,
    "lineage": lineage_bench.measure,
    "platform": platform_bench.measure,
    "loop": loop_bench.measure,
}


def main(parts: list[str], home: Path) -> None:
    """Measure the parts, one after the other, and print every figure as soon as it is known."""
    console = Console()
    console.print(
        f"{platform.processor() or platform.machine()}, {cpu_count()} cores, Python {platform.python_version()}"
    )
    table = Table("figure", "value", "bound", "")
    for part in parts:
        with console.status(f"measuring {part} …"):
            figures = PARTS[part](home)
        for figure in figures:
            bound = "" if figure.bound is None else f"{figure.bound:g} {figure.unit}"
            table.add_row(figure.name, figure.shown, bound, figure.verdict)
    console.print(table)


if __name__ == "__main__":
    asked = [part for part in sys.argv[1:] if part in PARTS] or list(PARTS)
    places = [Path(part) for part in sys.argv[1:] if part not in PARTS]
    folder = places[0] if places else Path(tempfile.mkdtemp(prefix="lakeloop-bench-"))
    try:
        main(asked, folder)
    finally:
        if not places:
            shutil.rmtree(folder, ignore_errors=True)
