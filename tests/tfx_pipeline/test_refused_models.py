"""What the gate is for, in whole runs: a model that says the same of every row, and one that fails a group of them,
are not pushed, however good they look.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from console.cli.train import unseen_words
from lakeloop.added_columns import with_label
from lakeloop.contract import Gate, Training
from lakeloop.drawn_rows import sample_period
from lakeloop.pushed_models import pushed_versions
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from tests.exports import export_frame
from tests.use_case_copies import USE_CASES
from tfx_pipeline.evaluation.gate import NAIVE
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord
from tfx_pipeline.runs.runner import run_pipeline

pytestmark = pytest.mark.long
EPOCHS = 8
CONSTANT = """\
import keras


def build_model(columns, settings):
    inputs = keras.Input(shape=(columns.width,))
    nothing = keras.layers.Rescaling(0.0)(inputs)
    return keras.Model(inputs, keras.layers.Dense(columns.outputs, activation="softmax")(nothing))
"""


@pytest.fixture
def churn_case(tmp_path: Path) -> UseCase:
    """A copy of the use case without its own checks, in a home of its own."""
    shutil.copytree(USE_CASES["churn"] / "churn", folder := tmp_path / "cases" / "churn")
    (folder / "checks.py").unlink()
    return open_use_case(load_settings(home=tmp_path / "home", use_case="churn", use_cases=folder.parent))


def pushed_by(case: UseCase, rows: pd.DataFrame, gate: dict[str, Any], folder: Path) -> RunRecord:
    """A run with that gate, on these rows as they are, which pushes what it lets pass."""
    changes = {"gate": Gate.model_validate(gate), "training": Training()}
    contract = case.contract.model_copy(update=changes)
    manifest = export_frame(contract, with_label(contract, rows), folder)
    return run_pipeline(UseCase(case.settings, contract), run_parameters(contract, manifest, {"epochs": EPOCHS}))


def test_a_constant_model_is_right_in_98_of_100_rows_where_2_leave_and_is_not_pushed(
    churn_case: UseCase, tmp_path: Path
) -> None:
    (churn_case.own_folder / "model.py").write_text(CONSTANT)
    rows = sample_period(churn_case, 0, 2_000)
    leaves = (rows["plan"] == "basic") & (rows["usage"] < np.quantile(rows.loc[rows["plan"] == "basic", "usage"], 0.04))
    rows["left"] = np.where(leaves, "yes", "no")
    assert leaves.mean() == pytest.approx(0.02, abs=0.002)
    record = pushed_by(churn_case, rows, {"accuracy": {"above": 0.9}}, tmp_path / "export")
    assert record.gate is not None and record.gate.accuracy["eval"] > 0.97
    assert [check.name for check in record.gate.failed] == [NAIVE]
    assert record.blessed is False and record.pushed_version == "" and pushed_versions(churn_case) == []


def test_a_group_that_the_model_does_not_know_stops_the_push(churn_case: UseCase, tmp_path: Path) -> None:
    rows = sample_period(churn_case, 0, 1_200)
    plus = rows["plan"] == "plus"
    rows.loc[plus, "left"] = np.random.default_rng(1).choice(["yes", "no"], int(plus.sum()))
    whole, by_plan = {"metric": "roc_auc", "above": 0.7}, {"metric": "roc_auc", "slice": "plan"}
    record = pushed_by(churn_case, rows, {"checks": (whole, {**by_plan, "above": 0.7})}, tmp_path / "export")
    assert record.gate is not None
    (failed,) = record.gate.failed  # nothing else was in its way
    assert failed.name == "roc_auc on eval where plan" and "plus" in failed.note
    assert record.blessed is False and record.pushed_version == "" and pushed_versions(churn_case) == []


def test_a_class_that_no_row_of_train_has_is_named_and_its_model_not_pushed(
    churn_case: UseCase, tmp_path: Path
) -> None:
    rows = sample_period(churn_case, 0)
    held_out = rows["customer"].map(churn_case.contract.split.is_eval)
    rows["left"] = np.where(held_out, rows["left"], "no")
    record = pushed_by(churn_case, rows, {"accuracy": {"above": 0.1}}, tmp_path / "export")
    assert "no row of class leaves is among those trained on" in unseen_words(churn_case.contract, record)
    assert record.gate is not None and NAIVE in {check.name for check in record.gate.failed}
    assert pushed_versions(churn_case) == []
