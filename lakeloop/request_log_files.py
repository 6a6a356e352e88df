"""Where a use case's request log lies, and what its files are called: for who writes, reads and moves them.

A file is `<writer>-<number>.jsonl.part` while it is written, and `….jsonl` when it is finished and never changed again.
Of those the lakehouse has taken in only the newest stay, the others lie in `_streamed/<day>/`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lakeloop.use_case import UseCase

FINISHED, OPEN = ".jsonl", ".jsonl.part"
# A folder that starts with `_` is passed over by Spark's listing.
STREAMED = "_streamed"
_NAME = re.compile(rf"(?P<writer>[^.].*)-(?P<number>\d+)({re.escape(OPEN)}|{re.escape(FINISHED)})")


class LogFileName(NamedTuple):
    """Who writes a file of the log, and as which of its files, counted from 1."""

    writer: str
    number: int


def request_log_folder(use_case: UseCase) -> Path:
    """The folder of a use case's request log."""
    return Path(use_case.settings.area("logs")) / "requests" / use_case.name


def read_name(path: Path) -> LogFileName | None:
    """What a file's name says; None if it is none of the log's."""
    match = _NAME.fullmatch(path.name)
    return None if match is None else LogFileName(match["writer"], int(match["number"]))


def open_file(folder: Path, writer: str, number: int) -> Path:
    """The file a writer writes now."""
    return folder / f"{writer}-{number:08d}{OPEN}"


def finished_file(path: Path) -> Path:
    """What an open file is called when it is complete."""
    return path.with_name(path.name.removesuffix(OPEN) + FINISHED)


def streamed_file(path: Path, day: str) -> Path:
    """Where a finished file goes that is in the lake; `day` is YYYY-MM-DD."""
    return path.parent / STREAMED / day / path.name


def open_files(folder: Path, writer: str = "") -> list[Path]:
    """The files that are being written, or were when their writer died, by name."""
    return sorted(folder.glob(f"{_beginning(writer)}*{OPEN}"))


def finished_files(folder: Path) -> list[Path]:
    """The finished files that were not put away, by name."""
    return sorted(folder.glob(f"*{FINISHED}"))


def streamed_files(folder: Path, writer: str = "") -> Iterator[Path]:
    """The files that were put away."""
    return folder.glob(f"{STREAMED}/*/{_beginning(writer)}*{FINISHED}")


def _beginning(writer: str) -> str:
    return f"{writer}-" if writer else ""
