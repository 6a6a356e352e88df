"""Which files of a source lie in the landing folder, in the order in which they are taken."""

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.bronze.notices import Sentences, some_files
from lakeloop.contract import Source
from lakeloop.landing_files import PART


@dataclass
class LandingFolder:
    """A source's `files` by their path below its folder, and what to tell of what was left alone there."""

    files: list[str] = field(default_factory=list)
    sentences: Sentences = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def read_landing(landing: Path, source: Source) -> LandingFolder:
    """The folder's files with a name of this source, oldest period first and corrections after what they correct."""
    found = LandingFolder()
    try:
        visible = sorted(_visible(landing, source.names.in_folders, found.notices))
    except FileNotFoundError:
        return found
    except OSError as error:
        found.notices.append(f"{landing} cannot be read ({error.strerror}), so nothing in it was looked at")
        return found
    strangers = []
    for name in visible:
        known, problem = source.file_pattern.match(name), _no_file(landing / name)
        impossible = source.names.impossible_period(name)
        if known and problem:
            found.sentences.append((name, f"{problem}; left alone"))
        elif known:
            found.files.append(name)
        elif impossible:
            found.sentences.append((name, f"{no_such_period(impossible, source)}; left alone"))
        elif not problem:
            strangers.append(name)
    if strangers:
        found.notices.append(
            f"not a file name of this source ({source.files_in_words}), left alone: {some_files(strangers)}"
        )
    found.files.sort(key=lambda name: _order(name, source))
    return found


def _visible(landing: Path, in_folders: bool, notices: list[str]) -> Iterator[str]:
    """Paths below the landing folder, without those that are hidden or not complete; folders too, if not looked into.

    Raises:
        OSError: the landing folder itself cannot be read.
    """
    for path in landing.iterdir():
        if path.name.startswith(".") or path.suffix == PART:
            continue
        if in_folders and path.is_dir() and not path.is_symlink():  # a link could lead round in a circle
            try:
                yield from (f"{path.name}/{name}" for name in _visible(path, in_folders, notices))
            except OSError as error:
                notices.append(f"{path} cannot be read ({error.strerror}), so nothing in it was looked at")
        else:
            yield path.name


def no_such_period(text: str, source: Source) -> str:
    """Why what stands where a file's name has its period is none."""
    kind = source.names.kind
    form = "YYYY-MM with 01 to 12, in digits 0 to 9" if kind == "month" else f"one is written as {source.names.form}"
    return f"there is no {kind} {text}: {form}"


def _no_file(path: Path) -> str:
    """What it is instead of a file; '' where it is one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "is a link to a file that is not there" if path.is_symlink() else ""
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    if stat.S_ISREG(mode):
        return ""
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return f"is {kinds.get(stat.S_IFMT(mode), 'a device')}, not a file"


def _order(name: str, source: Source) -> tuple[str, int, list[tuple[int, str]]]:
    """Period, then the plain name, then corrections by their number: v2 before v10."""
    pieces = [(int(p), "") if p.isdecimal() else (-1, p) for p in re.split(r"(\d+)", name)]
    return source.names.period(name), int(source.names.is_correction(name)), pieces
