"""A pushed model over a table: the same answers as row by row, with the gateway's own fallback; killed and gone on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable, write_deltalake

from lakehouse.lake import lake_with
from lakehouse.read.tables import read_table
from lakehouse.storage.layout import SCORES
from lakehouse.storage.merge import append
from lakeloop.contract import Contract
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.fallback import Prediction, load_rules, model_answer, rules_answer, why_not_ask
from lakeloop.switches import add_switch, parse_segment, remove_switch
from lakeloop.use_case import UseCase, open_use_case
from operations.batch_scoring.old_scores import remove_old_scores
from operations.batch_scoring.progress import ScoreReport, score_wanted
from operations.batch_scoring.records import finish, record_path
from operations.batch_scoring.score import _named, _numbered, _parts, _take_over, score
from operations.lineage.graph import LineageDraft
from operations.lineage.score_side import add_scores_of
from operations.lineage.trace import trace_table
from tests.lakes import OwnLake, own_lake
from tests.waiting import eventually

pytestmark = pytest.mark.long
SEGMENT = "age < 20 and training == 1"


def push_model(contract: Contract, folder: Path) -> None:
    """A linear model with the signatures of a trained one, unsure about some rows."""
    import tensorflow as tf

    names = list(contract.features)
    weights = tf.constant(np.random.default_rng(4).normal(0, 1, (len(names), 3)).astype(np.float32))
    scale = tf.constant([1.0, 40.0, 1.0, 40.0, 120.0, 60.0], tf.float32)

    class Linear(tf.Module):
        def probabilities(self, columns: dict) -> dict:
            stacked = tf.stack([tf.cast(columns[name], tf.float32) for name in names], axis=1) / scale
            return {"probabilities": tf.nn.softmax(tf.matmul(stacked, weights))}

    module = Linear()
    types = {"float": tf.float32, "int": tf.int64}
    columns = {n: tf.TensorSpec([None], types[f.type], name=n) for n, f in contract.features.items()}
    serve = tf.function(lambda **given: module.probabilities(given)).get_concrete_function(**columns)
    parse = {n: tf.io.FixedLenFeature([], types[f.type]) for n, f in contract.features.items()}
    examples = tf.function(lambda examples: module.probabilities(tf.io.parse_example(examples, parse)))
    spec = tf.TensorSpec([None], tf.string, name="examples")
    tf.saved_model.save(
        module,
        str(folder),
        signatures={"serving_default": serve, "serve_examples": examples.get_concrete_function(spec)},
    )


@pytest.fixture(scope="module")
def delivered(reference: OwnLake, tmp_path_factory: pytest.TempPathFactory) -> OwnLake:
    """Month 0 with its claims and month 1 without, to push models into."""
    home = tmp_path_factory.mktemp("scoring") / "home"
    return own_lake(reference.spark, Path(shutil.copytree(reference.settings.home, home)))


def scored(lake: OwnLake, table: str, version: int | None = None, model: str = "") -> ScoreReport:
    wanted = score_wanted(lake, table, version, model)
    return score(lake, wanted)


def score_of_before(lake: OwnLake) -> None:
    """gold/scores with one row, as an older release made it."""
    row = {
        "policy_id": "old", "table": "gold/training", "version": 0, "model": "1", "prediction": "low", "class_id": 2,
        "probabilities": None, "predictor_type": "rules", "reason": "model switched off", "model_version": None,
        "scored_at": pd.Timestamp("2026-01-01", tz="UTC"),
    }  # fmt: skip
    import pyarrow as pa

    types = {"class_id": pa.int32(), "probabilities": pa.map_(pa.string(), pa.float64()), "model_version": pa.string()}
    columns = {name: pa.array([value], types.get(name)) for name, value in row.items()}
    write_deltalake(lake.table(SCORES), pa.table(columns))


def expected(lake: OwnLake, rows: pd.DataFrame, folder: Path, switched_off: bool) -> dict[str, Prediction]:
    """Each row answered by itself, as the gateway does."""
    from tfx_pipeline.evaluation.prediction import ask_columns, load_saved_model

    contract, model = lake.contract, load_saved_model(folder)
    rules = load_rules(lake)
    assert rules is not None
    segments = (parse_segment(contract, SEGMENT),) if switched_off else ()
    answers = {}
    for row in rows.to_dict("records"):
        features = {name: row[name] for name in contract.features}
        reason = why_not_ask(contract, features, segments)
        if reason:
            answers[row["policy_id"]] = rules_answer(contract, rules, features, reason)
            continue
        columns = {
            n: np.array([features[n]], np.float32 if f.type == "float" else np.int64)
            for n, f in contract.features.items()
        }
        probabilities = [float(p) for p in ask_columns(model, columns)["probabilities"][0]]
        answers[row["policy_id"]] = model_answer(contract, rules, features, probabilities)
    return answers


def test_scores_equal_the_answers_row_by_row_and_are_given_once(delivered: OwnLake) -> None:
    lake = delivered
    spark, contract, settings = lake.spark, lake.contract, lake.settings
    with pytest.raises(NotFoundError, match="no model of insurance was pushed yet"):
        scored(lake, "gold/training")
    for version in ("1", "2"):
        push_model(contract, open_use_case(settings).folder("models") / version)
    score_of_before(lake)
    switch = add_switch(UseCase(settings, contract), SEGMENT, "a test", "to see the reason")
    report = scored(lake, "silver/policies", 1, "1")
    assert (report.wanted.table, report.wanted.version, report.wanted.model) == ("silver/policies", 1, "1")
    assert report.rows == report.added == 3000

    rows = read_table(lake_with(open_use_case(settings), spark), "silver/policies", 1).toPandas()
    wanted = expected(lake, rows, open_use_case(settings).folder("models") / "1", switched_off=True)
    kinds = {answer.reason.partition(":")[0] for answer in wanted.values()}
    assert kinds == {"ok", "low confidence", "out of range", "segment switched off"}
    scores = lake.rows(SCORES).query("policy_id != 'old'")
    assert len(scores) == len(wanted) == 3000
    assert set(scores["scoring"]) == {report.wanted.scoring} and set(scores["switched_off"]) == {SEGMENT}
    check(scores, wanted, contract)

    version = lake.versions()[SCORES]
    assert score_wanted(lake, "silver/policies", None, "1").done
    again = scored(lake, "silver/policies", None, "1")
    assert again.added == 0 and again.rows == 3000 and lake.versions()[SCORES] == version
    other = scored(lake, "gold/training")
    assert (other.wanted.model, other.rows) == ("2", 1500)
    assert len(lake.rows(SCORES)) == 4501

    remove_switch(open_use_case(settings), switch.id, "a test")
    changed = score_wanted(lake, "silver/policies", 1, "1")
    assert not changed.done and (changed.others, changed.scored) == (3000, 0)
    report = scored(lake, "silver/policies", 1, "1")
    scores = lake.rows(SCORES).query("table == 'silver/policies'")
    assert len(lake.rows(SCORES)) == 4501 and set(scores["scoring"]) == {report.wanted.scoring}
    check(scores, expected(lake, rows, report.wanted.folder, switched_off=False), contract)


def check(scores: pd.DataFrame, wanted: dict[str, Prediction], contract: Contract) -> None:
    """That each row has the answer wanted of its key, with its reason and who gave it."""
    for row in scores.to_dict("records"):
        answer = wanted[row["policy_id"]]
        assert (row["prediction"], row["class_id"], row["predictor_type"]) == (
            answer.prediction, answer.class_id, answer.predictor_type
        )  # fmt: skip
        assert row["reason"] == answer.reason
        assert row["model_version"] == (None if answer.probabilities is None else "1")
        if answer.probabilities is None:
            assert row["probabilities"] is None
        else:
            given = dict(row["probabilities"])
            assert [given[name] for name in contract.label.class_names] == pytest.approx(answer.probabilities, abs=1e-6)


def test_a_killed_run_is_gone_on_with_and_no_row_is_there_twice(delivered: OwnLake, tmp_path: Path) -> None:
    lake = delivered
    push_model(lake.contract, lake.folder("models") / "5")
    environment = {
        **os.environ, "LAKELOOP_HOME": str(lake.settings.home.absolute()), "LAKELOOP_SPARK_KEEP_SECONDS": "0",
        "LAKELOOP_AIRFLOW_RUN_ID": "a_run", "LAKELOOP_AIRFLOW_DAG_ID": "insurance_score",
    }  # fmt: skip
    command = [sys.executable, "-m", "console.cli", "score", "gold/training", "--model", "5", "--part", "40"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        eventually(lambda: process.poll() is not None or scores_of(lake, "5") >= 80, seconds=900)
        assert process.poll() is None, (tmp_path / "log").read_text()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    killed = score_wanted(lake, "gold/training", None, "5")
    assert 80 <= killed.scored < 1500 and not killed.done, (tmp_path / "log").read_text()

    report = score(lake, killed, rows_a_part=1000)
    assert report.added == 1500 - killed.scored and report.rows == 1500
    scores = lake.rows(SCORES).query("model == '5'")
    assert len(scores) == scores["policy_id"].nunique() == 1500
    assert set(scores["policy_id"]) == set(lake.rows("gold/training")["policy_id"])
    assert set(scores["scoring"]) == {killed.scoring} == {report.wanted.scoring}

    record, new = finish(lake, report.wanted, "csv")
    assert new and record.rows == 1500 and len(pd.read_csv(record.file)) == 1500
    back, draft = trace_table(lake, SCORES, None), LineageDraft()
    item = back.item(f"scoring {killed.scoring}")
    assert item.facts["rows"] == "1,500" and "not scored yet" not in item.facts
    sources = {link.source for link in back.links if link.target == item.id}
    assert sources == {f"gold/training@{killed.version}", "version 5"}
    assert item.facts["Airflow run"] == "a_run"
    version = draft.add("version", "version 5")
    add_scores_of(draft, lake, "5")
    assert draft.finish(version).nearest_targets()[version] == (item,)

    newer = record.model_copy(update={"scoring": "newer", "ended": datetime.now(UTC).isoformat()})
    record_path(lake, "newer").write_text(newer.model_dump_json())
    assert record.scoring in [one.scoring for one in remove_old_scores(lake, hours=0)]
    assert lake.rows(SCORES).query("model == '5'").empty and not Path(record.file).exists()
    assert f"scoring {killed.scoring}" not in {one.id for one in trace_table(lake, SCORES, None).items}


def test_the_part_that_a_killed_run_was_at_does_not_come_after_all(delivered: OwnLake, tmp_path: Path) -> None:
    lake = delivered
    push_model(lake.contract, lake.folder("models") / "8")
    killed = _named(score_wanted(lake, "gold/training", None, "8"))
    number, goes_on = _take_over(lake, killed), tmp_path / "goes on"
    part = _parts(lake, killed, 800)[0].coalesce(1)

    def slowly(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        while not goes_on.exists():
            time.sleep(0.05)
        yield from batches

    late = part.mapInPandas(slowly, part.schema)
    with ThreadPoolExecutor() as pool:
        came = pool.submit(append, lake.table(SCORES), late, **_numbered(killed, number + 1))
        eventually(lambda: lake.spark.sparkContext.statusTracker().getActiveJobsIds())
        report = score(lake, score_wanted(lake, "gold/training", None, "8"), rows_a_part=800)
        goes_on.touch()
        with pytest.raises(Exception, match=r"(?i)concurrent"):
            came.result()
    assert report.rows == 1500
    scores = lake.rows(SCORES).query("model == '8'")
    assert len(scores) == scores["policy_id"].nunique() == 1500


def test_what_is_switched_off_while_rows_are_scored_is_answered_by_the_rules_in_all_of_them(
    delivered: OwnLake,
) -> None:
    lake = delivered
    push_model(lake.contract, lake.folder("models") / "6")
    case = open_use_case(lake.settings)
    switches, told = [], []

    def switch_off_after_the_first_part(done: int, of: int) -> None:
        told.append(done)
        if 0 < done < of and not switches:
            switches.append(add_switch(case, SEGMENT, "a test", "weak there").id)

    begun = score_wanted(lake, "gold/training", None, "6")
    report = score(lake, begun, rows_a_part=800, progress=switch_off_after_the_first_part)
    remove_switch(case, switches[0], "a test")
    assert told[0] == 0 < told[1] < 1500 and told[2] == 0 and told[-1] == 1500  # begun anew
    assert (begun.off, report.wanted.off, report.added, report.rows) == ("", SEGMENT, 1500, 1500)
    scores = lake.rows(SCORES).query("model == '6'")
    assert len(scores) == scores["policy_id"].nunique() == 1500 and set(scores["switched_off"]) == {SEGMENT}
    inside = read_table(lake, "gold/training", begun.version).toPandas().query(SEGMENT)["policy_id"]
    answered = scores.set_index("policy_id").loc[list(inside)]
    assert set(answered["predictor_type"]) == {"rules"}
    assert f"segment switched off: {SEGMENT}" in set(answered["reason"])


def scores_of(lake: OwnLake, model: str) -> int:
    """Rows in gold/scores by a model."""
    if not DeltaTable.is_deltatable(lake.table(SCORES)):
        return 0
    return int((DeltaTable(lake.table(SCORES)).to_pandas(columns=["model"])["model"] == model).sum())


def test_a_table_without_the_features_typed_is_refused_with_what_is_missing(delivered: OwnLake) -> None:
    folder = delivered.folder("models") / "9"
    push_model(delivered.contract, folder)
    for table, text in [
        ("silver/claims", "lacks training, age"),
        ("bronze/policies", "training is string, not bigint"),
    ]:
        with pytest.raises(WrongUseError, match=text):
            score_wanted(delivered, table, None, "")
