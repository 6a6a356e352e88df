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
    drift_bench,
    gateway_bench,
    ingest_bench,
    lakehouse_bench,
    lineage_bench,
    loop_bench,
    model_server_bench,
    nodes_bench,
    platform_bench,
    stream_bench,
    tfx_bench,
)
from bench.figure import Figure
from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.fallback import why_not_ask
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import sample_month


def pushed(home: Path) -> tuple[Settings, Contract, dict[str, object]]:
    """The first use case with a pushed model, and a row that its model may answer."""
    settings = load_settings(home=home / "reference")
    if not settings.folder("models").is_dir():
        command = [sys.executable, "-m", "bench", "tfx", str(home)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    contract = load_contract(settings.contract_path)
    rows = sample_month(contract, settings, 0)[list(contract.features)].to_dict("records")
    named = ({str(feature): value for feature, value in row.items()} for row in rows)
    return settings, contract, next(row for row in named if not why_not_ask(contract, row))


def serving(home: Path) -> list[Figure]:
    """A pushed model of the first use case, asked row by row."""
    settings, contract, row = pushed(home)
    return model_server_bench.measure(settings.folder("models"), contract.use_case, row)


def gateway(home: Path) -> list[Figure]:
    """The gateway before a pushed model of the first use case."""
    settings, contract, row = pushed(home)
    request: dict[str, object] = {}
    for name, feature in contract.features.items():
        place = request.setdefault(feature.group, {}) if feature.group else request
        assert isinstance(place, dict)
        place[name] = row[name]
    return gateway_bench.measure(settings, request)


PARTS: dict[str, Callable[[Path], list[Figure]]] = {
    "tfx": tfx_bench.measure,
    "nodes": nodes_bench.measure,
    "serving": serving,
    "gateway": gateway,
    "ingest": ingest_bench.measure,
    "lakehouse": lakehouse_bench.measure,
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
            table.add_row(figure.name, f"{figure.value:.2f} {figure.unit}", bound, figure.verdict)
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
