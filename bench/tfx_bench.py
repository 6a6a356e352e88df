"""Times a whole pipeline run: 1,500 rows with the contract's model, and 200,000 rows with a short training.

    python bench/tfx_bench.py [FOLDER]

Each run starts its own process, so imports and peak memory count.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests" / "tfx_pipeline")]
CASES: list[tuple[str, int | None, dict[str, int]]] = [
    ("1,500 rows", None, {}),
    ("1,500 rows again (cache)", None, {}),
    ("200,000 rows, 3 epochs of batch 256", 200_000, {"epochs": 3, "batch": 256}),
]


def run(home: Path, rows: int | None, changes: dict[str, int]) -> dict[str, object]:
    """One run in this process: seconds a node, seconds in all (imports included) and peak memory in MB."""
    began = time.monotonic()
    from conftest import month_export

    from lakeloop.contract_file import load_contract
    from lakeloop.settings import load_settings
    from tfx_pipeline.parameters import run_parameters
    from tfx_pipeline.runner import run_pipeline

    settings = load_settings(home=home)
    contract = load_contract(settings.contract_path)
    folder = home / "export" / str(rows or "reference")
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        month_export(contract, settings, folder, rows=rows) if rows else month_export(contract, settings, folder)
        began = time.monotonic()
    record = run_pipeline(settings, contract, run_parameters(contract, manifest, changes)).record
    return {
        "seconds": time.monotonic() - began,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "nodes": {node.node: f"{node.seconds:.1f}{' cached' if node.cached else ''}" for node in record.nodes},
    }


def in_own_process(home: Path, rows: int | None, changes: dict[str, int]) -> dict[str, object]:
    """`run` in a fresh interpreter."""
    task = json.dumps({"home": str(home), "rows": rows, "changes": changes})
    command = [sys.executable, __file__, "--task", task]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


def main(folder: Path) -> None:
    """All cases, as one table."""
    console = Console()
    results = {}
    for name, rows, changes in CASES:
        results[name] = in_own_process(folder, rows, changes)
        console.print(f"{name}: {results[name]['seconds']:.1f} s, {results[name]['memory']} MB")
    table = Table("seconds", *results)
    nodes: list[str] = list(next(iter(results.values()))["nodes"])  # type: ignore[call-overload]
    for node in nodes:
        table.add_row(node, *(str(r["nodes"].get(node, "")) for r in results.values()))  # type: ignore[attr-defined]
    table.add_row("all, with imports", *(f"{r['seconds']:.1f}" for r in results.values()))
    table.add_row("peak memory, MB", *(str(r["memory"]) for r in results.values()))
    console.print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        given = json.loads(sys.argv[2])
        print(json.dumps(run(Path(given["home"]), given["rows"], given["changes"])))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary))
