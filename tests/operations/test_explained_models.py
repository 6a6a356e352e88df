"""What features contribute to a model on the whole, and what a pushed version gets to be explained by."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from lakeloop.background_rows import BACKGROUND_FILE, BackgroundRows, read_background
from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import NotFoundError
from lakeloop.use_case import UseCase
from operations.explained_models import draw_background, draw_exported, explain_pushed, feature_contributions, levels
from tests.exports import month_export, settings_in
from tests.operations.test_permutation_importance import rows, save
from tests.use_case_copies import USE_CASES
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord, load_run


def background(frame: pd.DataFrame, dropped: tuple[str, ...] = ()) -> BackgroundRows:
    columns = {name: tuple(frame[name].tolist()) for name in frame if name != "churned"}
    return BackgroundRows(of_rows=len(frame), dropped=dropped, columns=columns)


def test_of_two_classes_the_second_is_explained_and_what_is_not_used_contributes_nothing(
    churn: Contract, tmp_path: Path
) -> None:
    model, frame = save(tmp_path / "model"), rows(60)
    found = feature_contributions(churn, model, frame, background(frame.head(30)))
    second = churn.label.class_names[1]
    assert found.outputs == (second,) and found.what == f"the probability of {second}"
    assert [one.feature for one in found.features] == ["usage", "plan"]
    leaves = 1 / (1 + np.exp(-(100 - frame["usage"]) / 10))
    mean = np.abs(leaves.head(found.rows) - leaves.head(30).mean()).mean()
    assert found.features[0].mean == pytest.approx(mean, abs=1e-4), "usage alone has all of it"
    assert found.features[1].mean == pytest.approx(0, abs=1e-6)
    assert (found.rows, found.background_rows) == (60, 30)
    usage, plan = found.features
    (points,) = usage.points
    assert points == pytest.approx((leaves - leaves.head(30).mean()).tolist(), abs=1e-3), "each answer's own"
    assert np.argmin(usage.levels) == frame["usage"].argmin() and np.argmax(usage.levels) == frame["usage"].argmax()
    assert (min(usage.levels), max(usage.levels)) == (0, 1)
    assert set(plan.levels) == {None} and len(plan.points[0]) == 60, "a category has no order"
    again = feature_contributions(churn, model, frame, background(frame.head(30)))
    assert found == again.model_copy(update={"seconds": found.seconds})
    one = feature_contributions(churn, model, frame, background(frame.head(30), ("plan",)))
    assert [part.feature for part in one.features] == ["usage"]


def test_of_an_ordered_feature_a_missing_value_has_no_level(churn: Contract) -> None:
    usage = churn.features["usage"]
    assert levels(usage, pd.Series([5.0, None, 1.0, 5.0])) == (1.0, None, 0.0, 1.0)
    assert levels(usage, pd.Series([7.0, 7.0])) == (0.5, 0.5)


class Rentals(tf.Module):
    """Twelve bikes an hour."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64, name="hour"), tf.TensorSpec([None], tf.float32, name="temperature"),
            tf.TensorSpec([None], tf.string, name="sky"), tf.TensorSpec([None], tf.int64, name="workday"),
        ]
    )  # fmt: skip
    def serving(self, hour: tf.Tensor, temperature: tf.Tensor, sky: tf.Tensor, workday: tf.Tensor) -> dict:
        number = 12.0 * tf.cast(hour, tf.float32)
        return {"prediction": number, "lower": number, "upper": number + 1}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"prediction": tf.zeros([tf.shape(examples)[0]])}


def test_a_run_that_pushed_gets_both_and_another_none(tmp_path: Path) -> None:
    contract = load_contract(USE_CASES["rentals"] / "rentals" / "contract.yaml")
    settings = settings_in(tmp_path / "home", "rentals")
    use_case, manifest = UseCase(settings, contract), month_export(contract, settings, tmp_path / "export")
    module = Rentals()
    signatures = {"serving_default": module.serving, "serve_examples": module.examples}
    for folder in (tmp_path / "run" / "Format-Serving", use_case.folder("models") / "7"):
        tf.saved_model.save(module, str(folder), signatures=signatures)
    refused = RunRecord(
        run_id="r1", use_case="rentals", started="", model_uri=str(tmp_path / "run"),
        parameters=run_parameters(contract, manifest, drop=("sky",)),
    )  # fmt: skip
    assert explain_pushed(use_case, refused) is refused
    with pytest.raises(NotFoundError, match="carries no rows to explain its answers against; `lakeloop report"):
        read_background(use_case, "7")
    run = explain_pushed(use_case, refused.model_copy(update={"pushed_version": "7"}))
    found = run.contributions
    assert found is not None and load_run(use_case, "r1") == run
    assert (found.outputs, found.what, found.features[0].feature) == (("demand",), "demand in bikes", "hour")
    assert found.features[0].mean > 30 and "sky" not in {one.feature for one in found.features}
    kept = read_background(use_case, "7")
    assert list(kept.columns) == list(contract.features) and kept.explained == ["hour", "temperature", "workday"]
    hours = kept.columns["hour"]
    assert len(hours) == 50 and all(type(hour) is int for hour in hours) and kept.of_rows > 500
    (use_case.folder("models") / "7" / BACKGROUND_FILE).unlink()
    assert explain_pushed(use_case, run) is run and read_background(use_case, "7") == kept, "it is put back"
    gone = run.model_copy(update={"contributions": None, "model_uri": str(tmp_path / "nowhere")})
    assert explain_pushed(use_case, gone) is gone, "no push fails for want of an explanation"


def test_background_rows_are_of_all_shards_and_keep_gaps(tmp_path: Path) -> None:
    contract = load_contract(USE_CASES["orders"] / "orders" / "contract.yaml")
    manifest = month_export(contract, settings_in(tmp_path, "orders"), tmp_path / "export")
    found = draw_background(contract, manifest)
    optional = [name for name, feature in contract.features.items() if feature.optional]
    assert any(None in found.columns[name] for name in optional)
    assert found == draw_background(contract, manifest)
    few = draw_exported(contract, manifest, "eval", 10_000)
    assert len(few) == len(draw_exported(contract, manifest, "eval", 20_000)) > 50, "no row twice"
