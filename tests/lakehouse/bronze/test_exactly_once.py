"""Interrupted anywhere, an ingest loses nothing and doubles nothing."""

import multiprocessing
from pathlib import Path

import pandas as pd
import pytest

from lakehouse.bronze.append import land
from lakehouse.bronze.ledger import deliveries
from lakehouse.gold import build as gold
from lakehouse.silver import refine as silver
from lakehouse.storage.lock import only_one
from lakeloop.exceptions import BusyError, DiskFullError
from tests.lakes import HEADER, OwnLake, claims, policy

pytestmark = pytest.mark.long

STEPS = ["staged", "bronze appended", "deliveries appended"]


class Crash(BaseException):
    """Ends the work as a kill would: nothing catches it."""


def file(month: str, rows: int) -> str:
    return HEADER + "".join(policy(month, n) for n in range(rows))


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_after_any_step_of_landing_loses_and_doubles_nothing(lake: OwnLake, step: str) -> None:
    lake.deliver("policies", "policies-2023-01.csv", file("2023-01", 3))
    lake.deliver("policies", "policies-2023-02.csv", "wrong\n")

    def crash(name: str) -> None:
        if name == step:
            raise Crash

    with pytest.raises(Crash):
        land(lake, "policies", [], crash)
    before = deliveries(lake)
    report = land(lake, "policies", before)
    told = {r.file: r.state for r in [*before, *report.records]}
    assert told == {"policies-2023-01.csv": "taken", "policies-2023-02.csv": "refused"}
    assert sorted(lake.rows("bronze/policies")["policy_id"]) == ["2023-01-0000", "2023-01-0001", "2023-01-0002"]
    assert sorted(lake.rows("bronze/deliveries")["file"]) == ["policies-2023-01.csv", "policies-2023-02.csv"]


def test_files_that_come_after_a_crash_make_a_batch_of_their_own(lake: OwnLake) -> None:
    def crash(name: str) -> None:
        if name == "bronze appended":
            raise Crash

    lake.deliver("policies", "policies-2023-01.csv", file("2023-01", 3))
    with pytest.raises(Crash):
        land(lake, "policies", [], crash)
    lake.deliver("policies", "policies-2023-02.csv", file("2023-02", 2))
    land(lake, "policies", [])
    bronze = lake.rows("bronze/policies")
    assert bronze.groupby("_batch").size().to_dict() == {1: 3, 2: 2}
    assert sorted(bronze["_delivery"].unique()) == [1, 2]


def test_a_crash_between_silver_and_its_progress_or_before_gold_s_progress_doubles_nothing(
    lake: OwnLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.deliver("policies", "policies-2023-01.csv", file("2023-01", 3) + policy("2023-01", 3, {"age": "999"}))
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", 4, 2, 0))
    write = silver._write

    def crash_after(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        raise RuntimeError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(silver, "_write", crash_after)
        with pytest.raises(Exception, match="crash"):
            lake.ingest()
    with monkeypatch.context() as patch:
        patch.setattr(gold, "write_json", crash_after_write)
        with pytest.raises(Crash):
            lake.ingest()
    lake.ingest()
    assert len(lake.rows("silver/policies")) == 3
    assert len(lake.rows("silver/rejects")) == 1
    training = lake.rows("gold/training").set_index("policy_id")
    assert training["group_name"].to_dict() == {
        "2023-01-0000": "high", "2023-01-0001": "medium", "2023-01-0002": "low"
    }  # fmt: skip
    assert lake.rows("gold/monthly")["labelled"].tolist() == [3]


def crash_after_write(*_: object) -> None:
    raise Crash


def test_silver_s_lost_progress_only_costs_work(lake: OwnLake) -> None:
    lake.deliver("policies", "policies-2023-01.csv", file("2023-01", 2) + "broken\n")
    lake.deliver("policies", "policies-2023-01.v2.csv", HEADER + policy("2023-01", 1, {"age": "50"}))
    lake.ingest()
    rows, rejected = lake.rows("silver/policies"), lake.rows("silver/rejects")
    (lake.settings.home / "lake" / "_work" / "insurance" / "policies" / "silver.json").unlink()
    report = lake.ingest()
    pd.testing.assert_frame_equal(lake.rows("silver/policies").sort_values("policy_id"), rows.sort_values("policy_id"))
    assert len(lake.rows("silver/rejects")) == len(rejected) == 1
    assert not report.changed


def hold(path: Path, held: "multiprocessing.synchronize.Event", done: "multiprocessing.synchronize.Event") -> None:
    with only_one(path):
        held.set()
        done.wait(400)


def test_a_second_ingest_on_the_same_home_is_refused_with_the_first_one_s_process(lake: OwnLake) -> None:
    context = multiprocessing.get_context("fork")
    held, done = context.Event(), context.Event()
    path = lake.settings.home / "lake" / "_work" / "insurance" / "ingest.lock"
    other = context.Process(target=hold, args=(path, held, done))
    other.start()
    try:
        assert held.wait(240)
        with pytest.raises(BusyError, match=f"another ingest is running on this home .process {other.pid}."):
            lake.ingest()
    finally:
        done.set()
        other.join(240)
    lake.ingest()


def test_a_full_disk_is_one_sentence_and_the_next_ingest_goes_on(
    lake: OwnLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.deliver("policies", "policies-2023-01.csv", file("2023-01", 2))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lakehouse.bronze.parts.LineParts.write", full)
        with pytest.raises(DiskFullError, match="the disk is full"):
            lake.ingest()
    lake.ingest()
    assert len(lake.rows("silver/policies")) == 2
