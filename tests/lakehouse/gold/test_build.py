import pytest
from delta.tables import DeltaTable

from lakehouse.gold.label_columns import class_id
from lakeloop.contract import Label, LabelClass, When
from tests.lakes import OwnLake

EDGES = [0.999999999, 1.0, 1.0000000001, 2.0, 2.999999999, 3.0, 3.0000000001, -5.0, 42.0]


def test_labels_derived_in_spark_equal_the_contract_s_also_on_the_bounds(lake: OwnLake) -> None:
    frame = lake.spark.createDataFrame([(r,) for r in EDGES], "risk double")
    ids = [row[0] for row in frame.select(class_id(lake.contract)).collect()]
    assert ids == [lake.contract.label.class_id(r) for r in EDGES]
    assert ids[1] == ids[5] == 1


@pytest.mark.parametrize("truth", ["0", "1", "2", "3"])
def test_the_first_class_that_holds_wins(lake: OwnLake, truth: str) -> None:
    label = lake.contract.label
    classes = (
        LabelClass(name="rest"),
        LabelClass(name="one", when=When(equals=1)),
        LabelClass(name="some", when=When(above=0.0)),
        LabelClass(name="many", when=When(above=2.0)),
    )
    changed = Label.model_construct(**{**dict(label), "classes": classes})
    contract = lake.contract.model_copy(update={"label": changed})
    frame = lake.spark.createDataFrame([(int(truth),)], "risk bigint")
    assert frame.select(class_id(contract)).collect()[0][0] == changed.class_id(int(truth))


def test_monthly_holds_counts_means_and_shares(reference: OwnLake) -> None:
    monthly = reference.rows("gold/monthly").set_index("month")
    silver, training = reference.rows("silver/policies"), reference.rows("gold/training")
    first = silver[silver["month"] == "2023-01"]
    assert monthly.loc["2023-01", ["rows", "labelled"]].tolist() == [1500, 1500]
    assert monthly.loc["2023-01", "age_mean"] == pytest.approx(first["age"].mean(), rel=1e-12)
    assert monthly.loc["2023-01", "training_mean"] == pytest.approx(first["training"].mean(), rel=1e-12)
    assert monthly.loc["2023-01", "risk_mean"] == pytest.approx(training["risk"].mean(), rel=1e-12)
    assert monthly.loc["2023-01", "high_share"] == pytest.approx(580 / 1500)
    assert monthly.loc["2023-02", ["rows", "labelled"]].tolist() == [1500, 0]
    assert monthly.loc["2023-02"][["risk_mean", "low_share"]].isna().all()


def test_gold_s_commits_name_the_silver_versions_they_come_from(reference: OwnLake) -> None:
    table = DeltaTable.forPath(reference.spark, reference.table("gold/training"))
    assert table.history(1).collect()[0]["userMetadata"] == '{"silver": {"claims": 1, "policies": 1}}'


def test_truth_deleted_from_silver_leaves_gold(small: OwnLake) -> None:
    DeltaTable.forPath(small.spark, small.table("silver/claims")).delete("policy_id >= '2023-01-0001'")
    report = small.ingest()
    assert report.gold.removed == 29
    assert small.rows("gold/training")["policy_id"].tolist() == ["2023-01-0000"]
    assert small.rows("gold/monthly")["labelled"].tolist() == [1]


def test_a_lost_progress_file_only_costs_work(small: OwnLake) -> None:
    (small.settings.home / "lake" / "_work" / "insurance" / "gold.json").unlink()
    assert not small.ingest().changed
    assert len(small.rows("gold/training")) == 30 and len(small.rows("gold/monthly")) == 1
