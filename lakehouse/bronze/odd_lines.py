"""Staged lines of any kind -> rows of bronze, by Spark's CSV parser; a flawed line says what is wrong with it."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf

from lakehouse.bronze.admission import Layout
from lakehouse.bronze.quoted_lines import LINE_BREAK
from lakehouse.storage.layout import glob_quoted

# Spark's CSV parser gives up on a line of more; a line that has them must have as many bytes.
MOST_FIELDS = 20_000


def read_lines(spark: SparkSession, paths: Sequence[str]) -> DataFrame:
    """The lines of staged parts, or of folders of them, as column `value`: one partition a part."""
    return _one_file_a_partition(spark).read.text([glob_quoted(path) for path in paths], lineSep="\n")


def odd_rows(
    lines: DataFrame, layout: Layout, columns: tuple[str, ...], separator: str, files: Sequence[str], first: int
) -> DataFrame:
    """Lines of staged parts (column `value`, one partition a part) -> the contract's columns as strings.

    `files` are named by number, from `first` on, in the names of their parts.

    A line that cannot be split into the header's fields gets `_flaw` (why) and `_rescued` (the line) and no values.
    """
    header = layout.header
    name, number = sf.col("_metadata.file_name"), sf.col("_delivery")
    position = sf.monotonically_increasing_id().bitwiseAND(sf.lit((1 << 33) - 1))
    value = sf.replace("value", sf.lit(LINE_BREAK.decode()), sf.lit("\n")) if layout.quoted else sf.col("value")
    numbered = lines.select(
        value.alias("value"),
        name.substr(14, 8).cast("bigint").alias("_delivery"),
        (name.substr(1, 12).cast("bigint") + position).alias("_line"),
        (name.substr(23, 1) == "1").alias("_cut"),
    ).where("value != ''")
    fields = [f"c{i}" for i in range(len(header))]
    options = {"sep": separator, "quote": '"', "escape": '"', "mode": "PERMISSIVE", "columnNameOfCorruptRecord": "_bad"}
    schema = ", ".join(f"{f} string" for f in fields) + ", _bad string"
    too_many = (sf.octet_length("value") >= MOST_FIELDS) & (_separators(sf.col("value"), separator) >= MOST_FIELDS)
    parsed = numbered.withColumn("_too_many", too_many)
    parsed = parsed.withColumn("row", sf.from_csv(sf.when(~sf.col("_too_many"), sf.col("value")), schema, options))
    # One literal, however many files there are; a file's path cannot hold a NUL character.
    names = sf.split(sf.lit("\0".join(files)), "\\x00")
    flaw = (
        sf.when(sf.col("_cut"), "the line has no line end, it may be cut off")
        .when(~sf.is_valid_utf8("value"), "the line is not valid UTF-8")
        .when(sf.col("_too_many") | sf.col("row._bad").isNotNull(), _wrong_count(separator, len(header)))
    )
    checked = parsed.withColumn("_flaw", flaw)
    position_of = {column: header.index(column) for column in columns if column in header}
    whole = sf.col("_flaw").isNull()
    values = [
        (sf.when(whole, sf.col(f"row.c{position_of[c]}")) if c in position_of else sf.lit(None).cast("string")).alias(c)
        for c in columns
    ]
    return checked.select(
        *values,
        sf.when(~whole, sf.make_valid_utf8("value")).alias("_rescued"),
        "_flaw",
        sf.when(whole, _extra(header, columns)).alias("_extra"),
        sf.get(names, number - first).alias("_source_file"),
        "_delivery",
        "_line",
    )


def _wrong_count(separator: str, expected: int) -> Column:
    count = _separators(sf.regexp_replace("value", '"[^"]*"', ""), separator) + 1
    noun = sf.when(count == 1, " field, ").otherwise(" fields, ")
    return (
        sf.when(count != expected, sf.concat(sf.lit("the line has "), count, noun, sf.lit(f"{expected} expected")))
        .when(sf.col("_too_many"), f"the line has more than {MOST_FIELDS:,} separators inside quotes")
        .otherwise("the line's quotes do not match")
    )


def _separators(text: Column, separator: str) -> Column:
    return sf.length(text) - sf.length(sf.replace(text, sf.lit(separator), sf.lit("")))


def _extra(header: tuple[str, ...], columns: tuple[str, ...]) -> Column:
    extra = [(i, name) for i, name in enumerate(header) if name not in columns]
    if not extra:
        return sf.lit(None).cast("string")
    pairs = [piece for i, name in extra for piece in (sf.lit(name), sf.col(f"row.c{i}"))]
    return sf.to_json(sf.create_map(*pairs))


def _one_file_a_partition(spark: SparkSession) -> SparkSession:
    """A session of its own for it: line numbers count rows within a partition, so no part may be split or share one."""
    session = spark.newSession()
    for key in ("spark.sql.files.maxPartitionBytes", "spark.sql.files.openCostInBytes"):
        session.conf.set(key, "1t")
    return session
