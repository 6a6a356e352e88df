"""Rows of somebody else's Delta table: what is new in it is delivered as a Parquet file in the landing folder.

From there it is taken like any delivered file, so the ledger says that it came once, and lineage names the file, which
is called after the table's version. How far the table was read is known from these names, in the landing folder and in
the ledger; a note beside them says so of versions that brought no rows, and which table it was.
"""

import json
import logging
import re
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from lakehouse.bronze.delivered_columns import check_columns
from lakehouse.bronze.delivery_record import DeliveryRecord, delivered_names
from lakehouse.bronze.table_changes import Changes, all_rows, changes_since
from lakehouse.exceptions import FileRefusedError, ForeignTableError, VersionsGoneError
from lakeloop.atomic_file import replacing, write_text
from lakeloop.contract.file_names import corrected_name
from lakeloop.contract.section import some
from lakeloop.exceptions import first_line
from lakeloop.file_lock import in_turn
from lakeloop.landing_files import FETCH
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)
NAME = re.compile(r"version-([0-9]{1,19})(?:\.v[0-9]+)?\.parquet")
COLUMNS_SHOWN = 20


@dataclass(frozen=True)
class TableDelivery:
    """What was new in a table up to its `version`: `rows` in a file of the landing folder, None without rows.

    `gone`: rows of before that are not in the table any more; the lake keeps them.
    """

    version: int
    rows: int = 0
    file: Path | None = None
    gone: int = 0

    @property
    def files(self) -> tuple[Path, ...]:
        """What landed."""
        return () if self.file is None else (self.file,)

    @property
    def reached(self) -> str:
        """Up to where the table was read."""
        return f"version {self.version}"

    @property
    def notices(self) -> tuple[str, ...]:
        """What should be known of it, a sentence each."""
        if not self.gone:
            return ()
        rows = "1 row" if self.gone == 1 else f"{self.gone:,} rows"
        told = f"{rows} of before are not in the table any more; the lake keeps what was delivered"
        return (f"version {self.version}: {told}",)


def deliver_new_versions(
    use_case: UseCase, source: str, ledger: Iterable[DeliveryRecord], *, whole: bool = False
) -> TableDelivery:
    """Put what is new in a source's table into the landing folder; nothing where no version is new.

    `ledger`: what was delivered before. `whole`: every row there is now, those that were delivered before too.

    Raises:
        ForeignTableError: the table is not there or cannot be read, it is another one than before, or what is between
            the version that was read last and its newest cannot be told any more.
    """
    folder = use_case.folder("landing") / FETCH / source
    folder.mkdir(parents=True, exist_ok=True)
    with _in_turn(folder):
        table = _open(use_case, source)
        note = _Note.read(folder / "version.json")
        names = delivered_names(use_case, source, ledger)
        done = max([note.version, *(int(match[1]) for match in map(NAME.fullmatch, names) if match)])
        now = table.version()
        if now == done and not whole and note.table in ("", str(table.metadata().id)):
            return TableDelivery(now)
        _check_same_table(use_case, source, table, note, done, whole)
        try:
            found = all_rows(table) if whole or done < 0 else changes_since(table, done, _key_columns(use_case, source))
            _check_columns(use_case, source, table, found.schema)
            written = _write(use_case.folder("landing") / source, names, now, found)
        except VersionsGoneError as error:
            raise ForeignTableError(
                f"{_at(use_case, source)}: what came after version {done} cannot be told any more, since {error}. "
                f"{_whole(source)}. Look more often than it is vacuumed: `sources.{source}.delta.every`"
            ) from None
        _Note(now, str(table.metadata().id)).write(folder / "version.json")
    log.info("event=table_delivered use_case=%s source=%s version=%d rows=%d", use_case.name, source, now, written.rows)
    return written


def _in_turn(folder: Path) -> AbstractContextManager[None]:
    return in_turn(folder / "lock")


@dataclass(frozen=True)
class _Note:
    """How far a table was read, and its id; '' where that is not known."""

    version: int = -1
    table: str = ""

    @classmethod
    def read(cls, path: Path) -> "_Note":
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, path: Path) -> None:
        write_text(path, json.dumps({"version": self.version, "table": self.table}))


def table_path(use_case: UseCase, source: str) -> str:
    """Where a source's table is: a URL, or a folder, beside the contract where it is no whole path."""
    spec = use_case.contract.sources[source].delta
    assert spec is not None
    return spec.path if "://" in spec.path else str(use_case.contract_path.parent.absolute() / spec.path)


def _open(use_case: UseCase, source: str) -> DeltaTable:
    path = table_path(use_case, source)
    try:
        return DeltaTable(path)
    except TableNotFoundError:
        raise ForeignTableError(
            f"{_at(use_case, source)}: there is no Delta table; mend `sources.{source}.delta.path`, or have it made"
        ) from None
    except (DeltaError, OSError, ValueError) as error:
        raise ForeignTableError(f"{_at(use_case, source)}: cannot be read ({first_line(error)})") from None


def _check_same_table(use_case: UseCase, source: str, table: DeltaTable, note: _Note, done: int, whole: bool) -> None:
    if whole:
        of_its_rows = source not in use_case.contract.joins
        if done >= 0 and of_its_rows and use_case.contract.key.made == "file_line":
            raise ForeignTableError(
                f"{_at(use_case, source)}: taken whole once more, every row would be another one, since the key is "
                "made of file and line; give the contract a key that the table has"
            )
        return
    other = note.table not in ("", str(table.metadata().id))
    if other or table.version() < done:
        why = "was made anew" if other else f"is at version {table.version()}, and version {done} was read before"
        raise ForeignTableError(f"{_at(use_case, source)}: is another table than before: it {why}. {_whole(source)}")


def _check_columns(use_case: UseCase, source: str, table: DeltaTable, schema: pa.Schema) -> None:
    contract = use_case.contract
    flat = schema.empty_table()
    while any(pa.types.is_struct(field.type) for field in flat.schema):
        flat = flat.flatten()
    try:
        check_columns(flat.column_names, contract.sources[source], contract.may_lack(source),
                      f"its columns are {some(flat.column_names, COLUMNS_SHOWN)}")  # fmt: skip
    except FileRefusedError as error:
        raise ForeignTableError(
            f"{_at(use_case, source)}, version {table.version()}: {error}. Where one was renamed, name both in "
            f"`sources.{source}.columns`, e.g. {{own_name: [old name, new name]}}"
        ) from None


def _key_columns(use_case: UseCase, source: str) -> tuple[str, ...]:
    """The names that the columns which tell one row from another may have in the table; () where a row has no key of
    its own."""
    contract, spec = use_case.contract, use_case.contract.sources[source]
    if contract.key.made is not None and spec.join is None:
        return ()
    parts = {contract.key.column: contract.key.columns or (contract.key.column,)} if spec.join is None else {}
    columns = (part for column in contract.identity(source) for part in parts.get(column, (column,)))
    return tuple(name for column in columns for name in spec.delivered(column))


def _write(landing: Path, taken: Collection[str], version: int, found: Changes) -> TableDelivery:
    name = f"version-{version}.parquet"
    while name in taken:
        name = corrected_name(name)
    batches = (batch for batch in found.batches if batch.num_rows)
    first = next(batches, None)
    if first is None:
        return TableDelivery(version, gone=found.gone)
    rows = 0
    with replacing(landing / name) as part, pq.ParquetWriter(part, found.schema) as writer:
        for batch in chain((first,), batches):
            writer.write_batch(batch)
            rows += batch.num_rows
    return TableDelivery(version, rows, landing / name, found.gone)


def _at(use_case: UseCase, source: str) -> str:
    return f"{source}: {table_path(use_case, source)}"


def _whole(source: str) -> str:
    return (
        f"`lakeloop data fetch --source {source} --again` takes it whole as it is now: rows that are known by their "
        "key are corrected, and the same row again changes nothing"
    )
