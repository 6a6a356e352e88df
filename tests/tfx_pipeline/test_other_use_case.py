"""A binary label, a categorical string and weighted classes go the same way: nothing knows its use case."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lakeloop.added_columns import with_label
from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.manifest import read_manifest
from lakeloop.pushed_models import model_folder
from lakeloop.use_case import UseCase, open_use_case
from tests.exports import export_frame, month_export, settings_in
from tfx_pipeline.data_checks.schema_history import read_schema
from tfx_pipeline.metadata.store import artifacts_of, open_store
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.runner import run_node, run_pipeline, start_run
from tfx_pipeline.training.row_weights import save_row_weights

pytestmark = pytest.mark.long

UP_TO_THE_DATA_GATE = ("GoldExport", "ImportSchemaGen", "ExampleGen", "StatisticsGen", "ExampleValidator", "DataGate")
PACKAGE = Path(__file__).resolve().parents[2] / "tfx_pipeline"


def test_a_binary_label_and_a_string_feature_train_and_serve(churn: Contract, tmp_path: Path) -> None:
    from tfx_pipeline.evaluation.prediction import ask_columns, load_saved_model

    settings = settings_in(tmp_path, "churn")
    weighted = churn.model_copy(update={"training": churn.training.model_copy(update={"balance": "weights"})})
    manifest = month_export(weighted, settings, tmp_path / "export")
    record = run_pipeline(UseCase(settings, weighted), run_parameters(weighted, manifest))
    assert record.blessed, record.gate
    assert record.trained is not None and record.trained.balance == "weights"
    stays, leaves = record.trained.class_weights
    assert stays == pytest.approx(leaves) and stays + leaves == pytest.approx(record.trained.rows)
    assert record.trained.rows == read_manifest(manifest).rows_of("train")
    model = load_saved_model(model_folder(open_use_case(settings)))
    plans = np.array(["basic", "pro, annual", "unheard of"])
    answers = ask_columns(model, {"plan": plans, "usage": np.array([5, 195, 100], np.float32)})["probabilities"]
    assert answers.shape == (3, 2)
    assert answers[0, 1] > 0.8 and answers[1, 0] > 0.8, "low use of the basic plan leaves, high use of pro stays"


def test_codes_and_keys_of_digits_stay_texts_and_a_new_value_trains_by_the_new_schema(
    churn: Contract, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, "churn")
    before, after = with_plans(churn, "01", "02", "10"), with_plans(churn, "01", "02", "10", "09")
    opened(
        UseCase(settings, before),
        export_frame(before, coded_rows(UseCase(settings, before)), tmp_path / "export" / "0"),
        "before",
    )
    for node in UP_TO_THE_DATA_GATE:
        assert run_node(UseCase(settings, before), "before", node).state == "ran"

    rows = coded_rows(UseCase(settings, after))
    keys = rows["customer"].tolist()
    weights = save_row_weights(open_use_case(settings), {key: 1.0 + number % 3 for number, key in enumerate(keys)})
    manifest = export_frame(after, rows, tmp_path / "export" / "1", 1)
    opened(UseCase(settings, after), manifest, "after", weighting="reweight", weights=weights)
    for node in (*UP_TO_THE_DATA_GATE, "Transform"):
        assert run_node(UseCase(settings, after), "after", node).state == "ran", f"{node} took another schema's result"
    assert run_node(UseCase(settings, after), "after", "Trainer").state == "ran", (
        "the weights were found by the keys' texts"
    )
    with open_store(settings) as store:
        schemas = [read_schema(schema.uri) for schema in artifacts_of(store, "churn", "Schema")]
    values = [set(feature.string_domain.value) for s in schemas for feature in s.feature if feature.name == "plan"]
    assert values == [{"01", "02", "10"}, {"01", "02", "10", "09"}]


def with_plans(contract: Contract, *values: str) -> Contract:
    plan = contract.features["plan"].model_copy(update={"values": values})
    model = contract.model.model_copy(update={"epochs": 1})
    return contract.model_copy(update={"features": {**contract.features, "plan": plan}, "model": model})


def coded_rows(use_case: UseCase) -> pd.DataFrame:
    """Generated rows whose keys and plans are digits, some with a zero in front."""
    contract = use_case.contract
    codes = contract.features["plan"].values or ()
    rows = with_label(contract, sample_period(use_case, 0, rows=200))
    return rows.assign(
        customer=[f"{number:06d}" for number in range(len(rows))],
        plan=[codes[number % len(codes)] for number in range(len(rows))],
    )


def opened(use_case: UseCase, manifest: Path, run: str, **options: Any) -> None:
    start_run(use_case, run_parameters(use_case.contract, manifest, **options), run)


def test_the_pipeline_names_no_use_case() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert "insurance" not in path.read_text(encoding="utf-8"), path
