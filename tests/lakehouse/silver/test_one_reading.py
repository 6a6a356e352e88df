"""A delivered text is the same value for Spark, which makes silver, and for who reads texts in memory."""

from itertools import product
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from lakehouse.silver.typed_values import typed_value, usual_numbers
from lakehouse.silver.validation import fits
from lakeloop.contract import Column, Contract
from lakeloop.contract.read import Spelling
from lakeloop.delivered_values import typed_values

NUMBERS = (
    "0", "-0", "+1", "1.", ".5", "5.", "-.5", ".", "+", "-", "--1", "1.0", "1.50", "007", "1e3", "1E-3", "1e+02",
    "1e", "e1", "1.5e0",
    "1e400", "-1e400", "1e-400", "NaN", "inf", "-Infinity", "1f", "1d", "1L", "0x1p3", "0b1", "1_000", "1 1", "1,5",
    "1.5,5",
    "1,234", "1.234", "12,34", "1.234,5", "1,234.5", "1.234.567", "1.2345", "1'234", "1\u00a0234", "1 234,5", "-1.234",
    "9007199254740991", "9007199254740992", "9007199254740993", "9007199254740993.0", "-9007199254740993",
    "12345678901234567890", "0.1", "0.30000000000000004", "2.2250738585072014e-308", "4.9e-324",
    "1.7976931348623157e308",
    "\u0661", "\uff11", "\u00bd", "1\u2212",
)  # fmt: skip
WORDS = (
    "true",
    "T",
    "Yes",
    "no",
    "F",
    "false",
    "FALSE",
    "1",
    "0",
    "1.0",
    "0.0",
    "2",
    "y",
    "wahr",
    "tr ue",
    "TRUE\u0131",
)
NOTHING = ("", " ", "\t", "\u00a0", "\u200b", "\ufeff", "NA", " NA ", "na", "?", "\u00a0NA", "NA\t")
AROUND = ("", " ", "\t", "\n", "\r", "\x0b", "\x0c", "\x1f", "\x85", "\u00a0", "\u2009", "\u2028", "\u200b", "\ufeff")
SURROUNDED = [f"{one}{text}{other}" for text in ("41", "4,5", "no") for one, other in product(AROUND, AROUND)]
UNITS = (
    "$5", "$ 5", "-$5", "$-5", "-$-5", "- $5", "5$", "5 $", "$5$", "$", "$$5", "$1,234.50", "1,234.50", "\u20ac 12,50",
    "12,50\u00a0\u20ac", "\u20ac1.234,5", "Rs. 500", "500Rs.", "Rsx 500", "80 km/h", "80km/h", "80 km", "km/h 80",
)  # fmt: skip
TEXTS = list(dict.fromkeys([*NUMBERS, *WORDS, *NOTHING, *SURROUNDED, *UNITS]))
SPELLINGS = (
    Spelling(), Spelling(missing=("NA", "?")), Spelling(decimal=",", thousands="."),
    Spelling(decimal=",", thousands=" ", trim=True), Spelling(thousands="'", missing=("NA",)),
    Spelling(thousands=",", unit="$"), Spelling(decimal=",", thousands=".", unit="\u20ac"), Spelling(unit="Rs."),
    Spelling(unit="km/h"),
)  # fmt: skip


def test_spark_and_memory_read_every_text_alike(spark: SparkSession, contract: Contract) -> None:
    columns: dict[str, Column] = {
        name: contract.features["age"].model_copy(
            update={"type": name, "values": None, "valid": None, "missing": "median"}
        )
        for name in ("float", "int", "bool", "string")
    }
    delivered = {f"text{number}": spelling for number, spelling in enumerate(SPELLINGS)}
    frame = spark.createDataFrame([(place, *[text] * len(delivered)) for place, text in enumerate(TEXTS)],
                                  ["place", *delivered]).withColumns(usual_numbers(delivered))  # fmt: skip
    wanted: list[tuple[int, str, Any]] = []
    found = []
    for number, spelling in enumerate(SPELLINGS):
        for kind, column in columns.items():
            good = fits(contract, f"text{number}", column, spelling)
            value = sf.when(good, typed_value(f"text{number}", column, spelling))
            found.append(value.alias(f"{kind}{number}"))
            typed = typed_values(pd.Series(TEXTS), column, spelling)
            if column.limits is not None:
                typed = typed.where(typed.between(*column.limits))
            wanted.append((number, kind, typed.astype(object).where(typed.notna(), None).tolist()))
    rows = frame.select("place", *found).toPandas().sort_values("place")  # Spark would read all twice to sort them
    for number, kind, values in wanted:
        spark_s = [None if pd.isna(value) else value for value in rows[f"{kind}{number}"]]
        different = {text: pair for text, *pair in zip(TEXTS, spark_s, values, strict=True) if pair[0] != pair[1]}
        assert not different, f"{kind}, {SPELLINGS[number]}"
        assert sum(value is not None for value in values) > len(AROUND), "some have a value"
