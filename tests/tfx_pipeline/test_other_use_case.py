"""A binary label, a categorical string and weighted classes go the same way: nothing knows its use case."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lakeloop.contract import Contract
from lakeloop.manifest import read_manifest
from lakeloop.settings import Settings
from tfx_pipeline.parameters import run_parameters
from tfx_pipeline.runner import run_pipeline
from tfx_pipeline.validate import model_folder

PACKAGE = Path(__file__).resolve().parents[2] / "tfx_pipeline"


def test_a_binary_label_and_a_string_feature_train_and_serve(
    churn: Contract, tmp_path: Path, settings_in: Callable[[Path, str], Settings], export_month: Callable[..., Path]
) -> None:
    from tfx_pipeline.prediction import load_saved_model, predict_columns

    settings = settings_in(tmp_path, "churn")
    weighted = churn.model_copy(update={"training": churn.training.model_copy(update={"balance": "weights"})})
    manifest = export_month(weighted, settings, tmp_path / "export")
    record = run_pipeline(settings, weighted, run_parameters(weighted, manifest))
    assert record.blessed, record.gate
    assert record.trained is not None and record.trained.balance == "weights"
    stays, leaves = record.trained.class_weights
    assert stays == pytest.approx(leaves) and stays + leaves == pytest.approx(record.trained.rows)
    assert record.trained.rows == read_manifest(manifest).rows_of("train")
    model = load_saved_model(model_folder(settings))
    plans = np.array(["basic", "pro, annual", "unheard of"])
    answers = predict_columns(model, {"plan": plans, "usage": np.array([5, 195, 100], np.float32)})
    assert answers.shape == (3, 2)
    assert answers[0, 1] > 0.8 and answers[1, 0] > 0.8, "low use of the basic plan leaves, high use of pro stays"


def test_the_pipeline_names_no_use_case() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert "insurance" not in path.read_text(encoding="utf-8"), path
