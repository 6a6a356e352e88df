"""Gaps, truth values and open vocabularies: from the file into silver, gold and the export."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.gold.export import export
from lakehouse.storage.schema import quoted
from lakeloop.exported import read_shards
from lakeloop.manifest import read_manifest
from tests.lakes import OwnLake, own_lake
from tests.trips import many_trips, trips_csv

pytestmark = pytest.mark.long

OPTIONAL = ("fare", "seconds", "seats", "night", "company")
YES = ("true", "True", "TRUE", "t", "yes", "YES", "1", "1.0", " true ")
NO = ("false", "False", "f", "no", "No", "0", "0.0")


@pytest.fixture
def trips(spark: SparkSession, tmp_path: Path) -> OwnLake:
    return own_lake(spark, tmp_path, "trips")


def test_a_gap_in_an_optional_column_is_null_and_in_another_one_a_reject(trips: OwnLake) -> None:
    gaps = [{name: ""} for name in OPTIONAL]
    trips.deliver("trips", "trips-2024-01.csv", trips_csv({}, *gaps, dict.fromkeys(OPTIONAL, ""), {"zone": ""}))
    report = trips.ingest()
    silver = trips.rows("silver/trips").sort_values("trip", ignore_index=True)
    assert [report.sources[0].silver_inserted, report.sources[0].rejected] == [7, 1]
    for place, name in enumerate(OPTIONAL, start=1):
        assert silver["trip"][silver[name].isna()].tolist() == [f"t{place}", "t6"]
    assert trips.rejects("trips-2024-01.csv")["reason"].tolist() == ["`zone` is missing"]
    gold = trips.rows("gold/training")
    assert len(gold) == 7 and gold[list(OPTIONAL)].isna().sum().tolist() == [2] * 5


def test_a_blank_field_is_a_gap_where_a_number_is_meant_and_a_text_is_as_it_was_written(trips: OwnLake) -> None:
    trips.deliver("trips", "trips-2024-01.csv", trips_csv({"fare": " ", "night": "\t", "seats": "  ", "company": "  "}))
    trips.ingest()
    row = trips.rows("silver/trips").iloc[0]
    assert row[["fare", "seats", "night"]].isna().all() and row["company"] == "  "


def test_a_truth_value_may_be_written_in_any_usual_way(trips: OwnLake) -> None:
    written = [*YES, *NO, "perhaps", "2"]
    trips.deliver("trips", "trips-2024-01.csv", trips_csv(*({"shared": text} for text in written)))
    trips.ingest()
    silver = trips.rows("silver/trips").set_index("trip")["shared"]
    assert [silver[f"t{n}"] for n in range(len(YES + NO))] == [True] * len(YES) + [False] * len(NO)
    reasons = trips.rejects("trips-2024-01.csv")
    assert set(reasons["reason"]) == {"`shared` is not a bool (true, false, yes, no, t, f, 1, 0)"}
    assert reasons["value"].tolist() == ["shared = 'perhaps'", "shared = '2'"]


def test_whole_numbers_beside_gaps_are_what_they_were_before_pandas_wrote_them(trips: OwnLake) -> None:
    trips.deliver("trips", "trips-2024-01.csv", trips_csv({"seats": "2.0", "seconds": "60.0"}, {"seats": "2.5"}))
    trips.ingest()
    silver = trips.rows("silver/trips")
    assert silver[["seats", "seconds"]].to_numpy().tolist() == [[2, 60]]
    assert trips.rejects("trips-2024-01.csv")["reason"].tolist() == ["`seats` is not an int"]


def test_without_limits_of_the_contract_those_of_the_type_hold(trips: OwnLake) -> None:
    fares = ["-1e30", "3.4e38", "3.5e38", "NaN", "1e400"]
    trips.deliver("trips", "trips-2024-01.csv", trips_csv(*({"fare": fare} for fare in fares)))
    trips.ingest()
    assert sorted(trips.rows("silver/trips")["fare"]) == [-1e30, 3.4e38]
    assert trips.rejects("trips-2024-01.csv")["reason"].tolist() == [
        "`fare` is beyond ±3.4028e+38, the largest float there is here",
        "`fare` is NaN",
        "`fare` is beyond ±3.4028e+38, the largest float there is here",
    ]


def test_the_table_itself_takes_nulls_and_nothing_else_that_is_not_allowed(trips: OwnLake) -> None:
    trips.deliver("trips", "trips-2024-01.csv", trips_csv({}))
    trips.ingest()
    table = f"delta.{quoted(trips.table('silver/trips'))}"
    trips.spark.sql(f"UPDATE {table} SET fare = NULL, seconds = NULL, seats = NULL, night = NULL, company = NULL")
    for change in ("fare = 3.5e38D", "seconds = -1", "seats = 4", "company = ''", "zone = NULL", "shared = NULL"):
        with pytest.raises(Exception, match=r"CHECK|NOT NULL|not null"):
            trips.spark.sql(f"UPDATE {table} SET {change}")
    assert trips.rows("silver/trips")[list(OPTIONAL)].isna().all(axis=None)


def test_ingesting_gaps_again_changes_nothing(trips: OwnLake) -> None:
    trips.deliver("trips", "trips-2024-01.csv", many_trips(40))
    trips.ingest()
    before = trips.versions()
    trips.deliver("trips", "trips-2024-01.again.csv", many_trips(40))
    again = trips.ingest()
    assert (again.sources[0].silver_inserted, again.sources[0].silver_updated) == (0, 0)
    assert trips.versions()["gold/training"] == before["gold/training"]


def test_a_gap_is_an_empty_field_of_the_export_and_texts_come_back_as_they_were(trips: OwnLake) -> None:
    odd = [{"company": text} for text in ("NA", "null", " leading", 'a "b", c', "two\nlines", "return\rhere", "0")]
    trips.deliver("trips", "trips-2024-01.csv", trips_csv(*odd, *({name: ""} for name in OPTIONAL), *[{}] * 10))
    trips.ingest()
    manifest = export(trips)
    shards = [manifest.parent / file.path for file in read_manifest(manifest).files]
    found = read_shards(trips.contract, shards).set_index("trip")
    gold = trips.rows("gold/training").set_index("trip").loc[found.index]
    assert found["company"].fillna("").tolist() == gold["company"].fillna("").tolist()
    assert found["night"].fillna(-1).tolist() == gold["night"].map({True: 1, False: 0}).fillna(-1).tolist()
    assert set(found["shared"]) == {0} and found["fare"].isna().sum() == 1 and found["seats"].dtype == "float64"
    text = "".join(shard.read_text() for shard in shards)
    assert text.startswith("trip,month,fare,seconds,seats,night,shared,zone,company,tipped\n")
    assert ",600,2,1,0,01," in text and ",,600,2,1,0,01," in text


def test_averages_are_of_the_values_that_are_there(trips: OwnLake) -> None:
    rows = trips_csv({"fare": "10"}, {"fare": "20", "night": "no"}, {"fare": "", "night": ""})
    trips.deliver("trips", "trips-2024-01.csv", rows)
    trips.ingest()
    month = trips.rows("gold/monthly").iloc[0]
    assert (month["rows"], month["fare_mean"], month["night_mean"]) == (3, 15.0, 0.5)
