"""What is on disk: the numeric version folders below a base path, and whether one of them changed."""

from __future__ import annotations

import os
from pathlib import Path

LARGEST_VERSION = 2**63 - 1

Fingerprint = tuple[int, int, int]
"""Newest change (ns), number of files, bytes: changes whenever somebody writes into the folder."""


def version_folders(base_path: Path) -> dict[int, Path] | None:
    """Version number to folder, newest first; None if the base path cannot be read (keep what is loaded).

    Names that are not whole numbers are ignored, and so are files. `00000123` is version 123.
    """
    try:
        with os.scandir(base_path) as entries:
            found = [entry.name for entry in entries if _is_version(entry.name) and entry.is_dir()]
    except OSError:
        return None
    return {int(name): base_path / name for name in sorted(found, key=int, reverse=True)}


def fingerprint(folder: Path) -> Fingerprint:
    """What `retry when it changes` is decided by; a folder that is gone is all zeros."""
    newest, count, size = 0, 0, 0
    for root, _, files in os.walk(folder):
        for path in [Path(root), *(Path(root, name) for name in files)]:
            try:
                stat = path.stat()
            except OSError:
                continue
            newest, count, size = max(newest, stat.st_mtime_ns), count + 1, size + stat.st_size
    return newest, count, size


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdigit() and int(name) <= LARGEST_VERSION
