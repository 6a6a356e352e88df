"""The Transform function in a real tf.Transform context."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lakeloop.contract import Contract, DriftTest
from tfx_pipeline.training import preprocessing
from tfx_pipeline.training.columns import custom_config


def transformed(contract: Contract, rows: list[dict[str, Any]], folder: Path) -> dict[str, np.ndarray]:
    """The rows after analysing and transforming them."""
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata

    from tfx_pipeline.data_checks.schema import schema_of

    metadata = dataset_metadata.DatasetMetadata(schema_of(contract))
    # By its module, which TFX may have loaded anew in another test: Beam pickles a function of before by value.
    function = partial(preprocessing.preprocessing_fn, custom_config=custom_config(contract))
    with tft_beam.Context(temp_dir=str(folder)):
        (data, _), _ = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(function)
    return {name: np.array([row[name] for row in data]) for name in data[0]}


@pytest.fixture(scope="module")
def churn_rows(churn: Contract, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    plans = ["basic", "plus", "pro, annual", "unheard of"]
    rows = [{"plan": plan.encode(), "usage": float(10 * i), "churned": i % 2} for i, plan in enumerate(plans)]
    return transformed(churn, rows, tmp_path_factory.mktemp("tft"))


def test_numbers_are_z_scored_with_mean_and_deviation_of_the_analysed_rows(churn_rows: dict[str, np.ndarray]) -> None:
    usage = np.array([0.0, 10.0, 20.0, 30.0])
    expected = ((usage - usage.mean()) / usage.std()).reshape(-1, 1)
    np.testing.assert_allclose(churn_rows["usage_x"], expected, rtol=1e-6)


def test_categories_are_one_hot_over_the_contracts_values_and_an_unknown_one_is_all_zeros(
    churn_rows: dict[str, np.ndarray],
) -> None:
    np.testing.assert_array_equal(churn_rows["plan_x"], [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])


def test_the_label_passes_through_as_int64(churn_rows: dict[str, np.ndarray]) -> None:
    assert churn_rows["churned"].dtype == np.int64
    assert churn_rows["churned"].tolist() == [0, 1, 0, 1]


def with_feature(contract: Contract, name: str, **changes: Any) -> Contract:
    feature = contract.features[name].model_copy(update=changes)
    return contract.model_copy(update={"features": {**contract.features, name: feature}})


def test_the_config_depends_on_what_shapes_the_model_and_on_nothing_else(contract: Contract) -> None:
    config = custom_config(contract)
    monitoring = contract.monitoring.model_copy(update={"window": 99})
    assert custom_config(contract.model_copy(update={"monitoring": monitoring})) == config
    unseen = {"description": "How old", "unit": "a", "example": 30.0, "drift": DriftTest(test="psi", threshold=0.3)}
    assert custom_config(with_feature(contract, "age", **unseen)) == config
    assert custom_config(with_feature(contract, "age", transform="log")) != config
    assert custom_config(with_feature(contract, "age", missing="mean")) != config
    features = dict(list(contract.features.items())[:3])
    assert custom_config(contract.model_copy(update={"features": features})) != config
    classes = contract.label.model_copy(update={"classes": contract.label.classes[:2]})
    assert custom_config(contract.model_copy(update={"label": classes})) != config
