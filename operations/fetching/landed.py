"""Fetched files on their way into the landing folder or a history: a period's files come whole or not at all, and once.

What a `fetch` writes lies in a hidden folder beside the sources' until it is whole. Renaming that folder is the moment
from which it counts; whatever is interrupted after that is completed by the next fetch.
"""

import filecmp
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from lakeloop.atomic_file import sync, write_text
from lakeloop.contract.file_names import corrected_name
from lakeloop.contract.periods import PERIODS
from lakeloop.contract.section import some
from lakeloop.file_lock import only_one
from lakeloop.landing_files import FETCH, PART, KnownFiles, read_known
from lakeloop.own_code import code_sha256
from lakeloop.use_case import UseCase
from operations.exceptions import FetchError
from operations.fetching.empty_periods import EmptyPeriods

CODE = ".code"
"""Beside files that are whole, until they have landed: the hash of the code that fetched them."""
CODE_OF_FILES = "code.json"


class FetchedFiles:
    """What was fetched of one source of a use case: periods, and files that are not in their place yet.

    `into`: the folder that files land in, in one of their source's name; left out, the landing folder.
    """

    def __init__(self, use_case: UseCase, source: str, into: Path | None = None) -> None:
        self.use_case, self.source = use_case, source
        self._landing = use_case.folder("landing")
        self._into = into or self._landing
        self._folder = self._into / FETCH / source
        self._note = self._folder / "fetched.json"
        place = use_case.contract.place
        self._shapes = place.shapes if place is not None else None

    def alone(self) -> AbstractContextManager[None]:
        """Nobody else fetches this source meanwhile; raises BusyError where somebody does."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return only_one(
            self._folder / "lock",
            lambda holder: f"{self.source} is being fetched already (process {holder}); wait for it to end",
        )

    @property
    def periods(self) -> set[str]:
        """The names of periods that were fetched, so that none is fetched twice."""
        return set(self._read_note())

    def note(self, periods: Iterable[str]) -> None:
        """Take periods for fetched, whatever is there of them; call it when `alone`."""
        self._write_note(dict.fromkeys(periods, _now()) | self._read_note())

    @cached_property
    def empty(self) -> EmptyPeriods:
        """The periods that had nothing when they were asked; ask for it when `alone`."""
        return EmptyPeriods(self._folder / "empty.json")

    def take(self, period: str, write: Callable[[Path], None]) -> list[Path]:
        """Have a period's files written into an empty folder, and land them; gives where they are, [] for none.

        The hash of the code that fetches is kept by file.

        Raises:
            FetchError: the files are none of this source and period; nothing was landed.
        """
        staging, code = self._folder / "staging", self._code()
        shutil.rmtree(staging, ignore_errors=True)
        folder = staging / "files"
        folder.mkdir(parents=True)
        try:
            write(folder)
            names = self._checked(folder, period)
            if not names:
                return []
            if code:
                write_text(folder / CODE, code)
            for name in names:
                sync(folder / name)
            ready = self._folder / "ready" / period
            ready.parent.mkdir(exist_ok=True)
            folder.rename(ready)
            sync(ready.parent)
            return self._land(ready)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def complete(self) -> dict[str, tuple[Path, ...]]:
        """Land what an earlier fetch had whole when it was interrupted; the files by period."""
        return {folder.name: tuple(self._land(folder)) for folder in sorted((self._folder / "ready").glob("*"))}

    def _land(self, ready: Path) -> list[Path]:
        known = read_known(self._into)
        code = (ready / CODE).read_text(encoding="utf-8") if (ready / CODE).is_file() else ""
        landed = []
        for path in (path for path in _files_in(ready) if path.name != CODE):
            name = path.relative_to(ready).as_posix()
            if name == self._shapes:  # no file of a source: the newest one is the one that counts
                path.replace(self._landing / name)
                continue
            target = self._place(path, name, known)
            if target is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                path.rename(target)
                landed.append(target)
                self._note_code(name=target.relative_to(self._into / self.source).as_posix(), code=code)
        self._write_note(self._read_note() | {ready.name: _now()})
        self.empty.remove(ready.name)
        shutil.rmtree(ready)
        return landed

    def _code(self) -> str:
        """The hash of the code that fetches, as it is now; '' where there is none."""
        spec = self.use_case.contract.sources[self.source].fetch
        path = None if spec is None else self.use_case.own_folder / spec.command
        return code_sha256(path) if path is not None and path.is_file() else ""

    def _note_code(self, name: str, code: str) -> None:
        known = code_of_files(self._into, self.source)
        if code and known.get(name) != code:
            write_text(self._folder / CODE_OF_FILES, json.dumps(dict(sorted((known | {name: code}).items())), indent=1))

    def _place(self, path: Path, name: str, known: KnownFiles) -> Path | None:
        """Where a file belongs: under its name, or that of a correction where the name is taken; None: it is there."""
        while True:
            target = self._into / self.source / name
            if target.is_file() and filecmp.cmp(path, target, shallow=False):
                return None
            if not target.exists() and f"{self.source}/{name}" not in known:
                return target
            name = corrected_name(name)

    def _read_note(self) -> dict[str, str]:
        try:
            noted = json.loads(self._note.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise FetchError(
                f"{self._note} cannot be read; delete it, and every period that is due is fetched again: what was "
                "landed before with the same content changes nothing"
            ) from None
        return dict(noted)

    def _write_note(self, periods: Mapping[str, str]) -> None:
        write_text(self._note, json.dumps(dict(sorted(periods.items())), indent=1))

    def _checked(self, folder: Path, period: str) -> Sequence[str]:
        """The names of the files in a folder.

        Raises:
            FetchError: one is no file of this source, or of another period.
        """
        source = self.use_case.contract.sources[self.source]
        written = [path.relative_to(folder).as_posix() for path in _files_in(folder)]
        names = [name for name in written if name != self._shapes]
        strange = [
            name for name in names
            if not source.file_pattern.match(name) or name.endswith(PART) or (folder / name).is_symlink()
            or any(part.startswith(".") for part in Path(name).parts)
        ]  # fmt: skip
        if strange:
            raise FetchError(
                f"{self.source}, {period}: fetch wrote {some(strange)}, and a file of this source is called "
                f"{source.files_in_words}; nothing was landed"
            )
        if other := [name for name in names if not self._meets(name, period)]:
            raise FetchError(
                f"{self.source}, {period}: fetch wrote {some(other)}, whose name says another "
                f"{source.names.kind} than it was asked for; nothing was landed"
            )
        return names

    def _meets(self, name: str, period: str) -> bool:
        """Whether the period that a file's name says, if it says one, has some time in common with another."""
        said = self.use_case.contract.sources[self.source].period_of_file(name)
        if not said:
            return True
        kinds = [next(kind for kind in PERIODS.values() if kind.is_name(text)) for text in (said, period)]
        (begins, asked_begins), (ends, asked_ends) = (
            [kind.begins(text) for kind, text in zip(kinds, (said, period), strict=True)],
            [kind.ends(text) for kind, text in zip(kinds, (said, period), strict=True)],
        )
        return begins < asked_ends and asked_begins < ends


def code_of_files(folder: Path, source: str) -> dict[str, str]:
    """The hash of the code that fetched each file of a source into a folder, by its name; {} where nobody noted it."""
    try:
        return dict(json.loads((folder / FETCH / source / CODE_OF_FILES).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
