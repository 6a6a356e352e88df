"""gold/decisions keeps every decision whole, once."""

from datetime import UTC, datetime

import pytest
from deltalake import DeltaTable

from lakehouse.gold.decisions import record_decision
from lakeloop.decision import Decision, ScoredCandidate
from lakeloop.decision_table import compared_versions, find_decision, read_decisions
from lakeloop.exceptions import NotFoundError
from lakeloop.gate_check import GateCheck
from tests.lakes import OwnLake


def decision(number: int, **changes: object) -> Decision:
    checks = (GateCheck(name="accuracy_eval", value=0.888, bound="> 0.85", passed=True),)
    failed = (GateCheck(name="share_low", value=0.41, bound="0.267 to 0.400", passed=False),)
    return Decision(
        decision_id=f"d{number}",
        use_case="insurance",
        at=datetime(2026, 1, number, 12, 30, tzinfo=UTC),
        clock=36,
        strategy="auto",
        trigger="ground_truth",
        event_ids=("3", "4"),
        champion="17",
        champion_score=0.82,
        champion_judged_on="month 12",
        champion_checks=failed,
        with_truth=True,
        judged_on="302 eval rows of month 12 (2024-01)",
        judged_version=5,
        judged_rows=302,
        drifted=("miles", "emergency_braking"),
        candidates=(
            ScoredCandidate(name="newest", what="trained on month 12", run_id="r1", score=0.9, checks=checks + failed),
            ScoredCandidate(name="all", what="trained on 0-12", run_id="r2", passed=True, score=0.88, checks=checks),
            ScoredCandidate(name="tune", what="tuned", error="the Trainer failed"),
        ),
        winner="all",
        version="18",
        outcome="promoted",
        reason="all passed",
        decided_by="somebody",
    ).model_copy(update=changes)


def test_a_decision_comes_back_whole_and_recording_it_again_replaces_it(lake: OwnLake) -> None:
    assert read_decisions(lake) == []
    with pytest.raises(NotFoundError, match="nothing was decided yet"):
        find_decision(lake)
    first, second = (
        decision(1),
        decision(2, effective_rows=235.6, judged_version=None, with_truth=False, champion_score=None),
    )
    record_decision(lake, second)
    record_decision(lake, first)
    assert read_decisions(lake) == [first, second]
    changed = decision(2, outcome="kept", decided_by="somebody else")
    record_decision(lake, changed)
    assert find_decision(lake) == changed
    assert find_decision(lake, "d1") == first
    assert compared_versions(lake) == {5}
    with pytest.raises(NotFoundError, match=r"no decision d3 .* newest are d2, d1"):
        find_decision(lake, "d3")
    rows = DeltaTable(lake.table("gold/decisions")).to_pyarrow_table().to_pylist()
    assert [row["winner"] for row in rows] == ["all", "all"]
    assert rows[0]["candidates"][0]["checks"][1]["bound"] == "0.267 to 0.400"


def test_a_table_of_an_older_release_is_read_and_gets_the_columns_it_lacks(
    lake: OwnLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("lakehouse.gold.decisions.LATER_COLUMNS", ())
        record_decision(lake, decision(1))
    assert "judged_version" not in DeltaTable(lake.table("gold/decisions")).to_pyarrow_table().column_names
    assert read_decisions(lake) == [decision(1, judged_version=None)]
    assert compared_versions(lake) == set()
    record_decision(lake, decision(2, changed_rows=7))
    assert read_decisions(lake) == [decision(1, judged_version=None), decision(2, changed_rows=7)]
