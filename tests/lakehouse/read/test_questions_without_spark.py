"""What people ask all day is answered without Spark, and from tables that Spark of an older release made."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.gold.decisions import record_decision
from lakehouse.gold.drift import write_drift
from lakehouse.gold.labelled import changed_rows
from lakehouse.read.window import newest_requests
from lakehouse.requests.stream import stream
from lakehouse.storage.schema import create_table
from lakeloop.decision_table import read_decisions
from lakeloop.drift_report import ColumnDrift
from lakeloop.drift_store import lake_reports
from tests.lakehouse.gold.test_decisions import decision
from tests.lakehouse.request_log import log_file, record
from tests.lakes import OwnLake, claims, own_lake

QUESTIONS = [
    ["lake", "tables"],
    ["lake", "history", "training"],
    ["lake", "show", "gold/training", "--version", "1"],
    ["lake", "show", "decisions", "--csv"],
    ["drift"],
    ["drift", "--by-requests"],
    ["performance"],
    ["decisions", "list"],
    ["features", "list"],
    ["features", "show", "miles"],
    ["validate", "--period", "7"],
]
ASK = f"""
import json, sys
from typer.testing import CliRunner
from console.cli.app import app
told = [CliRunner().invoke(app, question).output for question in {QUESTIONS!r}]
heavy = {{"pyspark", "py4j", "tensorflow", "tfx", "apache_beam", "sklearn", "plotly", "evidently"}}
print(json.dumps([told, sorted(heavy & set(sys.modules))]))
"""


@pytest.fixture(scope="module")
def asked_home(spark: SparkSession, small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with two answered requests, and a decision on record."""
    lake = own_lake(spark, Path(shutil.copytree(small_home, tmp_path_factory.mktemp("asked") / "home")))
    log_file(lake, "w-1", [record("a", "2023-01-0001"), record("b", "2023-01-0002", at="2023-03-09T10:00:00+00:00")])
    stream(lake)
    lake.ingest()
    record_decision(lake, decision(1))
    return lake.settings.home


@pytest.fixture
def asked(spark: SparkSession, asked_home: Path, tmp_path: Path) -> OwnLake:
    """A copy of it."""
    return own_lake(spark, Path(shutil.copytree(asked_home, tmp_path / "asked")))


def test_questions_are_answered_without_spark_and_import_nothing_heavy(
    asked: OwnLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKELOOP_HOME", str(asked.settings.home))
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True, timeout=300)
    told, heavy = json.loads(done.stdout.splitlines()[-1])
    assert heavy == []
    tables, history, training, decisions, drift, by_requests, performance, decided, features, feature, month = told
    rows = {line.split()[0]: line.split()[1] for line in tables.splitlines()}
    assert (rows["gold/training"], rows["silver/predictions"], rows["gold/decisions"]) == ("30", "2", "1")
    assert "WRITE" in history and "20 of 30 rows" in training
    assert '""name"": ""accuracy_eval""' in decisions
    assert "2023-03 2 7 no reference" in " ".join(drift.split()) and "windows measured now" in by_requests
    assert "version 7 cannot be calibrated" in performance and "d1" in decided
    assert "miles" in features and "first answered" in feature
    assert month == ""  # an error, which `main` tells


def test_the_newest_requests_are_the_last_by_event_time_then_by_id(asked: OwnLake) -> None:
    log_file(
        asked, "w-2", [record(name, features={"age": age}) for name, age in (("c", 43.0), ("d", 44.0), ("e", 45.0))]
    )
    stream(asked)
    newest = newest_requests(asked, 3)
    assert newest["age"].tolist() == [44.0, 45.0, 41.5]  # d, e: of the moment that a, c, d and e share; then b
    assert len(newest_requests(asked, 99)) == 5
    assert newest_requests(asked, 5)["age"].tolist() == [41.5, 43.0, 44.0, 45.0, 41.5]


def test_rows_that_versions_share_or_only_moved_are_not_counted_as_changed(small: OwnLake) -> None:
    small.deliver("claims", "claims-2023-01.v2.csv", claims("2023-01", *[2.0] * 28, 4.0, 4.0, 4.0, 4.0))
    small.ingest()  # 2 corrected, 2 added
    of = (small, (0, 0))
    assert changed_rows(*of, 1, 2) == 4 and changed_rows(*of, 2, 1) == 4 and changed_rows(*of, 2, 2) == 0
    assert changed_rows(small, (1, 5), 1, 2) == 0


OLD_DRIFT = """
    model_version string NOT NULL, kind string NOT NULL, month string NOT NULL, first string NOT NULL,
    last string NOT NULL, rows bigint NOT NULL, column_kind string NOT NULL, column string NOT NULL,
    test string NOT NULL, score double, threshold double, drifted boolean NOT NULL, note string NOT NULL,
    state string NOT NULL, reason string NOT NULL, drifted_columns int NOT NULL, columns int NOT NULL,
    sampled_rows bigint, standard_error double, judged_from string NOT NULL
"""
OLD_CHECKS = "array<struct<name: string, value: double, bound: string, passed: boolean>>"
OLD_DECISIONS = f"""
    decision_id string NOT NULL, use_case string NOT NULL, at timestamp NOT NULL, clock int NOT NULL,
    strategy string NOT NULL, `trigger` string NOT NULL, event_ids array<string> NOT NULL, champion string NOT NULL,
    champion_score double, champion_judged_on string NOT NULL, champion_checks {OLD_CHECKS} NOT NULL,
    with_truth boolean NOT NULL, judged_on string NOT NULL, judged_rows bigint NOT NULL, effective_rows double,
    drifted array<string> NOT NULL, candidates array<struct<name: string, what: string, run_id: string,
    passed: boolean, score: double, error: string, checks: {OLD_CHECKS}>> NOT NULL, winner string NOT NULL,
    version string NOT NULL, outcome string NOT NULL, reason string NOT NULL, decided_by string NOT NULL
"""
OLD_DECISION = """
    'd0', 'insurance', timestamp '2025-01-01T00:00:00Z', 0, 'auto', 'by hand', array('3'), '', NULL, '', {checks}, true,
    '', 5, NULL, array(), array(named_struct('name', 'all', 'what', 'x', 'run_id', 'r', 'passed', true, 'score', 0.5D,
    'error', '', 'checks', {checks})), '', '', 'kept', 'why', 'somebody'
"""


AGE = ColumnDrift(column="age", test="ks", score=None, threshold=0.05, drifted=False, note="it's not known")


def spark_count(lake: OwnLake, table: str) -> int:
    return lake.spark.read.format("delta").load(lake.table(table)).count()


def test_decisions_and_drift_of_tables_that_spark_made_are_read_and_written_on(lake: OwnLake) -> None:
    create_table(lake.spark, lake.table("gold/decisions"), OLD_DECISIONS, comment="old")
    create_table(lake.spark, lake.table("gold/drift"), OLD_DRIFT, comment="old")
    checks = "array(named_struct('name', 'accuracy_eval', 'value', 0.888D, 'bound', '> 0.85', 'passed', true))"
    row = OLD_DECISION.format(checks=checks)
    lake.spark.sql(f"INSERT INTO delta.`{lake.table('gold/decisions')}` SELECT {row}")
    lake.spark.sql(
        f"INSERT INTO delta.`{lake.table('gold/drift')}` VALUES ('7', 'month', '2023-02', 'a', 'b', 5, 'dataset', "
        "'dataset', 't', 0.5D, 0.5D, true, '', 'drift', '', 3, 6, NULL, NULL, 'old')"
    )
    record_decision(lake, decision(1))
    old, new = read_decisions(lake)
    assert (old.at, old.candidates[0].checks[0].bound) == (datetime(2025, 1, 1, tzinfo=UTC), "> 0.85")
    assert new == decision(1) and spark_count(lake, "gold/decisions") == 2
    (known,) = lake_reports(lake)
    assert (known.window.rows, known.dataset_drift, known.sampled_rows) == (5, True, None)
    window = known.window.model_copy(update={"period": "2023-03"})
    later = known.model_copy(update={"window": window, "reason": "it's later", "state": "too few rows"})
    write_drift(lake, [known, later], "month")
    assert sorted(lake.rows("gold/drift")["reason"]) == ["", "it's later"] and spark_count(lake, "gold/drift") == 2
    again = known.model_copy(update={"judged_from": "new", "features": (AGE,)})
    write_drift(lake, [again, later], "month")
    assert spark_count(lake, "gold/drift") == 3


def test_nothing_is_written_where_nothing_differs(lake: OwnLake) -> None:
    record_decision(lake, decision(1))
    before = lake.versions()
    record_decision(lake, decision(1))
    assert lake.versions() == before
