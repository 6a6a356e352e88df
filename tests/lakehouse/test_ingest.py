"""Whole ingests: what is new goes through, what is not changes nothing."""

import os
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from lakehouse.ingest import bronze_step
from lakeloop.added_columns import with_label
from lakeloop.clock import set_clock
from lakeloop.drawn_rows import sample_period
from lakeloop.notifications import told_notifications
from operations.delivery import generate, release
from tests.lakes import HEADER, SMALL_POLICIES, OwnLake, claims, own_lake, policy


def test_the_reference_month_arrives_whole_and_unchanged(reference: OwnLake) -> None:
    wanted = with_label(reference.contract, sample_period(reference, 0))
    wanted = wanted.set_index("policy_id")
    training = reference.rows("gold/training").set_index("policy_id").loc[wanted.index]
    assert len(reference.rows("gold/training")) == 1500
    for column in [*reference.contract.features, "risk", "group"]:
        assert np.array_equal(training[column].to_numpy(), wanted[column].to_numpy()), column
    assert training["group_name"].value_counts().to_dict() == {"high": 580, "medium": 488, "low": 432}
    assert list(training.reset_index().columns) == [
        "policy_id", "month", *reference.contract.features, "risk", "group", "group_name"
    ]  # fmt: skip


def test_rows_without_truth_are_in_silver_but_not_in_gold(reference: OwnLake) -> None:
    assert len(reference.rows("silver/policies")) == 3000
    assert set(reference.rows("gold/training")["month"]) == {"2023-01"}


def test_ingesting_again_changes_no_version_of_any_table(reference: OwnLake) -> None:
    before = reference.versions()
    assert set(before) == {
        "bronze/claims", "bronze/deliveries", "bronze/policies", "silver/claims", "silver/policies",
        "gold/monthly", "gold/training",
    }  # fmt: skip
    report = reference.ingest()
    assert not report.changed
    assert [s.known for s in report.sources] == [2, 1]
    assert reference.versions() == before


def test_a_repeated_delivery_changes_no_row_and_is_told(small: OwnLake) -> None:
    counts = {name: len(small.rows(name)) for name in small.versions() if not name.endswith("deliveries")}
    os.utime(small.folder("landing") / "policies" / "policies-2023-01.csv", (1, 1))
    small.deliver("policies", "policies-2023-01.again.csv", SMALL_POLICIES)
    report = small.ingest()
    assert report.sources[0].repeated == ("policies-2023-01.csv", "policies-2023-01.again.csv")
    assert "policies-2023-01.csv: was delivered before with the same content; skipped" in report.sources[0].notices
    assert not report.changed and not report.refused
    assert {name: len(small.rows(name)) for name in counts} == counts


def test_other_content_under_a_known_name_is_refused_and_changes_nothing(small: OwnLake) -> None:
    small.deliver("policies", "policies-2023-01.csv", HEADER + policy("2023-01", 0, {"age": "99"}))
    report = small.ingest()
    assert len(report.refused) == 1
    assert "policies/policies-2023-01.csv: was delivered before with other content" in report.refused[0]
    assert "policies-2023-01.v2.csv" in report.refused[0]
    small.ingest()
    (told,) = told_notifications(small.settings)
    assert told.notification.kind == "refused file"
    assert told.notification.text.startswith(
        "policies/policies-2023-01.csv was refused: it was delivered before with other content"
    )
    assert set(small.rows("silver/policies")["age"]) == {41.5}


def test_corrections_and_late_claims_reach_gold_by_key(small: OwnLake) -> None:
    small.deliver("claims", "claims-2023-01.late.csv", "policy_id;risk\n2023-01-0030;4\n2023-01-9999;2\n")
    late = small.ingest()
    assert (late.gold.added, late.gold.updated) == (1, 0)

    corrected = policy("2023-01", 1, {"age": "50"}) + policy("2023-01", 39, {"month": "2023-02"}) + policy("2023-01", 0)
    small.deliver("policies", "policies-2023-01.v2.csv", HEADER + corrected)
    small.deliver("claims", "claims-2023-01.v2.csv", "policy_id;risk\n2023-01-0000;0.5\n")
    report = small.ingest()
    assert [(s.silver_inserted, s.silver_updated) for s in report.sources] == [(0, 2), (0, 1)]
    assert (report.gold.added, report.gold.updated) == (0, 2)
    training = small.rows("gold/training").set_index("policy_id").sort_index()
    assert len(training) == 31 and training["age"].tolist()[:3] == [41.5, 50.0, 41.5]
    assert [training["group_name"].iloc[n] for n in (0, 1, 30)] == ["low", "medium", "high"]
    monthly = small.rows("gold/monthly").set_index("month").sort_index()
    assert monthly["rows"].to_dict() == {"2023-01": 39, "2023-02": 1}
    assert monthly["labelled"].to_dict() == {"2023-01": 31, "2023-02": 0}
    files = small.rows("silver/policies").set_index("policy_id")["_source_file"]
    assert files["2023-01-0001"] == "policies-2023-01.v2.csv" and files["2023-01-0000"] == "policies-2023-01.csv"


def test_the_content_of_before_delivered_again_takes_a_correction_back(small: OwnLake) -> None:
    small.deliver("claims", "claims-2023-01.v2.csv", "policy_id;risk\n2023-01-0000;0.5\n")
    bronze_step(small)
    small.deliver("claims", "claims-2023-01.v3.csv", claims("2023-01", *[2.0] * 30))
    assert small.ingest().sources[1].taken == ("claims-2023-01.v3.csv",)
    assert set(small.rows("silver/claims")["risk"]) == {2.0}


def test_a_file_and_its_correction_in_one_ingest_end_as_in_two(lake: OwnLake) -> None:
    lake.deliver("policies", "policies-2023-01.v2.csv", HEADER + policy("2023-01", 1, {"age": "50"}))
    lake.deliver("policies", "policies-2023-01.v10.csv", HEADER + policy("2023-01", 1, {"age": "60"}))
    lake.deliver("policies", "policies-2023-01.csv", HEADER + policy("2023-01", 0) + policy("2023-01", 1) * 2)
    report = lake.ingest()
    ages = lake.rows("silver/policies").set_index("policy_id")["age"].to_dict()
    assert ages == {"2023-01-0000": 41.5, "2023-01-0001": 60.0}
    assert report.sources[0].rejected == 1


def test_claims_released_by_the_clock_add_their_month_to_gold(spark: SparkSession, tmp_path: Path) -> None:
    lake = own_lake(spark, tmp_path)
    generate(lake, [0, 1], rows=50, seed=1)
    assert lake.ingest().gold.added == 50
    set_clock(lake, 25)
    release(lake)
    report = lake.ingest()
    assert (report.gold.added, report.gold.version) == (50, 2)
    assert report.gold.periods == ("2023-02",)


def test_a_use_case_with_its_label_in_the_same_file_works(spark: SparkSession, tmp_path: Path) -> None:
    lake = own_lake(spark, tmp_path, "churn")
    generate(lake, [0, 1])
    lake.deliver("customers", "customers-2024-03.csv", "customer,period,plan,usage,left\nx,2024-03,gold,1,yes\n")
    report = lake.ingest()
    assert report.sources[0].reasons == (("`plan` is not one of basic, plus, pro, annual (plan = 'gold')", 1),)
    wanted = with_label(lake.contract, sample_period(lake, 0)).set_index("customer")
    training = lake.rows("gold/training").set_index("customer")
    assert len(training) == 1200
    assert training.loc[wanted.index, "churned"].tolist() == wanted["churned"].tolist()
    assert training.loc[wanted.index, "plan"].tolist() == wanted["plan"].tolist()
    assert "pro, annual" in set(training["plan"])
    correction = 'customer,period,plan,usage,left\nc0000000,2024-01,"pro, annual",1,no\n'
    lake.deliver("customers", "customers-2024-01.v2.csv", correction)
    assert lake.ingest().gold.updated == 1
    assert lake.rows("gold/training").set_index("customer").loc["c0000000", "churned"] == 0


def test_no_files_at_all_is_no_error(lake: OwnLake) -> None:
    report = lake.ingest()
    assert not report.changed and report.gold.version is None
    assert lake.lines == ["policies: 0 new files, 0 rows", "claims: 0 new files, 0 rows"]


@pytest.mark.parametrize("table", ["silver/policies", "gold/training"])
def test_tables_refuse_what_the_contract_forbids_whoever_writes(reference: OwnLake, table: str) -> None:
    rows = reference.spark.read.format("delta").load(reference.table(table)).limit(1)
    bad = rows.selectExpr("* EXCEPT (age)", "151D AS age").select(*rows.columns)
    with pytest.raises(Exception, match="age_valid"):
        bad.write.format("delta").mode("append").save(reference.table(table))


def test_column_comments_make_the_catalogue(reference: OwnLake) -> None:
    schema = reference.spark.read.format("delta").load(reference.table("silver/policies")).schema
    assert schema["age"].metadata["comment"] == "Age of the driver in years (0 to 150)"
    assert [f.name for f in schema if not f.nullable] == [*reference.contract.sources["policies"].columns, "_batch"]
