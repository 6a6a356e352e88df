"""Bronze rows as they are meant: codes that lost zeros or became others, lines that are no rows, rows that are one now.

Pandas' twin is `lakeloop.mended_texts`. Texts stay texts, so that validation says the same of a mended value as of a
delivered one.
"""

from functools import reduce

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as sf

from lakehouse.silver.typed_values import given, is_decimal, number_text
from lakehouse.storage.schema import quoted
from lakeloop.contract import Contract, Source
from lakeloop.contract.read import Spelling
from lakeloop.mended_texts import mends

EXACT = "decimal(38,10)"
BETWEEN = ", "


def mended_rows(bronze: DataFrame, contract: Contract, source: str) -> DataFrame:
    """The same columns, of those lines that are rows, each text as it is meant."""
    spec = contract.sources[source]
    if spec.read.rows:
        bronze = bronze.where(is_row(spec))
    changed = {name: mended_value(spec, name) for name in spec.columns if mends(spec, name) and name in bronze.columns}
    if not changed:
        return bronze
    if not spec.replaced_columns:
        return bronze.withColumns(changed)
    return _merged(with_replaced(bronze, contract, source), contract, source).drop("_was")


def with_replaced(rows: DataFrame, contract: Contract, source: str) -> DataFrame:
    """Rows with their texts as they are meant, and `_was`: what stood where texts were replaced."""
    spec = contract.sources[source]
    was = sf.concat_ws(BETWEEN, *(sf.coalesce(quoted(name), sf.lit("")) for name in spec.replaced_columns))
    changed = {name: mended_value(spec, name) for name in spec.columns if mends(spec, name)}
    return rows.withColumn("_was", was).withColumns(changed)


def is_row(source: Source) -> Column:
    """Whether a line is a row; never null. What could not be split, or has no text there, is validated all the same."""
    conditions = [sf.col("_flaw").isNotNull()]
    for name, pattern in source.read.rows.items():
        text = sf.col(quoted(name))
        conditions.append(sf.coalesce((text == "") | text.rlike(rf"^(?:{pattern})\z"), sf.lit(True)))
    flawed, *matching = conditions
    return flawed | reduce(lambda a, b: a & b, matching)


def mended_value(source: Source, name: str) -> Column:
    """A delivered text as it is meant: first zeros are put back, then it is replaced."""
    text = sf.col(quoted(name))
    if not mends(source, name):
        return text
    said = source.read.columns[name]
    if said.digits is not None:
        short = sf.trim(text).rlike(rf"^[0-9]{{1,{said.digits - 1}}}\z")
        text = sf.when(short, sf.lpad(sf.trim(text), said.digits, "0")).otherwise(text)
    if said.replaced:
        known = sf.create_map(*(sf.lit(one) for pair in said.replaced.items() for one in pair))
        text = sf.coalesce(sf.try_element_at(known, sf.trim(text)), text)
    return text


def numbered_parts(rows: DataFrame, contract: Contract, source: str) -> DataFrame:
    """Rows with `_part` (whether it is the first of its delivery that said so), and of the rows of a delivery that are
    told from one another by nothing any more `_parts` (how many) and `_first` (the first one's line).

    `rows` are mended but for that, with `_was`: what stood there before.
    """
    told = [sf.col(quoted(name)) for name in contract.identity(source)]
    together = Window.partitionBy(*told, "_delivery")
    in_order = Window.partitionBy(*told, "_delivery", "_was").orderBy("_line")
    known = reduce(lambda a, b: a & b, [column.isNotNull() for column in told], sf.col("_flaw").isNull())
    numbered = rows.withColumn("_part", known & (sf.row_number().over(in_order) == 1))
    part = sf.col("_part")
    return numbered.withColumns(
        {
            "_parts": sf.count(sf.when(part, sf.lit(1))).over(together),
            "_first": sf.min(sf.when(part, sf.col("_line"))).over(together),
        }
    )


def _merged(rows: DataFrame, contract: Contract, source: str) -> DataFrame:
    """One row for those of a delivery that only became the same; it takes the first one's place."""
    spec, identity = contract.sources[source], contract.identity(source)
    together = Window.partitionBy(*map(quoted, identity), "_delivery")
    merged, values = sf.col("_part") & (sf.col("_parts") > 1), {}
    for name in (name for name in spec.columns if name not in identity):
        spelling = spec.read.spelling(name)
        text = sf.when(sf.col("_part"), sf.nullif(given(name, spelling), sf.lit("")))
        one = _sum(text, spelling, together) if name in spec.summed else _agreed(text, together)
        values[name] = sf.when(merged, one).otherwise(sf.col(quoted(name)))
    found = numbered_parts(rows, contract, source).withColumns(values)
    kept = found.where(~merged | (sf.col("_line") == sf.col("_first")))
    return kept.drop("_part", "_parts", "_first")


def _sum(text: Column, spelling: Spelling, together: WindowSpec) -> Column:
    """The sum as it is written; null for none, and a text that is no number where one is."""
    written = number_text(text, spelling)
    number = sf.when(is_decimal(written), written.try_cast(EXACT))
    total = sf.regexp_replace(sf.sum(number).over(together).cast(EXACT).cast("string"), r"\.?0+$", "")
    wrong = sf.max(sf.when(text.isNotNull() & number.isNull(), text)).over(together)
    spelled = total if spelling.decimal == "." else sf.replace(total, sf.lit("."), sf.lit(spelling.decimal))
    return sf.coalesce(wrong, spelled)


def _agreed(text: Column, together: WindowSpec) -> Column:
    lowest, highest = sf.min(text).over(together), sf.max(text).over(together)
    return sf.when(lowest == highest, lowest)
