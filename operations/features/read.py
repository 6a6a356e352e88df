"""Feature values as they were known at a point in time, as one table to write into a file."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet

from lakehouse.lake import Lake
from lakehouse.read.as_of import AS_OF, Points
from lakehouse.storage.layout import TRAINING_TABLE
from lakehouse.storage.table_rows import rows_at, rows_with_keys
from lakeloop.atomic_file import replacing
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase

ENDINGS = (".csv", ".parquet")
SHOWN = 5


@dataclass(frozen=True)
class FeaturesRead:
    """What was read: rows asked for, those with a label, those of which nothing was known, and some of their keys."""

    rows: int
    labelled: int
    unknown: int
    examples: tuple[str, ...] = ()


def read_features(lake: Lake, points: Points) -> pa.Table:
    """The rows of `lakehouse.read.point_in_time.features_as_of`; raises as that does."""
    from lakehouse.read.point_in_time import check_delivered, features_as_of

    check_delivered(lake)  # features_as_of says so too, after a Spark has started
    return features_as_of(lake, points).toArrow()


def read_version(use_case: UseCase, version: int, points: Points) -> pa.Table:
    """The rows of gold/training at a version, all or those of some keys, once each; same columns, without Spark.

    Raises:
        NotFoundError: no such version.
        VersionVacuumedError: it was vacuumed.
    """
    import pyarrow.compute as pc

    from lakehouse.gold.training import training_column_names
    from lakehouse.read.point_in_time import BOTH, KNOWN, NOTHING

    contract = use_case.contract
    key, columns = contract.key.column, list(training_column_names(contract))
    others = [name for name in columns if name != key]
    wanted = None if points.table is None else points.table.group_by(key).aggregate([])
    if wanted is None:
        found = rows_at(use_case, TRAINING_TABLE, version, columns)
    else:
        found = rows_with_keys(use_case, TRAINING_TABLE, version, key, wanted[key].combine_chunks(), columns)
        found = wanted.join(found, key)
    known = pc.if_else(pc.is_null(found[contract.label.name]), NOTHING, BOTH)
    at = pa.array([f"{TRAINING_TABLE}@{version}"] * found.num_rows, pa.string())
    answer = pa.table({key: found[key], AS_OF: at, KNOWN: known, **{name: found[name] for name in others}})
    return answer.sort_by(key)


def write_features(rows: pa.Table, path: Path) -> None:
    """Write CSV or Parquet, by the file's ending, whole or not at all.

    Raises:
        WrongUseError: another ending, or a place that cannot be written.
    """
    check_ending(path)
    try:
        with replacing(path) as part:
            if path.suffix == ".csv":
                _write_csv(rows, part)
            else:
                parquet.write_table(rows, part)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise WrongUseError(f"--out {path} is not a file that can be written; name a file") from None


def _write_csv(rows: pa.Table, path: Path) -> None:
    """Arrow quotes every name of a header; the platform's files have bare ones."""
    with path.open("wb") as stream:
        stream.write((",".join(rows.column_names) + "\n").encode())
        csv.write_csv(rows, stream, csv.WriteOptions(include_header=False, quoting_style="needed"))


def check_ending(path: Path) -> None:
    """Raises WrongUseError where a file's ending is none that can be written."""
    if path.suffix not in ENDINGS:
        raise WrongUseError(f"--out {path} ends in {path.suffix or 'nothing'}; {' and '.join(ENDINGS)} can be written")


def counted(rows: pa.Table, key: str) -> FeaturesRead:
    """What a table of features holds."""
    import pyarrow.compute as pc

    from lakehouse.read.point_in_time import BOTH, KNOWN, NOTHING

    unknown = rows.filter(pc.equal(rows[KNOWN], NOTHING))
    examples = tuple(f"{row[key]} as of {_said(row[AS_OF])}" for row in unknown.slice(0, SHOWN).to_pylist())
    return FeaturesRead(rows.num_rows, pc.sum(pc.equal(rows[KNOWN], BOTH)).as_py() or 0, unknown.num_rows, examples)


def _said(point: object) -> str:
    return point if isinstance(point, str) else f"{point:%Y-%m-%dT%H:%M:%SZ}"
