"""A delivered file, staged alone: what became of it and what its parts hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.bronze.staging import Staged, stage_file
from lakeloop.contract import Source

Rows = list[dict[str, Any]]
Stage = Callable[..., tuple[Staged, Any]]


def lines_of(folder: Path) -> dict[int, bytes]:
    """Line number -> what the staged copy has there, blank lines left out."""
    found = {}
    for path in sorted(folder.glob("*")):
        for offset, line in enumerate(path.read_bytes().removesuffix(b"\n").split(b"\n")):
            if line:
                found[int(path.name[:12]) + offset] = line
    return found


def rows_of(folder: Path) -> Rows:
    """Rows that were split while they were staged; what is null in them is left out."""
    rows = []
    for path in sorted(folder.glob("*")):
        with pa.OSFile(str(path)) as file:
            rows += pa.ipc.open_file(file).read_all().to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """`stage(content, name, may_lack, **source)` -> whether it is taken, and its rows or lines still to be split."""

    def staged(
        content: bytes, name: str = "things.csv", may_lack: tuple[str, ...] = (), **words: Any
    ) -> tuple[Staged, Any]:
        path, parts = tmp_path / name, tmp_path / "parts"
        path.write_bytes(content)
        source = Source(**{"description": "things", "files": name, "columns": ("key", "size"), **words})
        found = stage_file(path, name, 7, source, parts, may_lack)
        return found, rows_of(parts) if found.content.split else lines_of(parts)

    return staged
