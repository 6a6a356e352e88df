"""The runs' records, each read again only when its file has changed: a page is asked for more often than a run ends."""

import threading
from pathlib import Path

from lakeloop.exceptions import LakeloopError, NotFoundError
from lakeloop.use_case import UseCase
from tfx_pipeline.runs.run_record import RunRecord, load_run, run_files

FileState = tuple[int, int]
"""Of a file: when it was changed, in nanoseconds, and its size in bytes."""


class KnownRuns:
    """All runs of a use case; usable from several threads."""

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._known: dict[Path, tuple[FileState, RunRecord]] = {}
        self._lock = threading.Lock()
        self.unreadable: tuple[str, ...] = ()

    def all(self) -> list[RunRecord]:
        """Every readable record, the oldest run first; `unreadable` says what is wrong with the others."""
        with self._lock:
            known: dict[Path, tuple[FileState, RunRecord]] = {}
            problems = []
            for path in run_files(self._use_case):
                try:
                    known[path] = self._record(path)
                except NotFoundError:
                    continue  # removed meanwhile
                except LakeloopError as error:
                    problems.append(str(error).splitlines()[0])
            self._known, self.unreadable = known, tuple(problems)
            return sorted((record for _, record in known.values()), key=lambda record: record.started)

    def of_version(self, version: str) -> RunRecord | None:
        """The run that pushed a version; None where its record is gone."""
        return next((record for record in self.all() if record.pushed_version == version), None)

    def _record(self, path: Path) -> tuple[FileState, RunRecord]:
        try:
            status = path.stat()
        except FileNotFoundError:
            raise NotFoundError(f"{path} was removed") from None
        state = (status.st_mtime_ns, status.st_size)
        before = self._known.get(path)
        if before is not None and before[0] == state:
            return before
        return state, load_run(self._use_case, path.parent.name)
