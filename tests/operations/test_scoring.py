"""A pushed model over a table: the same answers as row by row, with the gateway's own fallback."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lakehouse.lake import lake_with
from lakehouse.read.tables import read_table
from lakeloop.contract import Contract
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.fallback import Prediction, load_rules, model_answer, rules_answer, why_not_ask
from lakeloop.switches import add_switch, parse_segment, remove_switch
from lakeloop.use_case import UseCase, open_use_case
from operations.scoring import ScoreReport, score, score_wanted
from tests.lakes import OwnLake, own_lake

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
    switch = add_switch(UseCase(settings, contract), SEGMENT, "a test", "to see the reason")
    report = scored(lake, "silver/policies", 1, "1")
    remove_switch(open_use_case(settings), switch.id, "a test")
    assert (report.table, report.version, report.model, report.rows) == ("silver/policies", 1, "1", 3000)

    scores = lake.rows("gold/scores")
    rows = read_table(lake_with(open_use_case(settings), spark), "silver/policies", 1).toPandas()
    wanted = expected(lake, rows, open_use_case(settings).folder("models") / "1", switched_off=True)
    kinds = {answer.reason.partition(":")[0] for answer in wanted.values()}
    assert kinds == {"ok", "low confidence", "out of range", "segment switched off"}
    assert len(scores) == len(wanted) == 3000
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

    version = lake.versions()["gold/scores"]
    assert score_wanted(UseCase(settings, contract), "silver/policies", None, "1").done
    again = scored(lake, "silver/policies", None, "1")
    assert again.rows == 0 and lake.versions()["gold/scores"] == version
    other = scored(lake, "gold/training")
    assert (other.model, other.rows) == ("2", 1500)
    assert len(lake.rows("gold/scores")) == 4500


def test_a_table_without_the_features_typed_is_refused_with_what_is_missing(delivered: OwnLake) -> None:
    folder = delivered.folder("models") / "9"
    push_model(delivered.contract, folder)
    for table, text in [
        ("silver/claims", "lacks training, age"),
        ("bronze/policies", "training is string, not bigint"),
    ]:
        with pytest.raises(WrongUseError, match=text):
            score_wanted(delivered, table, None, "")
