"""What a model looks at: a feature that it needs is worth something, one that it cannot use is worth nothing."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from lakeloop.contract import Contract, Gate
from lakeloop.exceptions import NotFoundError
from lakeloop.use_case import UseCase
from operations.permutation_importance import importance_words, permutation_importance, run_importance
from tests.exports import month_export, settings_in
from tfx_pipeline.evaluation.gate import GateReport
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord, load_run

PLANS = ("basic", "plus", "pro, annual")


class Rule(tf.Module):
    """A model of the second use case: who used less than 100 hours leaves, whatever the plan."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="plan"),
            tf.TensorSpec([None], tf.float32, name="usage"),
        ]
    )
    def serving(self, plan: tf.Tensor, usage: tf.Tensor) -> dict[str, tf.Tensor]:
        leaves = tf.sigmoid((100.0 - usage) / 10.0)
        return {"probabilities": tf.stack([1.0 - leaves, leaves], axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.zeros([tf.shape(examples)[0], 2])}


def save(folder: Path) -> Path:
    rule = Rule()
    signatures = {"serving_default": rule.serving, "serve_examples": rule.examples}
    tf.saved_model.save(rule, str(folder), signatures=signatures)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("model"))


def rows(count: int) -> pd.DataFrame:
    drawn = np.random.default_rng(7)
    usage = drawn.uniform(0, 200, count)
    return pd.DataFrame({"plan": drawn.choice(PLANS, count), "usage": usage, "churned": (usage < 100).astype(int)})


def test_it_needs_what_it_answers_by_and_nothing_else(churn: Contract, model: Path) -> None:
    found = permutation_importance(churn, model, rows(1_000))
    assert [one.feature for one in found.features] == ["usage", "plan"], "what it needs most comes first"
    usage, plan = found.features
    assert usage.mean == pytest.approx(0.5, abs=0.06) and 0 < usage.spread < 0.05 and not usage.is_noise
    assert (plan.mean, plan.spread, plan.is_noise) == (0.0, 0.0, True)
    assert (found.metric, found.rows, found.of_rows, found.repeats) == ("accuracy", 1_000, 1_000, 5)
    assert importance_words(found) == f"usage {usage.mean:.3f}"
    assert found == permutation_importance(churn, model, rows(1_000)).model_copy(update={"seconds": found.seconds})


def test_where_less_is_better_needed_is_still_above_nothing(churn: Contract, model: Path) -> None:
    by_loss = churn.model_copy(update={"gate": Gate(decides="log_loss")})
    found = permutation_importance(by_loss, model, rows(400))
    assert found.metric == "log_loss" and found.features[0].feature == "usage" and found.features[0].mean > 1


def test_of_many_rows_some_are_drawn_in_bounded_time(churn: Contract, model: Path) -> None:
    began = time.process_time()
    found = permutation_importance(churn, model, rows(200_000))
    assert (found.rows, found.of_rows) == (1_500, 200_000) and time.process_time() - began < 10
    assert found.features[0].mean == pytest.approx(0.5, abs=0.06)


def test_it_stays_on_the_runs_record(churn: Contract, tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "home", "churn")
    use_case = UseCase(settings, churn)
    save(tmp_path / "run" / "Format-Serving")
    begun = RunRecord(
        run_id="r1", use_case="churn", started="", model_uri=str(tmp_path / "run"),
        parameters=run_parameters(churn, month_export(churn, settings, tmp_path / "export")),
    )  # fmt: skip
    assert run_importance(use_case, begun) is begun, "the gate has not checked it"
    accuracy, count = {"train": 0.9, "eval": 0.9}, {"train": 1207, "eval": 293}
    gate = GateReport(checks=(), accuracy=accuracy, rows=count, interval_set="eval", interval=(0.8, 0.95))
    measured = run_importance(use_case, begun.model_copy(update={"gate": gate}))
    assert measured.importance is not None and load_run(use_case, "r1") == measured
    assert run_importance(use_case, measured) is measured, "what is known is not measured again"
    gone = begun.model_copy(update={"gate": gate, "model_uri": str(tmp_path / "nowhere")})
    with pytest.raises(NotFoundError, match="there is no model in"):
        run_importance(use_case, gone)
