"""Which files a table's version was made from: from rows, notes of commits and the ledger, read without Spark."""

import shutil
from pathlib import Path

import pytest
from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.bronze.ledger import deliveries
from lakehouse.exceptions import VersionVacuumedError
from lakehouse.read.provenance import last_batch, made_from, row_count, silver_of, table_versions
from lakehouse.storage.layout import TRAINING_TABLE
from lakehouse.storage.maintenance import optimize
from lakehouse.storage.table_rows import file_rows, rows_of_file, rows_with_keys
from lakeloop.exceptions import NotFoundError
from lakeloop.own_code import code_sha256
from operations.lineage.affected import affected_by
from operations.lineage.deliveries import find_deliveries, gold_with
from operations.lineage.trace import trace_file, trace_request, trace_table
from tests.lakehouse.request_log import by_rules, log_file, record
from tests.lakes import HEADER, OwnLake, claims, own_lake, policy

FIRST, CORRECTED = "policies-2023-01.csv", "policies-2023-02.csv"


@pytest.fixture(scope="module")
def corrected_home(spark: SparkSession, small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first ten of 40 policies were delivered again with another age; their claims are there."""
    lake = own_lake(spark, Path(shutil.copytree(small_home, tmp_path_factory.mktemp("corrected") / "home")))
    rows = "".join(policy("2023-01", number, {"age": "50.5"}) for number in range(10))
    lake.deliver("policies", CORRECTED, HEADER + rows)
    lake.ingest()
    return lake.settings.home


@pytest.fixture
def corrected(spark: SparkSession, corrected_home: Path, tmp_path: Path) -> OwnLake:
    """A copy of it."""
    return own_lake(spark, Path(shutil.copytree(corrected_home, tmp_path / "corrected")))


def test_a_version_of_silver_names_the_files_its_rows_come_from(corrected: OwnLake) -> None:
    versions = table_versions(corrected, "silver/policies")
    assert file_rows(corrected, "silver/policies", versions[-2].version) == {(FIRST, 1): 40}
    newest = file_rows(corrected, "silver/policies", versions[-1].version)
    assert newest == {(FIRST, 1): 30, (CORRECTED, 2): 10}
    assert versions[-1].note == {"bronze": {"policies": 2}, "batches": [2, 2]}
    assert last_batch(corrected, "silver/policies", versions[-2].version) == 1
    assert row_count(corrected, "silver/policies", versions[-1].version) == 40


def test_a_version_of_gold_names_the_versions_of_silver_also_after_its_files_were_joined(corrected: OwnLake) -> None:
    before = table_versions(corrected, TRAINING_TABLE)
    policies_version = DeltaTable.forPath(corrected.spark, corrected.table("silver/policies")).history(1)
    now = policies_version.collect()[0]["version"]
    assert silver_of(before, before[-1].version)["policies"] == now
    assert made_from(before, "silver", "policies", now) == [before[-1].version]
    assert made_from(before, "silver", "policies", now + 1) == []
    optimize(corrected)
    after = table_versions(corrected, TRAINING_TABLE)
    assert silver_of(after, after[-1].version) == silver_of(before, before[-1].version)
    assert silver_of(after, 0) == {}, "the empty table was made from nothing"


def test_a_version_of_bronze_is_followed_up_to_gold(corrected: OwnLake) -> None:
    found = trace_table(corrected, "bronze/policies", None)
    newest = table_versions(corrected, TRAINING_TABLE)[-1].version
    assert [item.id for item in found.items if item.kind == "gold"] == [f"{TRAINING_TABLE}@{newest}"]
    assert len([item for item in found.items if item.kind == "file"]) == 2


def test_rows_are_found_by_file_and_by_key(corrected: OwnLake) -> None:
    version = table_versions(corrected, "silver/policies")[-1].version
    rows = rows_of_file(corrected, "silver/policies", version, CORRECTED, 2, ["policy_id", "age"])
    assert set(rows["age"].to_pylist()) == {50.5} and rows.num_rows == 10
    training = table_versions(corrected, TRAINING_TABLE)[-1].version
    keys = rows["policy_id"].combine_chunks()
    found = rows_with_keys(corrected, TRAINING_TABLE, training, "policy_id", keys, ["month"])
    assert found["month"].to_pylist() == ["2023-01"] * 10
    assert rows_with_keys(corrected, TRAINING_TABLE, training, "policy_id", keys[:0], ["month"]).num_rows == 0


def test_a_vacuumed_version_says_so_and_the_ledger_still_names_its_files(corrected: OwnLake) -> None:
    version = table_versions(corrected, "silver/policies")[-1].version
    for file in Path(corrected.table("silver/policies")).glob("*.parquet"):
        file.unlink()
    with pytest.raises(VersionVacuumedError, match=f"version {version} of silver/policies was vacuumed"):
        file_rows(corrected, "silver/policies", version)
    found = trace_table(corrected, TRAINING_TABLE, None)
    assert any("was vacuumed" in gap for gap in found.gaps)
    assert {FIRST, CORRECTED} <= {item.title.partition("/")[2] for item in found.items if item.kind == "file"}
    (delivery,) = find_deliveries(deliveries(corrected), CORRECTED)
    (late,) = gold_with(corrected, delivery)
    assert late.rows is None, "nobody knows any more how many"


def test_a_commit_of_an_older_release_says_nothing_and_that_is_said(small: OwnLake) -> None:
    log = sorted((Path(small.table(TRAINING_TABLE)) / "_delta_log").glob("*.json"))[-1]
    log.write_text(log.read_text().replace('"userMetadata"', '"otherMetadata"'))
    for crc in log.parent.glob("*.crc"):
        crc.unlink()
    found = trace_table(small, TRAINING_TABLE, None)
    assert [item.kind for item in found.items] == ["gold"]
    assert any("or an older release wrote it" in gap for gap in found.gaps)


def test_a_file_is_found_by_name_path_and_checksum(corrected: OwnLake) -> None:
    known = deliveries(corrected)
    (one,) = find_deliveries(known, FIRST)
    assert find_deliveries(known, f"policies/{FIRST}") == (one,)
    assert find_deliveries(known, str(Path("/somewhere/landing/policies") / FIRST)) == (one,)
    assert find_deliveries(known, one.sha256[:12].upper()) == (one,)
    assert (one.rows, one.state, one.batch) == (40, "taken", 1)
    for wrong in ("claims/" + FIRST, "nix.csv", "abc"):
        with pytest.raises(NotFoundError, match=r"the newest deliveries are .*policies-2023-02"):
            find_deliveries(known, wrong)


def test_what_came_of_a_file_and_of_one_that_was_refused(corrected: OwnLake) -> None:
    found = trace_file(corrected, CORRECTED)
    newest = table_versions(corrected, TRAINING_TABLE)[-1].version
    assert [item.id for item in found.items if item.kind == "gold"] == [f"{TRAINING_TABLE}@{newest}"]
    assert len([item for item in trace_file(corrected, FIRST).items if item.kind == "gold"]) == 2
    corrected.deliver("claims", "claims-2023-03.csv", "what is this?\n")
    corrected.ingest()
    refused = trace_file(corrected, "claims-2023-03.csv")
    assert [item.kind for item in refused.items] == ["file"]
    assert "was refused: lacks columns" in refused.gaps[0]


def test_of_a_file_delivered_again_the_last_is_shown_and_the_others_are_named(small: OwnLake) -> None:
    (first,) = find_deliveries(deliveries(small), "claims-2023-01.csv")
    small.deliver("claims", "claims-2023-01.csv", claims("2023-01", *[3.5] * 30))
    small.ingest()
    last = trace_file(small, "claims-2023-01.csv")
    assert last.item(last.subject).facts["batch"] == "2"
    assert f"was delivered 2 times; this is the last, the others are {first.sha256[:12]}" in last.gaps[0]
    assert trace_file(small, first.sha256[:12]).gaps == (), "by its checksum it is found alone"


def test_a_superseded_delivery_touches_only_the_versions_before(small: OwnLake) -> None:
    small.deliver("claims", "claims-2023-02.csv", claims("2023-01", *[3.5] * 30))
    small.ingest()
    (old,) = affected_by(small, "claims-2023-01.csv")
    (new,) = affected_by(small, "claims-2023-02.csv")
    assert len(old.gold_versions) == len(new.gold_versions) == 1 and old.gold_versions < new.gold_versions
    assert old.models == () and old.state == "taken"


def test_a_table_whose_last_files_have_no_log_is_not_found(small: OwnLake) -> None:
    shutil.rmtree(Path(small.table("silver/policies")))
    with pytest.raises(NotFoundError, match="there is no table silver/policies"):
        trace_table(small, "silver/policies", None)


def test_a_request_the_rules_answered_has_no_model_and_one_not_streamed_is_in_the_log(lake: OwnLake) -> None:
    log_file(lake, "a", [record("r1", key="2023-01-0001"), "broken r2\n", by_rules("r2", key="2023-01-0002")])
    found = trace_request(lake, "r2")
    assert [item.kind for item in found.items] == ["request"]
    assert found.item("request r2").facts["policy_id"] == "2023-01-0002"
    assert "no model was asked" in " ".join(found.gaps) and "not in the lake yet" in " ".join(found.gaps)
    assert "rules" not in found.item("request r2").facts, "an older gateway did not say"
    sha256 = code_sha256(lake.own_folder / "rules.py")
    log_file(lake, "b", [by_rules("r4", rules_sha256=sha256), by_rules("r5", rules_sha256="ab" * 32)])
    facts = {name: trace_request(lake, name).item(f"request {name}").facts for name in ("r4", "r5")}
    assert facts["r4"]["rules"] == f"rules.py, sha256 {sha256} (as it is now)"
    assert "changed since" in facts["r5"]["rules"]
    lost = trace_request(lake, "r1")
    assert [item.title for item in lost.nearest_sources()["request r1"]] == ["model version 7"]
    assert "the model that answered is not known any more: there is no ML Metadata" in " ".join(lost.gaps)
    with pytest.raises(NotFoundError, match="neither in silver/predictions nor in the request log"):
        trace_request(lake, "r3")
