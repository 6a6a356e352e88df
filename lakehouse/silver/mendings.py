"""silver/mended: what of delivered files was read otherwise than it stands there, by file and column."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from lakehouse.silver.mended_rows import is_row, mended_value, numbered_parts, with_replaced
from lakehouse.silver.typed_values import given, number_text
from lakehouse.storage.layout import MENDED
from lakehouse.storage.lock import SHARED_TABLES
from lakehouse.storage.schema import quoted
from lakehouse.storage.small_tables import SmallTable, column, merge_rows
from lakeloop.contract import Contract, Source
from lakeloop.delivered_values import thousands_mark
from lakeloop.lake_tables import open_lake_table
from lakeloop.mended_texts import mends
from lakeloop.use_case import UseCase

OTHER_NAME = "the column has another name"
FILE_NAME = "the file's name says it"
NO_ROW = "the line is no row"
NO_VALUE = "the text means no value"
ZEROS = "zeros in front put back"
REPLACED = "the text stands for another"
MERGED = "rows became one"
OTHERWISE = "the number is written with"
LONGEST = 200
TABLE = SmallTable(
    f"silver/{MENDED}",
    (
        column("source", "string"),
        column("file", "string", "file it was delivered in"),
        column("column", "string", "the contract's name of it; empty where it is about the whole line"),
        column("mended", "string", "what was read otherwise"),
        column("rows", "long", "in how many rows"),
        column("delivered", "string", "an example, as delivered", nullable=True),
        column("meant", "string", "what was made of it", nullable=True),
        column("batch", "long"),
    ),
    key=("source", "file", "batch", "column", "mended"),
    comment="What of delivered files was read otherwise than it stands there",
)
Mending = Mapping[str, Any]
"""A row of the table."""


def count_mendings(bronze: DataFrame, contract: Contract, source: str) -> list[Mending]:
    """What is mended in bronze rows; starts no job where the contract mends nothing."""
    spec = contract.sources[source]
    numbers = {name for name, one in contract.columns_of(source).items() if one.type in ("int", "float", "decimal")}
    found = [change for name in spec.columns for change in _changes(spec, name, name in numbers)]
    if not found and not spec.read.rows:
        return []
    rows = bronze.where(is_row(spec)) if spec.read.rows else bronze
    changed = (
        [_counted(rows.select("_source_file", "_batch", sf.explode(_there(found)).alias("change")))] if found else []
    )
    if spec.read.rows:
        changed.append(_counted(bronze.where(~is_row(spec)).select("_source_file", "_batch", _left_out(spec))))
    if spec.replaced_columns:
        parts = numbered_parts(with_replaced(rows, contract, source), contract, source).where("_part and _parts > 1")
        meant = sf.concat_ws(", ", *map(quoted, spec.replaced_columns))
        changed.append(_counted(parts.select("_source_file", "_batch", _change(MERGED, "", sf.col("_was"), meant))))
    together = reduce(DataFrame.unionByName, changed)
    return [row.asDict() | {"source": source} for row in together.collect()]


def write_mendings(use_case: UseCase, found: Sequence[Mending]) -> None:
    """Add what was mended, or put it in the place of what is known of the same file and column."""
    if found:
        with SHARED_TABLES:
            merge_rows(use_case, TABLE, found)


def forget_mendings(use_case: UseCase) -> None:
    """Remove what follows from the contract and bronze, and so is counted anew when those are read again."""
    table = open_lake_table(use_case, TABLE.name)
    if table is not None:
        table.delete(f"mended <> '{OTHER_NAME}'")


def _counted(changes: DataFrame) -> DataFrame:
    """Rows of the table but for their source, of one row a change."""
    counted = changes.groupBy("_source_file", "_batch", "change.column", "change.mended").agg(
        sf.count("*").alias("rows"), sf.min(sf.struct("change.delivered", "change.meant")).alias("example")
    )
    return counted.select(
        sf.col("_source_file").alias("file"), "column", "mended", "rows",
        sf.left("example.delivered", sf.lit(LONGEST)).alias("delivered"),
        sf.left("example.meant", sf.lit(LONGEST)).alias("meant"), sf.col("_batch").alias("batch"),
    )  # fmt: skip


def _there(found: Sequence[Column]) -> Column:
    return sf.filter(sf.array(*found), lambda each: each.isNotNull())


def _change(mended: Column | str, name: str, delivered: Column, meant: Column) -> Column:
    said = sf.lit(mended) if isinstance(mended, str) else mended
    fields = {"column": sf.lit(name), "mended": said, "delivered": delivered, "meant": meant}
    return sf.struct(*(value.cast("string").alias(name) for name, value in fields.items())).alias("change")


def _left_out(spec: Source) -> Column:
    shown = sf.concat_ws(", ", *map(quoted, spec.read.rows))
    return _change(NO_ROW, next(iter(spec.read.rows)), shown, sf.lit(None))


def _changes(spec: Source, name: str, number: bool) -> Iterator[Column]:
    """What may be mended in a column: structs, null where nothing is."""
    text, spelling = sf.col(quoted(name)), spec.read.spelling(name)
    if name in spec.in_file_names:
        yield sf.when(text.isNotNull(), _change(FILE_NAME, name, sf.col("_source_file"), text))
    if spelling.missing:
        yield sf.when(sf.trim(text).isin(*spelling.missing), _change(NO_VALUE, name, text, sf.lit(None)))
    if mends(spec, name):
        said, meant = spec.read.columns[name], mended_value(spec, name)
        bare = sf.trim(text)
        long = sf.lpad(bare, said.digits, "0") if said.digits is not None else bare
        if said.digits is not None:
            short = bare.rlike(rf"^[0-9]{{1,{said.digits - 1}}}\z")
            yield sf.when(short, _change(ZEROS, name, text, long))
        if said.replaced:
            full = sf.when(sf.length(bare) < said.digits, long).otherwise(bare) if said.digits is not None else bare
            yield sf.when(full.isin(*said.replaced), _change(REPLACED, name, full, meant))
    if number:
        marks = {
            "marks between thousands": (spelling.thousands, thousands_mark(spelling) if spelling.thousands else ""),
            f"a {spelling.decimal!r} before its decimals": (spelling.decimal != ".", rf"[\{spelling.decimal}]"),
            "its unit": (spelling.unit, rf"\Q{spelling.unit}\E"),
        }
        delivered = given(name, spelling)
        usual = number_text(delivered, spelling)
        for what, (said_so, pattern) in marks.items():
            if said_so:
                written = delivered.rlike(pattern) & usual.isNotNull()
                yield sf.when(written, _change(f"{OTHERWISE} {what}", name, delivered, usual))
