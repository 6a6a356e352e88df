"""One rule for a value wherever it comes from, and reasons that can be read by kind."""

from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from lakehouse.silver.validation import validation_of
from lakeloop.contract import Column, Contract
from lakeloop.contract.read import Read
from lakeloop.contract.section import sequences_as_tuples
from tests.lakes import HEADER, OwnLake, claims, policy

WHOLE = {"1.0": 1, "1": 1, "+1": 1, "1.": 1, "0.0": 0, "-0": 0, "1e0": 1, " 1 ": 1, "1\t": 1, "\u00a01\u2003": 1}
NOT_WHOLE = ["1.5", "true", "1,0", "0x1", "1d", "NaN", "Infinity", "1e400", "one", "1 1", "9007199254740993.0"]
FLOATS = {"41": 41.0, "41\t": 41.0, "\u00a041": 41.0, "\ufeff41.5\u3000": 41.5, "4.15e1": 41.5, ".5": 0.5, "5.": 5.0}
NO_FLOATS = ["41f", "41d", "0x29", "1e400", "4 1", "41,5", "\u0664\u0661"]


def written_so(contract: Contract, **read: Any) -> Contract:
    """The contract, its policies' files written otherwise."""
    policies = contract.sources["policies"].model_copy(update={"read": Read(**read)})
    return contract.model_copy(update={"sources": {**contract.sources, "policies": policies}})


def of_columns(contract: Contract, *columns: str) -> Contract:
    """The contract, its policies' files with so few columns: Spark plans a condition for each."""
    policies = contract.sources["policies"].model_copy(update={"columns": columns})
    return contract.model_copy(update={"sources": {**contract.sources, "policies": policies}})


def validated(spark: SparkSession, contract: Contract, feature: str, texts: list[str]) -> dict[str, object]:
    """Delivered text -> the typed value; the texts that were rejected are missing."""
    rows = [{"month": "2023-01", feature: text, "policy_id": str(number)} for number, text in enumerate(texts)]
    frame = spark.createDataFrame(rows).withColumns(
        {"_flaw": sf.lit(None).cast("string"), "_rescued": sf.lit(None).cast("string"), "_source_file": sf.lit("f"),
         "_delivery": sf.lit(1), "_line": sf.lit(1), "_batch": sf.lit(1)}
    )  # fmt: skip
    rules = validation_of(of_columns(contract, *rows[0]), "policies")
    good = rules.good_rows(frame).select("policy_id", feature).collect()
    bad = rules.bad_rows(frame).select("policy_id").collect()
    assert {row[0] for row in good} | {row[0] for row in bad} == {row["policy_id"] for row in rows}
    assert len(good) + len(bad) == len(rows)
    return {texts[int(row[0])]: row[1] for row in good}


def test_a_whole_number_may_be_written_as_a_decimal_and_blanks_around_it_are_none(lake: OwnLake) -> None:
    found = validated(lake.spark, lake.contract, "training", [*WHOLE, *NOT_WHOLE])
    assert found == WHOLE


def test_a_float_may_have_white_space_of_any_kind_around_it(lake: OwnLake) -> None:
    found = validated(lake.spark, lake.contract, "age", [*FLOATS, *NO_FLOATS])
    assert found == FLOATS


@pytest.mark.parametrize(
    ("read", "texts", "values"),
    [
        (
            {"decimal": ",", "thousands": "."},
            ["41,5", " 1.041,5", "-,5", "1.234", "41.5", "1.23,4", "1.2345", "41", "1,2,3", "1.041.234,5", "4,15e1"],
            {"41,5": 41.5, "41": 41.0, "4,15e1": 41.5},
        ),
        ({"thousands": "'"}, ["0'041.5", "41.5", "4'1"], {"0'041.5": 41.5, "41.5": 41.5}),
        ({"thousands": " ", "decimal": ","}, ["0\u202f041,5", "0 041", "4 1"], {"0\u202f041,5": 41.5, "0 041": 41.0}),
        ({"missing": ["NA", "."]}, ["41", "NA", " . ", "na"], {"41": 41.0}),
        (
            {"thousands": ",", "columns": {"age": {"unit": "$"}}},
            ["$41.50", "41 $", "-$41", "$1,041.5", "41 %", "$41$"],
            {"$41.50": 41.5, "41 $": 41.0},
        ),
        (
            {"decimal": ",", "columns": {"age": {"unit": "\u20ac"}}},
            ["\u20ac 12,50", "12,50\u00a0\u20ac", "\u20ac 12.50"],
            {"\u20ac 12,50": 12.5, "12,50\u00a0\u20ac": 12.5},
        ),
        ({"columns": {"age": {"missing": ["99"]}, "power": {"missing": ["41"]}}}, ["41", "99", " 99 "], {"41": 41.0}),
    ],
)
def test_numbers_may_be_written_in_another_way_if_it_can_only_be_read_in_one(
    lake: OwnLake, read: dict[str, Any], texts: list[str], values: dict[str, float]
) -> None:
    read = sequences_as_tuples(read)
    assert validated(lake.spark, written_so(lake.contract, **read), "age", texts) == values


def test_blanks_around_texts_are_none_where_the_contract_says_so(lake: OwnLake) -> None:
    texts = [" 2023-01", "2023-01 ", "2023-01", "2023- 01"]
    assert validated(lake.spark, lake.contract, "month", texts) == {"2023-01": "2023-01"}
    trimmed = written_so(lake.contract, trim=True)
    assert validated(lake.spark, trimmed, "month", texts) == dict.fromkeys(texts[:3], "2023-01")


def test_whole_numbers_may_have_marks_between_thousands(lake: OwnLake) -> None:
    contract = written_so(lake.contract, decimal=",", thousands=".")
    assert validated(lake.spark, contract, "training", ["1", "1,0", "1.000", "0,5"]) == {"1": 1, "1,0": 1}


def test_a_text_that_means_no_value_is_a_missing_one_in_any_column(lake: OwnLake) -> None:
    contract = written_so(lake.contract, missing=("NA",))
    row = lake.spark.createDataFrame([("NA", "2023-01", "NA", "NA", "1", "40", "x", "50", None, None)],
        "policy_id string, month string, training string, age string, emergency_braking string, "
        "braking_distance string, power string, miles string, _flaw string, _rescued string")  # fmt: skip
    found = validation_of(contract, "policies").bad_rows(row).select("_reason").collect()[0][0]
    assert found == "`policy_id` is missing; `training` is missing; `age` is missing; `power` is not a float"


def test_a_month_that_cannot_be_is_rejected(lake: OwnLake) -> None:
    reasons = {
        "2023-01\r": "`month` is not YYYY-MM",
        "0000-01": "`month` is before 2023-01, where this use case starts",
        "2022-12": "`month` is before 2023-01, where this use case starts",
        "9999-12": "`month` is after 2123-01, a century ahead",
        "\u0662\u0660\u0662\u0663-01": "`month` is not YYYY-MM",
    }
    rows = lake.spark.createDataFrame(
        [("k", month, "0", "41", "1", "40", "100", "50", None, None) for month in reasons],
        "policy_id string, month string, training string, age string, emergency_braking string, "
        "braking_distance string, power string, miles string, _flaw string, _rescued string")  # fmt: skip
    found = validation_of(lake.contract, "policies").bad_rows(rows).select("month", "_reason", "_value").collect()
    assert sorted(map(tuple, found)) == sorted((month, why, f"month = '{month}'") for month, why in reasons.items())


def test_a_thousand_different_wrong_values_are_one_reason_with_the_value_beside_it(small: OwnLake) -> None:
    rows = "".join(policy("2023-01", 100 + n, {"age": f"x{n}", "training": "3"}) for n in range(1000))
    small.deliver("policies", "policies-2023-01.v2.csv", HEADER + rows + policy("2023-01", 2000))
    small.deliver("claims", "claims-2023-01.v2.csv", claims("2023-01", 5.0))
    report = small.ingest()
    reason = "`training` is not one of 0, 1; `age` is not a float"
    assert report.sources[0].reasons == ((f"{reason} (training = '3'; age = 'x0')", 1000),)
    table = small.rows("silver/rejects")
    assert set(table["reason"]) == {reason}
    assert "training = '3'; age = 'x999'" in set(table["value"])


def test_of_many_allowed_values_a_reason_names_some(lake: OwnLake) -> None:
    many = Column(type="string", description="d", values=tuple(f"v{n:02d}" for n in range(60)))
    feature = lake.contract.features["age"].model_copy(update={"type": "string", "valid": None, "values": many.values})
    contract = lake.contract.model_copy(update={"features": {**lake.contract.features, "age": feature}})
    row = lake.spark.createDataFrame([("k", "2023-01", "0", "w", "1", "40", "100", "50", None, None)],
        "policy_id string, month string, training string, age string, emergency_braking string, "
        "braking_distance string, power string, miles string, _flaw string, _rescued string")  # fmt: skip
    reason = validation_of(contract, "policies").bad_rows(row).select("_reason").collect()[0][0]
    assert reason == "`age` is not one of v00, v01, v02, v03, v04 and 55 more"
