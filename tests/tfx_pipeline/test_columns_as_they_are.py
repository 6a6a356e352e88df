"""The whole pipeline on a table with bools, gaps and open vocabularies: one model, asked through each of its doors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lakeloop.added_columns import with_label
from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import WrongUseError
from lakeloop.model_input import model_columns
from lakeloop.pushed_models import model_folder
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from tests.exports import export_frame, month_export, settings_in
from tests.use_case_copies import USE_CASES
from tfx_pipeline.data_checks.anomalies import read_anomalies
from tfx_pipeline.data_checks.schema import schema_of
from tfx_pipeline.data_checks.schema_history import described
from tfx_pipeline.evaluation.validate import validate_model
from tfx_pipeline.exceptions import DataRefusedError
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import NodeResult, RunRecord, load_run
from tfx_pipeline.runs.runner import run_node, run_pipeline, start_run
from tfx_pipeline.training.row_weights import save_row_weights

pytestmark = pytest.mark.long
UP_TO_THE_GATES = ("GoldExport", "ImportSchemaGen", "ExampleGen", "StatisticsGen", "ExampleValidator", "DataGate",
                   "ChampionStatistics", "DistributionValidator")  # fmt: skip


@dataclass(frozen=True)
class Trained(UseCase):
    manifest: Path
    record: RunRecord
    nodes: Mapping[str, NodeResult] = field(default_factory=dict)


@pytest.fixture(scope="module")
def parcels() -> Contract:
    return load_contract(USE_CASES["parcels"] / "parcels" / "contract.yaml")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_in(tmp_path_factory.mktemp("home"), "parcels")


@pytest.fixture(scope="module")
def trained(parcels: Contract, settings: Settings) -> Trained:
    return run(UseCase(settings, parcels), month_export(parcels, settings, settings.home / "export" / "0"))


def run(use_case: UseCase, manifest: Path, push: bool = True, **options: Any) -> Trained:
    nodes: dict[str, NodeResult] = {}
    parameters = run_parameters(use_case.contract, manifest, **options)
    record = run_pipeline(use_case, parameters, on_node=lambda node: nodes.update({node.node: node}), push=push)
    return Trained(use_case.settings, use_case.contract, manifest, record, nodes)


@pytest.fixture(scope="module")
def rows(trained: Trained) -> pd.DataFrame:
    """Rows the model has not seen, with and without gaps."""
    frame = with_label(trained.contract, sample_period(trained, 1, rows=300))
    whole = frame[list(trained.contract.features)].notna().all(axis=1)
    assert 50 < whole.sum() < 250
    return frame


@pytest.fixture(scope="module")
def model(trained: Trained) -> Any:
    from tfx_pipeline.evaluation.prediction import load_saved_model

    return load_saved_model(model_folder(trained, trained.record.pushed_version))


def test_it_trains_passes_its_checks_and_is_served(trained: Trained) -> None:
    assert trained.record.blessed and trained.record.pushed_version, trained.record
    assert trained.nodes["ExampleValidator"].result == "no anomalies"
    assert trained.nodes["Transform"].result == "vocabularies learnt: city 4 of 7, zone 3 of 3, note 6 of 9"
    assert trained.nodes["InfraValidator"].result == "the model server answered 100 rows"


def test_every_door_of_the_model_gives_a_row_the_same_answer(trained: Trained, rows: pd.DataFrame, model: Any) -> None:
    from tfx_pipeline.evaluation.prediction import ask_columns, ask_examples

    columns = ask_columns(model, model_columns(trained.contract.features, rows))["probabilities"]
    examples = [example(trained.contract, row) for row in rows.to_dict("records")]
    np.testing.assert_allclose(ask_examples(model, examples)["probabilities"], columns, atol=1e-6)
    classified = model.signatures["classify"](inputs=examples)
    np.testing.assert_allclose(classified["scores"], columns, atol=1e-6)
    assert np.isfinite(columns).all() and len(np.unique(columns.round(4), axis=0)) > 200


def example(contract: Contract, row: Mapping[Any, Any]) -> bytes:
    """A row as ExampleGen writes it: what is missing is not there."""
    import tensorflow as tf

    made = tf.train.Example()
    for name, feature in contract.features.items():
        if pd.isna(row[name]):
            continue
        values = made.features.feature[name]
        if feature.carried_as == "string":
            values.bytes_list.value.append(row[name].encode())
        elif feature.carried_as == "int":
            values.int64_list.value.append(int(row[name]))
        else:
            values.float_list.value.append(row[name])
    serialised: bytes = made.SerializeToString()
    return serialised


def test_the_model_says_which_categories_it_learnt(trained: Trained, model: Any) -> None:
    """Of a text it knows words, of what is hashed nothing, and of what the contract lists the contract tells."""
    asked = ["zone", "note", "city", "courier", "size"]
    told = [
        [value.decode() for value in row if value]
        for row in model.signatures["learnt_values"](features=asked)["values"].numpy()
    ]
    drawn = sample_period(trained, 0)
    drawn = drawn[~drawn["parcel"].map(trained.contract.split.is_eval)]
    cities = drawn["city"].value_counts()
    assert sorted(told[0]) == ["100", "200", "300"] and told[1] == told[3] == told[4] == []
    assert len(told[2]) == 4 and told[2][0] == cities.index[0] and set(told[2]) == set(cities.index[:4])


def test_a_gap_tells_the_model_what_it_told_in_training(trained: Trained, rows: pd.DataFrame, model: Any) -> None:
    """The generator makes parcels without a weight late more often."""
    from tfx_pipeline.evaluation.prediction import ask_columns

    weighed = rows[rows["weight"].notna()]
    late = [
        ask_columns(model, model_columns(trained.contract.features, frame))["probabilities"][:, 1].mean()
        for frame in (weighed, weighed.assign(weight=np.nan))
    ]
    assert late[1] > late[0] + 0.1


def test_a_month_with_gaps_is_validated_and_one_that_lacks_what_it_must_have_is_not(
    trained: Trained, rows: pd.DataFrame
) -> None:
    folder = model_folder(trained, trained.record.pushed_version)
    report = validate_model(folder, trained.contract, rows)
    assert report.accuracy["rows"] > 0.7
    with pytest.raises(WrongUseError, match="empty values in courier, which the contract does not allow"):
        validate_model(folder, trained.contract, rows.assign(courier=None))


def test_rows_with_gaps_are_weighed(trained: Trained, settings: Settings) -> None:
    keys = sample_period(trained, 0)["parcel"].tolist()
    weights = save_row_weights(open_use_case(settings), {key: 1.0 + place % 3 for place, key in enumerate(keys)})
    weighed = run(trained, trained.manifest, push=False, weighting="reweight", weights=weights)
    assert weighed.record.trained is not None and weighed.record.trained.rows == trained.record.trained.rows  # type: ignore[union-attr]
    assert weighed.record.gate is not None and weighed.record.gate.accuracy["eval"] > 0.7


def test_statistics_count_gaps_and_a_window_of_requests_is_held_to_the_same_schema(
    trained: Trained, rows: pd.DataFrame, tmp_path: Path
) -> None:
    from tfx_pipeline.data_checks.statistics import read_statistics
    from tfx_pipeline.data_checks.window_statistics import SPLIT, write_window_statistics

    seen = read_statistics(trained.record.statistics_uri)["train"]
    drawn = sample_period(trained, 0)
    drawn = drawn[~drawn["parcel"].map(trained.contract.split.is_eval)]
    assert {name: one.missing for name, one in seen.items() if name in trained.contract.features} == {
        name: drawn[name].isna().sum() for name in trained.contract.features
    }
    served = rows[list(trained.contract.features)]
    folder = write_window_statistics(served, schema_of(trained.contract), tmp_path / "window")
    assert read_anomalies(folder) == ()
    window = read_statistics(str(folder))[SPLIT]
    assert {name: window[name].missing for name in ("weight", "city", "zone", "note")} == {
        name: served[name].isna().sum() for name in ("weight", "city", "zone", "note")
    }
    odd = write_window_statistics(served.assign(weight=-1.0), schema_of(trained.contract), tmp_path / "odd")
    assert [anomaly.feature for anomaly in read_anomalies(odd)] == ["weight"]


def test_numbers_far_outside_of_the_champion_s_are_told_and_stop_nothing(
    trained: Trained, settings: Settings, tmp_path: Path
) -> None:
    """Metres in place of kilometres; the contract says of neither distance nor floor what is possible."""
    drawn = with_label(trained.contract, sample_period(trained, 3))
    metres = drawn.assign(distance=drawn["distance"] * 1000)
    manifest = export_frame(trained.contract, metres, tmp_path / "export", 3)
    run_id, use_case = "metres", UseCase(settings, trained.contract)
    start_run(use_case, run_parameters(trained.contract, manifest), run_id)
    for node in UP_TO_THE_GATES:
        run_node(use_case, run_id, node)
    anomalies = read_anomalies(Path(load_run(use_case, run_id).distribution_anomalies_uri))
    said = [str(one) for one in anomalies if "Outside of learnt limits" in one.what]
    assert [one.partition(":")[0] for one in said] == ["distance (train against train)", "distance (eval against eval)"]
    assert "the model was trained on from" in said[0]


def test_a_window_far_outside_of_the_training_rows_is_told(
    trained: Trained, rows: pd.DataFrame, tmp_path: Path
) -> None:
    from tfx_pipeline.data_checks.statistics import read_statistics
    from tfx_pipeline.data_checks.window_statistics import write_window_statistics

    seen = read_statistics(trained.record.statistics_uri)["train"]
    served = rows[list(trained.contract.features)]
    odd = served.assign(distance=served["distance"].where(served.index > 0, 1e6))
    folder = write_window_statistics(odd, schema_of(trained.contract), tmp_path / "odd", seen)
    assert [(one.feature, one.what.partition(":")[0]) for one in read_anomalies(folder)] == [
        ("distance", "Outside of learnt limits")
    ]
    usual = write_window_statistics(served, schema_of(trained.contract), tmp_path / "usual", seen)
    assert read_anomalies(usual) == ()


@pytest.mark.parametrize("column", ["courier", "express"])
def test_a_gap_where_the_contract_allows_none_stops_the_run(
    parcels: Contract, settings: Settings, tmp_path: Path, column: str
) -> None:
    drawn = with_label(parcels, sample_period(UseCase(settings, parcels), 2, rows=100))
    gap = drawn[column].astype(object).mask(drawn.index < 20)
    with pytest.raises(DataRefusedError, match=column):
        run(UseCase(settings, parcels), export_frame(parcels, drawn.assign(**{column: gap}), tmp_path, 2))


def test_the_schema_says_in_words_what_may_be_missing_and_what_may_be_anything(parcels: Contract) -> None:
    said = described(schema_of(parcels))
    assert said["weight"] == "float, 0 to 1000, or missing"
    assert said["distance"] == "float, any number, or missing"
    assert said["express"] == "int, 0 to 1" and said["fragile"] == "int, 0 to 1, or missing"
    assert said["courier"] == "string, any text" and said["size"] == "string, S, M, L, or missing"
