"""What the ledger says of one delivered file."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from lakeloop.landing_files import FileState
from lakeloop.use_case import UseCase

DeliveryState = Literal["taken", "refused", "repeated"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class DeliveryRecord:
    """One line of the ledger `bronze/<use case>/deliveries`: a file, its content and what became of it.

    A file that was taken without a `sha256` is not in bronze whole, as `reason` says: it is taken again.
    """

    source: str
    file: str
    sha256: str
    bytes: int
    rows: int
    modified_at: datetime
    ingested_at: datetime
    batch: int
    state: DeliveryState
    reason: str = ""

    @property
    def file_state(self) -> FileState:
        """Size and time of the file when it was looked at."""
        since = self.modified_at.replace(tzinfo=UTC) - _EPOCH
        return FileState(self.bytes, since // timedelta(microseconds=1))

    @property
    def whole(self) -> bool:
        """Whether every row of the file is in bronze, or none should be."""
        return bool(self.sha256)


def modified_at(state: FileState) -> datetime:
    """When a file was changed last, as its record says it."""
    return _EPOCH + timedelta(microseconds=state.modified)


def delivered_names(use_case: UseCase, source: str, ledger: Iterable[DeliveryRecord]) -> set[str]:
    """The names of a source's files that were taken, or are in the landing folder."""
    landing = use_case.folder("landing") / source
    there = {path.name for path in landing.iterdir()} if landing.is_dir() else set()
    return there | {record.file for record in ledger if record.source == source}
