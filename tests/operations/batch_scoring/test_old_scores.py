"""Scores that a newer scoring took the place of go after a while, rows and file; what may be asked for stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lakehouse.storage.layout import SCORES
from lakehouse.storage.lock import only_one
from lakeloop.exceptions import BusyError
from lakeloop.use_case import UseCase
from operations.batch_scoring.old_scores import not_current, remove_old_scores
from operations.batch_scoring.progress import Wanted, how_far
from operations.batch_scoring.records import ScoringRecord, finish, record_path, scoring_records
from operations.batch_scoring.score import SCORE_LOCK, _note
from operations.lineage.score_side import _scorings
from tests.operations.batch_scoring.test_records import case_of, write

NOW = datetime.now(UTC)


def record(name: str, hours_ago: float, table: str = "silver/some", model: str = "7", **more: str) -> ScoringRecord:
    ended = (NOW - timedelta(hours=hours_ago)).isoformat()
    values = {"scoring": name, "table": table, "version": 1, "model": model, "ended": ended}
    return ScoringRecord.model_validate(
        {"switched_off": "", "rows": 3, "answered_by": {}, "reasons": {}} | values | more
    )


@pytest.mark.parametrize(
    ("records", "champion", "old"),
    [
        ([record("a", 900), record("b", 300)], "", ["a"]),
        ([record("a", 900), record("b", 100)], "", []),  # current until 100 hours ago
        ([record("a", 900), record("b", 800), record("c", 1)], "", ["a"]),
        ([record("a", 900), record("b", 800, table="gold/training")], "", []),  # each table's newest
        ([record("a", 900, model="5"), record("b", 800, model="6")], "5", []),  # rolled back to 5
        ([record("x", 990, model="5"), record("a", 900, model="5"), record("b", 800, model="6")], "5", ["x"]),
        ([record("a", 900, removed="2026-01-01T00:00:00+00:00"), record("b", 300)], "", []),
    ],
)
def test_what_was_followed_by_another_one_long_ago_is_old(
    records: list[ScoringRecord], champion: str, old: list[str]
) -> None:
    assert [one.scoring for one in not_current(records, champion, NOW - timedelta(hours=168))] == old


def scored(case: UseCase, name: str, version: int, hours_ago: float) -> ScoringRecord:
    """A scoring of three rows with its file, that ended so long ago."""
    wanted = Wanted("silver/some", version, Path("/models/7"), (), 3, scoring=name)
    write(case, name, "", version=version, note=_note(case, wanted))
    found, _ = finish(case, how_far(case, wanted), "csv")
    ended = (NOW - timedelta(hours=hours_ago)).isoformat()
    record_path(case, name).write_text(found.model_copy(update={"ended": ended}).model_dump_json())
    return found


def test_old_scores_go_with_their_file_and_the_record_says_so(tmp_path: Path) -> None:
    case = case_of("insurance", tmp_path)
    files = [Path(scored(case, name, n, ago).file) for n, (name, ago) in enumerate([("a", 900), ("b", 300), ("c", 2)])]
    write(case, "begun", "", version=9)  # not whole yet, so without a record
    with only_one(case.work_folder / SCORE_LOCK, "scoring"), pytest.raises(BusyError, match="another scoring"):
        remove_old_scores(case)
    assert [one.scoring for one in remove_old_scores(case)] == ["a"]
    assert [path.exists() for path in files] == [False, True, True]
    left = DeltaTable(case.table(SCORES)).to_pandas()
    assert left["scoring"].value_counts().to_dict() == {"b": 3, "c": 3, "begun": 3}
    assert {one.scoring: bool(one.removed) for one in scoring_records(case)} == {"a": True, "b": False, "c": False}
    assert remove_old_scores(case) == []
    assert {one["scoring"]: one["removed"] for one in _scorings(case, DeltaTable(case.table(SCORES)).version())} == {
        "a": True, "b": False, "c": False,
    }  # fmt: skip
    assert not any(one["removed"] for one in _scorings(case, 3)), "an earlier version has all of them"
