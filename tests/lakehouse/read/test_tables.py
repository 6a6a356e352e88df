import json
import shutil
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakehouse.gold.export import export
from lakehouse.ingest import bronze_step, gold_step, silver_step
from lakehouse.read.tables import first_rows, history, list_tables, open_table, read_table
from lakehouse.storage.lock import tables_held
from lakehouse.storage.maintenance import Vacuumed, exported_versions, optimize, trained_versions, vacuum
from lakeloop.exceptions import NotFoundError
from lakeloop.model_card import CARD_FILE
from tests.lakes import HEADER, OwnLake, claims, policy


def test_every_table_is_listed_with_rows_version_size_and_time(reference: OwnLake) -> None:
    tables = {t.full_name: t for t in list_tables(reference)}
    assert {name: t.version for name, t in tables.items()} == reference.versions()
    assert {name: t.rows for name, t in tables.items()} == {name: len(reference.rows(name)) for name in tables}
    assert all(t.bytes > 0 for t in tables.values())
    assert abs(datetime.now(UTC) - tables["gold/training"].changed) < timedelta(hours=1)


def test_a_table_is_read_by_its_name_or_its_full_name_at_any_version(reference: OwnLake) -> None:
    for name in ("training", "gold/training"):
        assert read_table(reference, name).count() == 1500
    assert read_table(reference, "training", version=0).count() == 0


def test_unknown_names_and_versions_say_what_there_is(reference: OwnLake) -> None:
    with pytest.raises(
        NotFoundError, match="`policies` is the name of several tables; write bronze/policies or silver/policies"
    ):
        read_table(reference, "policies")
    with pytest.raises(
        NotFoundError,
        match=r"there is no table `nothing` in use case insurance; tables: bronze/claims, .*gold/training",
    ):
        read_table(reference, "nothing")
    with pytest.raises(NotFoundError, match="no row of use case insurance was rejected so far"):
        read_table(reference, "rejects")
    with pytest.raises(NotFoundError, match="there is no table `silver/training`"):
        read_table(reference, "silver/training")
    with pytest.raises(NotFoundError, match="gold/training has no version 9; it has 0 to 1"):
        read_table(reference, "training", version=9)


def test_an_empty_lake_says_how_to_fill_it(lake: OwnLake) -> None:
    assert list_tables(lake) == []
    with pytest.raises(NotFoundError, match="there are no tables yet, `lakeloop lake ingest` makes them"):
        history(lake, "training")


def test_rows_are_counted_without_those_that_deletion_vectors_remove(small: OwnLake) -> None:
    path = small.table("gold/training")
    small.spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('delta.enableDeletionVectors' = true)")
    small.spark.sql(f"DELETE FROM delta.`{path}` WHERE policy_id < '2023-01-0012'")
    rows = {table.full_name: table.rows for table in list_tables(small)}
    assert rows["gold/training"] == 18 == read_table(small, "training").count()
    assert first_rows(open_table(small, "training"), 100)["policy_id"].to_pylist() == [
        f"2023-01-{number:04d}" for number in range(12, 30)
    ]


def test_rows_of_files_without_statistics_are_counted_in_the_files(small: OwnLake) -> None:
    log = Path(small.table("gold/training")) / "_delta_log" / f"{1:020d}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        action.get("add", {}).pop("stats", None)
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))
    assert {table.full_name: table.rows for table in list_tables(small)}["gold/training"] == 30


def test_history_tells_each_version_newest_first(reference: OwnLake) -> None:
    commits = history(reference, "training")
    assert [(c.version, c.operation) for c in commits] == [(1, "WRITE"), (0, "CREATE TABLE")]
    assert commits[0].rows["numOutputRows"] == 1500
    assert [c.version for c in history(reference, "training", limit=1)] == [1]


def test_optimize_and_vacuum_change_no_row_and_keep_versions_readable_that_a_model_needs(small: OwnLake) -> None:
    export(small, version=1)
    assert exported_versions(small) == {1}
    small.deliver("policies", "policies-2023-02.csv", HEADER + policy("2023-02", 0))
    small.deliver("claims", "claims-2023-01.v2.csv", claims("2023-01", *[4.0] * 31))
    small.ingest()
    before = small.rows("gold/training").sort_values("policy_id", ignore_index=True)
    files = len(list(Path(small.table("silver/policies")).glob("*.parquet")))

    assert optimize(small)["silver/policies"] == (2, 1)
    assert not small.ingest().changed  # now gold is made from what was optimized
    (Path(small.table("gold/training")) / "part-being-written.parquet").touch()
    assert {t.removed for t in vacuum(small).values()} == {0}  # all of it is younger than a week
    done = vacuum(small, hours=0)["gold/training"]
    assert done.kept_versions == (1,) and done.removed >= 1  # the one that nobody wrote on

    assert len(list(Path(small.table("silver/policies")).glob("*.parquet"))) < files
    assert read_table(small, "training", version=1).toPandas()["risk"].eq(2.0).sum() == 30
    assert small.rows("gold/training").sort_values("policy_id", ignore_index=True).equals(before)
    assert not small.ingest().changed

    shutil.rmtree(small.folder("export"))  # what a model was trained on stays even without its export
    card = small.folder("models") / "1700000000.rolled-back" / CARD_FILE
    card.parent.mkdir(parents=True)
    card.write_text(json.dumps({"stamps": {"delta_table": "gold/training", "delta_version": "1"}}))
    assert trained_versions(small) == {1}
    assert vacuum(small, hours=0)["gold/training"] == Vacuumed(removed=0, kept_versions=(1,))
    assert read_table(small, "training", version=1).toPandas()["risk"].eq(2.0).sum() == 30
    shutil.rmtree(small.folder("models"))
    kept = vacuum(small, hours=0, referred={1, 99})["gold/training"]  # a decision's candidate
    assert kept == Vacuumed(removed=0, kept_versions=(1,))
    gone = vacuum(small, hours=0)["gold/training"]
    assert gone.removed >= 1 and gone.kept_versions == ()


def test_optimize_and_vacuum_wait_for_whoever_writes_tables(small: OwnLake) -> None:
    with ThreadPoolExecutor(2) as pool:
        with tables_held(small):
            both: list[Future[object]] = [
                pool.submit(vacuum, small, 0),
                pool.submit(optimize, small),
            ]
            assert not wait(both, timeout=2).done
        assert all(future.result(timeout=400) for future in both)


@pytest.mark.long
def test_silver_and_gold_follow_what_was_compacted_and_vacuumed_before_they_read_it(small: OwnLake) -> None:
    small.deliver("policies", "policies-2023-02.csv", HEADER + policy("2023-02", 0))
    small.deliver("claims", "claims-2023-01.v2.csv", claims("2023-01", *[4.0] * 31))
    bronze_step(small)
    optimize(small)
    assert vacuum(small, hours=0)["bronze/policies"].removed
    assert sum(source.silver_inserted for source in silver_step(small).sources) == 2
    optimize(small)
    assert vacuum(small, hours=0)["silver/claims"].removed
    gold = gold_step(small).gold
    assert (gold.added, gold.updated) == (1, 30)
    assert len(small.rows("gold/training")) == 31
