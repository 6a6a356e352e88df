"""Silver holds each key once, whatever the key is and however often bronze is read."""

import csv
import io
import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

from deltalake import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.ingest import IngestReport
from tests.lakes import HEADER, OwnLake, claims, own_lake, policy

NASTY = ["${env:HOME}", "${spark.sql.shuffle.partitions}", "${system:user.name}", "$", "{rows}", ":low", "?", "'", "\\",
         "\\'", "a`b", "--", "/*", "%s", "\u00e9", "e\u0301", "\U0001f600", " lead", "\u202e"]  # fmt: skip


def keys(count: int) -> list[str]:
    """Distinct keys of any characters but line ends and NUL."""
    draw = random.Random(3)
    letters = [chr(code) for code in range(32, 0x2FFF) if chr(code).isprintable()] + ["\U0001f697", "\U00020000"]
    return [*NASTY, *{"".join(draw.choices(letters, k=draw.randint(1, 40))) + str(n) for n in range(count)}]


def delivered(rows: list[tuple[str, float]]) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="\n").writerows([("policy_id", "risk"), *rows])
    return text.getvalue()


def test_a_correction_finds_its_key_whatever_characters_that_has(lake: OwnLake) -> None:
    found = keys(300)
    lake.deliver("claims", "claims-2023-01.csv", delivered([(key, 1.0) for key in found]))
    first = lake.ingest().sources[1]
    assert (first.silver_inserted, first.rejected) == (len(found), 0)
    lake.deliver("claims", "claims-2023-01.v2.csv", delivered([(key, 2.0) for key in reversed(found)]))
    second = lake.ingest().sources[1]
    assert (second.silver_inserted, second.silver_updated) == (0, len(found))
    rows = lake.rows("silver/claims")
    assert sorted(rows["policy_id"]) == sorted(found) and set(rows["risk"]) == {2.0}


def test_a_first_delivery_without_one_good_row_is_rejected_and_good_files_are_taken_afterwards(lake: OwnLake) -> None:
    lake.deliver("claims", "claims-2023-01.csv", "policy_id;risk\n2023-01-0000;3,5\n")
    report = lake.ingest()
    assert report.sources[1].reasons == (("`risk` is not a float (risk = '3,5')", 1),)
    assert not report.refused and len(lake.rows("silver/rejects")) == 1
    lake.deliver("claims", "claims-2023-02.csv", "policy_id;risk\n2023-02-0000;3.5\n")
    assert lake.ingest().sources[1].silver_inserted == 1


def test_truth_of_keys_that_nobody_knows_waits_quietly_for_their_features(lake: OwnLake) -> None:
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", 4.0, 2.0))
    assert lake.ingest().gold.version is None
    lake.deliver("policies", "policies-2023-02.csv", HEADER + policy("2023-02", 0))
    nobody = lake.ingest()
    assert (nobody.gold.added, nobody.new_truth) == (0, None)
    lake.deliver("policies", "policies-2023-01.csv", HEADER + policy("2023-01", 0) + policy("2023-01", 1))
    report = lake.ingest()
    assert report.gold.added == 2 and report.new_truth is not None
    assert report.new_truth.payload["months"] == ["2023-01"]


def test_a_feature_that_no_delivered_row_has_rejects_those_and_takes_the_new_ones(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = own_lake(spark, tmp_path)
    narrow = lake.contract.features | {}
    narrow.pop("miles")
    source = lake.contract.sources["policies"]
    fewer = source.model_copy(update={"columns": tuple(name for name in source.columns if name != "miles")})
    without = lake.contract.model_copy(
        update={"features": narrow, "sources": {**lake.contract.sources, "policies": fewer}}
    )
    row = policy("2023-01", 0).rsplit(";", 1)[0] + "\n"
    lake.deliver("policies", "policies-2023-01.csv", HEADER.replace(";miles", "") + row)
    assert replace(lake, contract=without).ingest().sources[0].silver_inserted == 1
    lake.deliver("policies", "policies-2023-02.csv", HEADER + policy("2023-02", 0))
    report = lake.ingest()
    assert report.sources[0].reasons == (("`miles` is missing", 1),)
    assert lake.rows("silver/policies")["policy_id"].tolist() == ["2023-02-0000"]


def test_a_lake_whose_silver_was_read_by_a_stream_goes_on_where_that_stopped(small: OwnLake) -> None:
    progress = small.settings.home / "lake" / "_work" / "insurance" / "policies" / "silver.json"
    version = json.loads(progress.read_text())["version"]
    progress.write_text(json.dumps(version))  # as an older release wrote it, with a checkpoint beside the lake
    checkpoint = small.settings.home / "lake" / "_checkpoints" / "insurance" / "policies"
    (checkpoint / "offsets").mkdir(parents=True)
    before = small.versions()
    assert not small.ingest().changed and small.versions() == before
    small.deliver("policies", "policies-2023-02.csv", HEADER + policy("2023-02", 0))
    assert small.ingest().sources[0].silver_inserted == 1
    assert not checkpoint.exists()


def test_rows_are_looked_through_for_doubles_before_they_are_sorted(lake: OwnLake) -> None:
    lake.deliver("policies", "policies-2023-01.csv", HEADER + "".join(policy("2023-01", n) for n in range(5)))
    assert taken(lake.ingest()) == (5, 0)
    rows = "".join(policy("2023-02", n) for n in (0, 1, 1, 2))
    lake.deliver("policies", "policies-2023-02.csv", HEADER + rows)
    assert taken(lake.ingest()) == (3, 1)


def taken(report: IngestReport) -> tuple[int, int]:
    return report.sources[0].silver_inserted, report.sources[0].rejected


def test_what_gold_has_not_seen_may_be_vacuumed_away(small: OwnLake) -> None:
    progress = small.settings.home / "lake" / "_work" / "insurance" / "gold.json"
    before = progress.read_text()
    small.deliver("claims", "claims-2023-01.v2.csv", claims("2023-01", *[5.0] * 3))
    small.ingest()
    progress.write_text(before)  # gold is behind silver, whose replaced files go
    for path in Path(small.table("silver/claims")).glob("*.parquet"):
        if path.name not in {Path(uri).name for uri in DeltaTable(small.table("silver/claims")).file_uris()}:
            path.unlink()
    assert small.ingest().gold.added == 0
    shutil.rmtree(Path(small.table("gold/training")))
    progress.unlink()
    assert small.ingest().gold.added == 30
