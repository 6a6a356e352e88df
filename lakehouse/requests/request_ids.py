"""Which request ids silver/predictions may hold already: sorted hashes on disk, so that asking costs no scan.

Ids may be random, so no file of the table could be skipped by them. The index knows every id that was ever about to
be written: ids are added before their rows are. What it does not know is new for certain and is appended; what it
knows is looked up in the table itself. It can be lost or be too large, never too small: it notes the table's
version after the last write, and another version makes it anew from the table.
"""

import shutil
from pathlib import Path

import numpy as np

from lakehouse.storage.layout import read_json, write_json
from lakeloop.atomic_file import replacing

NOTE = "stamp.json"


class SeenIds:
    """The index in one folder: runs of sorted int64 hashes, joined so that there are never more than log2 of all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def table_version(self) -> int | None:
        """The table version the index is complete for; None where there is no index."""
        return read_json(self.folder / NOTE)

    def note_version(self, version: int) -> None:
        """Note the table's version after a write."""
        write_json(self.folder / NOTE, version)

    def clear(self) -> None:
        """Forget everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def known(self, hashes: np.ndarray) -> np.ndarray:
        """For each hash whether the index holds it, as booleans."""
        found = np.zeros(len(hashes), dtype=bool)
        for path in self._runs():
            run = np.load(path, mmap_mode="r")
            places = np.minimum(np.searchsorted(run, hashes), len(run) - 1)
            found |= run[places] == hashes
        return found

    def add(self, hashes: np.ndarray) -> None:
        """Add hashes durably. Runs of like size are joined, so each hash is rewritten log2 times in its life."""
        if not len(hashes):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        run, absorbed = np.unique(hashes), []
        for path in sorted(self._runs(), key=lambda p: p.stat().st_size):
            other = np.load(path)
            if len(other) > 2 * len(run):
                break
            run = np.union1d(run, other)
            absorbed.append(path)
        number = 1 + max((int(p.stem) for p in self._runs()), default=0)
        with replacing(self.folder / f"{number:08d}.npy") as part, part.open("wb") as stream:
            np.save(stream, run)
        for path in absorbed:
            path.unlink()

    def _runs(self) -> list[Path]:
        return sorted(self.folder.glob("*.npy"))
