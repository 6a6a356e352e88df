"""Writes a file so that everybody, after a crash too, sees the old content or the new, never half of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def replacing(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """A hidden file beside `path` to write into; it takes the place of `path` when the block ends, else it goes.

    The folder is made where it is missing. `mode` is what the file may be used for, less the process's umask.

        with replacing(folder / "rows.parquet") as part:
            table.to_parquet(part)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL, mode))
    try:
        yield part
        sync(part)
        part.replace(path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, mode: int = 0o666) -> Path:
    """Write the file whole; gives its path."""
    with replacing(path, mode) as part:
        part.write_bytes(content)
    return path


def write_text(path: Path, text: str, mode: int = 0o666) -> Path:
    """Write the file whole, in UTF-8; gives its path."""
    return write_bytes(path, text.encode(), mode)


def sync(path: Path) -> None:
    """Have the disk hold what was written to a file, or the names in a folder: neither brings the other along."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
