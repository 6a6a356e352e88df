"""The ledger says what is in bronze, whatever was lost, moved or restored in between."""

import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.bronze import odd_lines
from lakehouse.bronze.append import LandingReport, land
from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.ledger import LEDGER, TABLE, deliveries, write_records
from lakehouse.storage.schema import create_table
from lakeloop.exceptions import LakeloopError
from tests.lakes import OwnLake, claims, own_lake

HEADER = "policy_id;risk\n"
BRONZE_OF_SPARK = (
    "policy_id string, risk string, _rescued string, _flaw string, _extra string, _source_file string, "
    "_delivery bigint, _line bigint, _ingested_at timestamp, _batch bigint"
)


class Crash(BaseException):
    """Ends the work as a kill would: nothing catches it."""


def take(lake: OwnLake, step: Callable[[str], None] = lambda name: None) -> LandingReport:
    return land(lake, "claims", deliveries(lake), step)


def crash_after(step: str) -> Callable[[str], None]:
    def crash(name: str) -> None:
        if name == step:
            raise Crash

    return crash


def taken(lake: OwnLake) -> dict[tuple[str, int], int]:
    rows = lake.rows(LEDGER)
    found = rows[rows["state"] == "taken"]
    return {(r["file"], r["batch"]): r["rows"] for r in found.to_dict("records") if r["rows"]}


def in_bronze(lake: OwnLake) -> dict[tuple[str, int], int]:
    rows = lake.rows("bronze/claims")
    return rows.groupby(["_source_file", "_batch"]).size().to_dict()


def assert_in_step(lake: OwnLake) -> None:
    assert taken(lake) == in_bronze(lake)


@pytest.fixture(scope="session")
def claimed_home(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose bronze has 3 claims of month 0, in one batch, and 2 of month 1 in another."""
    lake = own_lake(spark, tmp_path_factory.mktemp("claimed"))
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", 1, 2, 3))
    take(lake)
    lake.deliver("claims", "claims-2023-02.csv", claims("2023-02", 1, 2))
    take(lake)
    return lake.settings.home


@pytest.fixture
def claimed(spark: SparkSession, claimed_home: Path, tmp_path: Path) -> OwnLake:
    return own_lake(spark, Path(shutil.copytree(claimed_home, tmp_path / "claimed")))


def test_taken_rows_are_bronze_rows_and_the_commits_name_the_files(claimed: OwnLake) -> None:
    assert_in_step(claimed)
    notes = [json.loads(c["userMetadata"]) for c in DeltaTable(claimed.table("bronze/claims")).history(2)]
    assert [[file["file"] for file in note["files"]] for note in notes] == [
        ["claims-2023-02.csv"], ["claims-2023-01.csv"]
    ]  # fmt: skip


def test_a_home_that_is_moved_after_a_crash_loses_nothing(lake: OwnLake, tmp_path: Path) -> None:
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", 1, 2, 3))
    with pytest.raises(Crash):
        take(lake, crash_after("staged"))
    moved = own_lake(lake.spark, Path(shutil.move(lake.settings.home, tmp_path.with_name(f"{tmp_path.name}-moved"))))
    shutil.rmtree(moved.work_folder)
    assert take(moved).rows == 3
    assert_in_step(moved)
    with pytest.raises(Crash):
        moved.deliver("claims", "claims-2023-02.csv", claims("2023-02", 4))
        take(moved, crash_after("bronze appended"))
    again = own_lake(lake.spark, Path(shutil.move(moved.settings.home, tmp_path.with_name(f"{tmp_path.name}-again"))))
    report = take(again)
    assert [(r.file, r.state, r.rows) for r in report.records] == [("claims-2023-02.csv", "taken", 1)]
    assert_in_step(again)


def test_staged_copies_that_are_cut_are_an_error_that_names_the_file_and_the_next_ingest_mends(lake: OwnLake) -> None:
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", *[1.0] * 100))
    staging = lake.work_folder / "claims" / "staging"

    def cut(name: str) -> None:
        if name == "staged":
            (part,) = staging.rglob("*.00000001.0")
            os.truncate(part, part.read_bytes().index(b"2023-01-0050"))

    with pytest.raises(LakeloopError, match=r"claims: 100 rows of claims-2023-01.csv were read .* 50 are in bronze"):
        take(lake, cut)
    report = take(lake)
    assert [(r.rows, r.batch, r.whole) for r in report.records] == [(100, 1, True), (100, 2, True)]
    assert report.notices[0].startswith(
        "claims-2023-01.csv: 100 rows were taken in batch 1, 50 are in bronze; it is taken again"
    )
    assert_in_step(lake)
    assert lake.rows("bronze/claims")["policy_id"].nunique() == 100
    assert take(lake) == LandingReport(known=1)


def test_a_ledger_that_was_restored_from_a_backup_is_completed_and_new_files_are_taken(claimed: OwnLake) -> None:
    """Numbers never begin again: a number that bronze had before would be taken for written already."""
    whole = claimed.rows(LEDGER).sort_values("batch")
    shutil.rmtree(claimed.table(LEDGER))
    before = DeliveryRecord(**whole.to_dict("records")[0])
    write_records(claimed, [before])
    claimed.deliver("claims", "claims-2023-03.csv", claims("2023-03", 5))
    report = take(claimed)
    assert [(r.file, r.batch) for r in report.records] == [("claims-2023-02.csv", 2), ("claims-2023-03.csv", 3)]
    assert_in_step(claimed)
    columns = ["file", "sha256", "bytes", "rows", "batch", "state"]
    assert claimed.rows(LEDGER).sort_values("batch")[columns].head(2).values.tolist() == whole[columns].values.tolist()
    assert sorted(claimed.rows("bronze/claims")["_delivery"].unique()) == [1, 2, 3]


def test_a_lost_ledger_is_made_again_from_bronze(claimed: OwnLake) -> None:
    shutil.rmtree(claimed.table(LEDGER))
    assert [r.file for r in take(claimed).records] == ["claims-2023-01.csv", "claims-2023-02.csv"]
    assert_in_step(claimed)
    assert take(claimed) == LandingReport(known=2)


def test_what_the_ledger_calls_taken_and_bronze_does_not_have_is_taken_again(claimed: OwnLake) -> None:
    """As homes are left by older releases, which believed a note of what was staged."""
    lost = claimed.rows(LEDGER).to_dict("records")[0] | {
        "file": "claims-2023-03.csv",
        "batch": 3,
        "sha256": "ab",
        "rows": 2,
    }
    write_records(claimed, [DeliveryRecord(**lost)])
    report = take(claimed)
    assert report.notices == (
        "claims-2023-03.csv: 2 rows were taken in batch 3, 0 are in bronze; it is taken again, or deliver it again if "
        "it is not there any more",
    )
    assert_in_step(claimed)
    claimed.deliver("claims", "claims-2023-03.csv", claims("2023-03", 5, 6))
    assert [(r.file, r.rows, r.batch) for r in take(claimed).records] == [("claims-2023-03.csv", 2, 4)]
    assert_in_step(claimed)


def test_rows_that_somebody_removed_from_bronze_stay_removed(claimed: OwnLake) -> None:
    DeltaTable(claimed.table("bronze/claims")).delete("policy_id = '2023-01-0001'")
    report = take(claimed)
    assert report.records == () and report.known == 2
    assert report.notices == (
        "claims-2023-01.csv: 3 rows were taken in batch 1, 2 are in bronze: the others were removed there; the file is "
        "not taken again",
    )
    assert_in_step(claimed)
    assert take(claimed) == LandingReport(known=2)


def test_rows_in_bronze_that_no_ledger_and_no_commit_names_are_put_into_the_ledger(claimed: OwnLake) -> None:
    """As older releases left them, whose commits name no files."""
    rows = claimed.spark.read.format("delta").load(claimed.table("bronze/claims"))
    old = rows.where("_batch = 2").selectExpr("* EXCEPT (_batch)", "CAST(7 AS BIGINT) AS _batch")
    note = json.dumps({"batch": 7, "clock": 0})
    old.write.format("delta").mode("append").option("userMetadata", note).save(claimed.table("bronze/claims"))
    report = take(claimed)
    assert any("2 rows of batch 7 are in bronze, of which the ledger knew nothing" in text for text in report.notices)
    assert_in_step(claimed)
    records = {r.batch: r for r in deliveries(claimed)}
    assert records[7].ingested_at == records[2].ingested_at, "the rows are known since they came"


@pytest.mark.parametrize("content", ["", "{", '{"records": ', "[]", '{"records": [{"source": "claims"}]}'])
def test_an_empty_or_cut_note_of_an_older_release_is_no_obstacle(claimed: OwnLake, content: str) -> None:
    pending = claimed.work_folder / "claims" / "pending.json"
    pending.parent.mkdir(parents=True, exist_ok=True)
    pending.write_text(content)
    assert take(claimed) == LandingReport(known=2)
    assert not pending.exists()


@pytest.mark.parametrize("appended", [True, False])
def test_an_older_release_s_interrupted_batch_is_finished_or_begun_again(
    spark: SparkSession, tmp_path: Path, appended: bool
) -> None:
    lake = own_lake(spark, tmp_path)
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", 1, 2))
    now = datetime.now(UTC)
    record = asdict(DeliveryRecord("claims", "claims-2023-01.csv", "ab", 40, 2, now, now, 1, "taken"))
    times = {name: now.isoformat() for name in ("modified_at", "ingested_at")}
    pending = lake.work_folder / "claims" / "pending.json"
    pending.parent.mkdir(parents=True)
    gone = [{"header": ["policy_id", "risk"], "folder": "/nowhere/staging/layout-0000"}]
    pending.write_text(json.dumps({"records": [record | times], "layouts": gone}))
    if appended:
        path = lake.table("bronze/claims")
        create_table(spark, path, BRONZE_OF_SPARK, statistics=("_batch", "policy_id"))
        rows = spark.sql(
            "SELECT policy_id, '1' AS risk, 'claims-2023-01.csv' AS _source_file, 1L AS _delivery, line AS _line, "
            "1L AS _batch FROM VALUES ('2023-01-0000', 2L), ('2023-01-0001', 3L) AS t(policy_id, line)"
        )
        rows.write.format("delta").mode("append").options(
            txnAppId="insurance/claims", txnVersion=1, userMetadata='{"batch": 1, "clock": 0}'
        ).save(path)
    states = [(r.file, r.state, r.batch) for r in take(lake).records]
    assert states[0] == ("claims-2023-01.csv", "taken", 1)
    assert taken(lake) == in_bronze(lake) == {("claims-2023-01.csv", 1): 2}
    lake.deliver("claims", "claims-2023-02.csv", claims("2023-02", 3))
    assert [(r.state, r.rows) for r in take(lake).records] == [("taken", 1)]
    assert lake.ingest().sources[1].silver_inserted == 3


def test_a_ledger_that_spark_made_is_read_and_written_on(claimed: OwnLake) -> None:
    rows = claimed.rows(LEDGER)
    shutil.rmtree(claimed.table(LEDGER))
    path = claimed.table(LEDGER)
    schema = (
        "source string, file string, sha256 string, bytes bigint, rows bigint, modified_at timestamp, "
        "ingested_at timestamp, batch bigint, state string, reason string"
    )
    create_table(claimed.spark, path, schema, comment="Every delivered file and what became of it")
    claimed.spark.createDataFrame(rows, schema).write.format("delta").mode("append").options(
        txnAppId="insurance/claims/deliveries", txnVersion=2
    ).save(path)
    assert take(claimed) == LandingReport(known=2)
    claimed.deliver("claims", "claims-2023-03.csv", claims("2023-03", 5))
    take(claimed)
    assert_in_step(claimed)
    read = claimed.spark.read.format("delta").load(path).orderBy("batch").collect()
    assert [(row["file"], row["rows"], row["batch"]) for row in read] == [
        ("claims-2023-01.csv", 3, 1), ("claims-2023-02.csv", 2, 2), ("claims-2023-03.csv", 1, 3)
    ]  # fmt: skip


def test_new_bronze_tables_keep_bounds_of_batch_and_key(claimed: OwnLake) -> None:
    actions = DeltaTable(claimed.table("bronze/claims")).get_add_actions(flatten=True)
    columns = {name for name in actions.schema.names if name.startswith("min.")}
    assert columns == {"min._batch", "min.policy_id"}


def test_a_file_that_spark_cannot_read_is_refused_and_the_others_are_taken(
    lake: OwnLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odd_lines, "MOST_FIELDS", 1_000_000)  # beyond what Spark's parser can take
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", 1, 2))
    lake.deliver("claims", "claims-2023-02.csv", HEADER + ";" * 30_000 + "\n")
    lake.deliver("claims", "claims-2023-03.csv", claims("2023-03", 3))
    report = take(lake)
    assert [(r.file, r.state) for r in report.records] == [
        ("claims-2023-01.csv", "taken"), ("claims-2023-02.csv", "refused"), ("claims-2023-03.csv", "taken")
    ]  # fmt: skip
    assert report.records[1].reason.startswith("cannot be read by Spark (")
    assert "\n" not in report.records[1].reason
    assert_in_step(lake)
    lake.deliver("claims", "claims-2023-04.csv", claims("2023-04", 4))
    assert [r.state for r in take(lake).records] == ["taken"]
    assert sorted(lake.rows("bronze/claims")["_delivery"].unique()) == [1, 2, 3]
    assert_in_step(lake)


def test_whatever_files_hold_each_is_taken_or_refused_and_no_row_is_lost(lake: OwnLake) -> None:
    choice = random.Random(14)
    alphabet = [
        b";",
        b'"',
        b"\n",
        b"\r",
        b"\r\n",
        b"#",
        b"x",
        b" ",
        b"\t",
        b"\xe9",
        b"\xc3\xa9",
        b"\\",
        b",",
        b"\x1a",
        b"\xff",
    ]
    for month in range(1, 13):
        for version in ("", ".v2", ".v3"):
            junk = b"".join(choice.choices(alphabet, k=choice.randrange(400)))
            head = choice.choice([HEADER.encode(), HEADER.encode(), b""])
            lake.deliver("claims", f"claims-2023-{month:02d}{version}.csv", head + junk)
    lake.deliver("claims", "claims-2024-01.csv", claims("2024-01", 1, 2, 3))
    report = take(lake)
    assert sorted({r.state for r in report.records}) == ["refused", "taken"]
    assert len(report.records) == 37 and sum(r.state == "taken" for r in report.records) > 12
    assert_in_step(lake)
    rows = lake.rows("bronze/claims")
    assert rows.groupby("_source_file")["_line"].nunique().equals(rows.groupby("_source_file").size())
    assert rows[rows["_source_file"] == "claims-2024-01.csv"]["risk"].tolist() == ["1", "2", "3"]


def test_the_ledger_s_columns_are_those_of_a_record() -> None:
    assert [column.name for column in TABLE.columns] == list(DeliveryRecord.__dataclass_fields__)


def test_a_home_with_brackets_and_quotes_in_its_path_works(spark: SparkSession, tmp_path: Path) -> None:
    lake = own_lake(spark, tmp_path / "it's {a,b} `c` *é")
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", 1, 2))
    lake.deliver("claims", "claims-2023-02.csv", 'policy_id;risk\n"A\nB";1\n')
    take(lake)
    assert_in_step(lake)
    assert "A\nB" in set(lake.rows("bronze/claims")["policy_id"])
