"""A truth computed from several columns: the same in the lake as in frames, and gone where its parts are."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.silver.made_truth import made_truth
from lakeloop.added_columns import with_label
from lakeloop.contract import Contract, Label
from lakeloop.drawn_rows import sample_period
from lakeloop.made_truth import made_truth as in_frame
from operations.delivery import generate
from tests.lakes import OwnLake, own_lake

HEADER = "ride,month,miles,fare,tips,paid\n"


@pytest.fixture
def rides(spark: SparkSession, tmp_path: Path) -> OwnLake:
    return own_lake(spark, tmp_path, "rides")


def labels(lake: OwnLake) -> dict[str, str]:
    rows = lake.rows("gold/training")
    return dict(zip(rows["ride"], rows["tip_name"], strict=True))


def test_rows_get_the_truth_that_is_computed_and_those_without_wait_unlabelled(rides: OwnLake) -> None:
    rides.deliver(
        "rides", "rides-2024-01.csv",
        f"{HEADER}a,2024-01,3,10,3,card\nb,2024-01,3,10,2,card\nc,2024-01,3,10,,cash\nd,2024-01,3,10,much,cash\n",
    )  # fmt: skip
    rides.ingest()
    assert labels(rides) == {"a": "large", "b": "small"}
    silver = rides.rows("silver/rides").set_index("ride")
    assert silver["big"].to_dict() == {"a": True, "b": False, "c": None}
    assert silver["tips"].dtype == float
    assert rides.rejects("rides-2024-01.csv")[["line", "reason", "value"]].values.tolist() == [
        [5, "`tips` is not a float", "tips = 'much'"]
    ]
    monthly = rides.rows("gold/monthly").iloc[0]
    assert (monthly["rows"], monthly["labelled"], monthly["large_share"]) == (3, 2, 0.5)
    assert "tips" not in rides.rows("gold/training").columns


def test_corrections_change_the_truth_and_can_take_it_away(rides: OwnLake) -> None:
    rides.deliver("rides", "rides-2024-01.csv", f"{HEADER}a,2024-01,3,10,3,card\nb,2024-01,3,10,2,card\n")
    rides.ingest()
    rides.deliver("rides", "rides-2024-01.v2.csv", f"{HEADER}a,2024-01,3,10,,card\nb,2024-01,3,10,9,card\n")
    report = rides.ingest()
    assert labels(rides) == {"b": "large"}
    assert (report.gold.updated, report.gold.removed) == (1, 1)
    rides.deliver("rides", "rides-2024-01.v3.csv", f"{HEADER}a,2024-01,3,10,4,card\n")
    rides.ingest()
    assert labels(rides) == {"a": "large", "b": "large"}


def test_the_lake_labels_generated_rows_as_frames_are_labelled(rides: OwnLake) -> None:
    generate(rides, [0])
    rides.ingest()
    expected = with_label(rides.contract, sample_period(rides, 0)).set_index("ride")["tip_name"].to_dict()
    assert labels(rides) == expected
    assert 0 < len(expected) < 400


EXPRESSIONS = (
    "tips > 0.2 * fare", "tips / fare > 0.2", "fare > 0 and tips / fare > 0.2", "fare == 0 or tips / fare > 0.2",
    "not (paid == 'cash') or tips > 1", "-tips + 1 > 0 or paid != 'card'", "0 < tips <= 3", "1 / fare > 0.05",
    "tips * 1e308 * 100 > 0", "fare * 1e308 * 100 - tips * 1e308 * 100 > 0",
)  # fmt: skip


def test_spark_and_pandas_compute_the_same(spark: SparkSession, rides: OwnLake) -> None:
    numbers = (None, 0.0, 1.0, 5.0, -2.0)
    frame = pd.DataFrame(
        [(tips, fare, paid) for tips in numbers for fare in numbers for paid in (None, "cash", "card")],
        columns=["tips", "fare", "paid"],
    )
    rows = spark.createDataFrame(list(frame.astype(object).where(frame.notna(), None).itertuples(index=False)),
                                 "tips double, fare double, paid string")  # fmt: skip
    contracts = [with_truth(rides.contract, text) for text in EXPRESSIONS]
    in_spark = rows.select(*(made_truth(c).alias(f"t{i}") for i, c in enumerate(contracts))).toPandas()
    for number, contract in enumerate(contracts):
        expected = [None if value is pd.NA else bool(value) for value in in_frame(contract, frame)]
        assert [None if v is None else bool(v) for v in in_spark[f"t{number}"]] == expected, EXPRESSIONS[number]


def with_truth(contract: Contract, made: str) -> Contract:
    return contract.model_copy(update={"label": contract.label.model_copy(update={"made": made})})


def test_a_computed_number_outside_its_range_is_rejected(rides: OwnLake) -> None:
    label = {
        **rides.contract.label.model_dump(), "made": "tips / fare", "classes": (
            {"name": "small"}, {"name": "large", "when": {"above": 0.2}},
        ), "truth": {"type": "float", "description": "Tip by fare", "valid": (0.0, 5.0)},
    }  # fmt: skip
    contract = rides.contract.model_copy(update={"label": Label.model_validate(label)})
    lake = replace(rides, contract=contract)
    lake.deliver(
        "rides", "rides-2024-01.csv", f"{HEADER}a,2024-01,3,10,3,card\nb,2024-01,3,10,90,card\nc,2024-01,3,0,1,cash\n"
    )
    lake.ingest()
    assert lake.rows("silver/rides").set_index("ride")["big"].fillna(-1).to_dict() == {"a": 0.3, "c": -1}
    assert lake.rejects("rides-2024-01.csv")[["line", "reason", "value"]].values.tolist() == [
        [3, "`big`, computed as `tips / fare`, is outside 0 to 5", "big = 9.0"]
    ]


def test_a_bool_can_be_delivered_as_the_truth(rides: OwnLake) -> None:
    spec = rides.contract.sources["rides"]
    columns = tuple("big" if name == "tips" else name for name in spec.columns)
    sources = {"rides": spec.model_copy(update={"columns": columns})}
    label = rides.contract.label.model_copy(update={"made": None})
    lake = replace(rides, contract=rides.contract.model_copy(update={"sources": sources, "label": label}))
    header = HEADER.replace("tips", "big")
    lake.deliver("rides", "rides-2024-01.csv", f"{header}a,2024-01,3,10,Yes,card\nb,2024-01,3,10,0,card\n")
    lake.ingest()
    assert labels(lake) == {"a": "large", "b": "small"}
