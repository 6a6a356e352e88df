"""The whole pipeline on month 0, once; everything here looks at what that run and its repetitions left."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tfx.utils.dependency_utils import make_beam_dependency_flags

from lakeloop.added_columns import with_label
from lakeloop.contract import Contract, Gate, ReleasePlan, TreesSettings
from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import LakeloopError, NotFoundError, WrongUseError
from lakeloop.manifest import file_sha256, read_manifest
from lakeloop.model_card import read_model_card
from lakeloop.notifications import told_notifications
from lakeloop.own_files import code_hashes, own_files
from lakeloop.pushed_models import model_folder, pushed_versions
from lakeloop.release_state import Release
from lakeloop.releases import read_entries, read_release
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from lakeloop.warm_process import start_warm
from tests.exports import export_frame, month_export, settings_in
from tests.tfx_pipeline.upstream import types_upstream
from tests.warm_programs import SECONDS, SERVERS, warm_servers
from tfx_pipeline.evaluation.gate import GateReport
from tfx_pipeline.evaluation.validate import validate_model
from tfx_pipeline.pipeline import BEAM_FLAGS
from tfx_pipeline.runs.graph import read_graph
from tfx_pipeline.runs.parameters import WEIGHTS, run_parameters
from tfx_pipeline.runs.run_record import Evaluation, NodeResult, RunRecord, load_run, load_runs
from tfx_pipeline.runs.runner import finish_run, run_node, run_pipeline, start_run

NODES = {
    "GoldExport",
    "ExampleGen",
    "StatisticsGen",
    "ImportSchemaGen",
    "ExampleValidator",
    "DataGate",
    "ChampionStatistics",
    "DistributionValidator",
    "Transform",
    "Tuner",
    "Trainer",
    "Champion",
    "Evaluator",
    "QualityGate",
    "InfraValidator",
    "Pusher",
}
FROM_TRAINER = {"Tuner", "Champion", "Trainer", "Evaluator", "QualityGate", "InfraValidator", "Pusher"}
BEFORE_TRAINER = NODES - {"ChampionStatistics"} - FROM_TRAINER
TREES = {"iterations": 130, "min_rows_per_leaf": 190, "stop_after": 0}
"""Trees that pass: with fewer rows a leaf they know the 1,207 too much by heart."""
WHY = {"trigger": "test", "event_id": "e1", "airflow_run_id": "", "git_commit": "abc"}


@dataclass(frozen=True)
class Finished(UseCase):
    """One run and what it reported."""

    manifest: Path
    record: RunRecord
    nodes: dict[str, NodeResult] = field(default_factory=dict)

    def again(self, drop: tuple[str, ...] = (), **changes: Any) -> "Finished":
        return finished(self, self.manifest, drop, **changes)


def finished(use_case: UseCase, manifest: Path, drop: tuple[str, ...] = (), **changes: Any) -> Finished:
    contract = use_case.contract
    nodes: dict[str, NodeResult] = {}
    parameters = run_parameters(contract, manifest, changes, drop, **WHY)
    record = run_pipeline(use_case, parameters, on_node=lambda node: nodes.update({node.node: node}))
    return Finished(use_case.settings, contract, manifest, record, nodes)


def newest_artifacts(use_case: UseCase, type_name: str) -> list[Any]:
    from tfx_pipeline.metadata.store import artifacts_of, open_store

    with open_store(use_case.settings) as store:
        return artifacts_of(store, use_case.name, type_name)


@pytest.fixture(scope="module", autouse=True)
def warm_model_servers() -> Iterator[None]:
    """InfraValidator's model servers are forks here; `components/test_infra_validator.py` has one started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfx_pipeline.evaluation.model_server.load_settings", lambda: warm_servers(*SERVERS).settings)
        patch.setattr("tfx_pipeline.evaluation.model_server.start_warm", partial(start_warm, patience=SECONDS))
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def settings(home: Path) -> Settings:
    return settings_in(home, "insurance")


@pytest.fixture(scope="module")
def first(settings: Settings, contract: Contract, home: Path) -> Finished:
    manifest = month_export(contract, settings, home / "export" / "0")
    return finished(UseCase(settings, contract), manifest)


@pytest.fixture(scope="module")
def second(first: Finished) -> Finished:
    """The same again."""
    return first.again()


@pytest.fixture(scope="module")
def refused(second: Finished) -> Finished:
    """A model that is too small, trained for one epoch, without a feature: refused for certain."""
    return second.again(drop=("miles",), units=50, epochs=1)


@pytest.fixture(scope="module")
def model(first: Finished) -> Any:
    from tfx_pipeline.evaluation.prediction import load_saved_model

    return load_saved_model(model_folder(first, first.record.pushed_version))


@pytest.fixture(scope="module")
def rows(first: Finished) -> pd.DataFrame:
    frame = with_label(first.contract, sample_period(first, 0))
    return frame[frame["policy_id"].map(first.contract.split.is_eval)]


def test_every_node_ran_and_said_what_it_did(first: Finished) -> None:
    assert set(first.nodes) == NODES
    assert {name for name, node in first.nodes.items() if node.state != "ran"} == {"Tuner"}
    assert first.nodes["Tuner"].state == "skipped"
    said = {name: node.result for name, node in first.nodes.items()}
    assert said["GoldExport"] == "gold/training version 0, 1,500 rows"
    assert said["ExampleGen"] == "1,207 train, 293 eval rows"
    assert said["ExampleValidator"] == "no anomalies"
    assert said["Champion"] == "no champion yet"
    assert said["DistributionValidator"] == "as the champion's"
    assert said["QualityGate"].startswith("blessed")
    assert said["InfraValidator"] == "the model server answered 100 rows"
    assert said["Pusher"] == f"version {first.record.pushed_version}"
    told = next(one.notification for one in told_notifications(first.settings))
    assert (told.kind, told.use_case) == ("promotion", first.name)
    assert told.text.startswith(f"Version {first.record.pushed_version} was pushed by run {first.record.run_id}")
    assert told.link == f"{first.settings.monitor}/insurance/models/{first.record.pushed_version}"


def test_the_gate_blesses_the_contracts_model(first: Finished) -> None:
    report = first.record.gate
    assert first.record.blessed and report is not None and report.passed
    assert report.rows == {"train": 1207, "eval": 293}
    assert {"accuracy_train", "accuracy_eval", "train_eval_gap", "share_high", "max_probability_mean"} <= {
        check.name for check in report.checks
    }
    assert report.champion_accuracy is None


def test_export_model_and_pushed_model_carry_where_they_come_from(first: Finished) -> None:
    expected = {
        "delta_table": "gold/training",
        "delta_version": "0",
        "manifest_sha256": file_sha256(first.manifest),
        "rows": "1500",
        "schema_sha256": first.contract.schema_sha256,
        **WHY,
    }
    for type_name in ("GoldExport", "Model", "PushedModel"):
        artifact = newest_artifacts(first, type_name)[0]
        provenance = {name: artifact.custom_properties[name].string_value for name in expected}
        assert provenance == expected, type_name
        assert all(name in artifact.custom_properties for name in expected)


def test_lineage_leads_from_the_pushed_model_back_to_the_export(first: Finished) -> None:
    pushed = newest_artifacts(first, "PushedModel")[0]
    assert {"GoldExport", "Examples", "TransformGraph", "Model"} <= types_upstream(first.settings, pushed.id)


def test_the_blessing_names_model_gate_and_every_check(first: Finished) -> None:
    blessing = next(b for b in newest_artifacts(first, "ModelBlessing") if "judge" in b.custom_properties)
    model = newest_artifacts(first, "Model")[0]
    assert blessing.custom_properties["blessed"].int_value == 1
    assert blessing.custom_properties["current_model_id"].int_value == model.id
    assert blessing.custom_properties["current_model"].string_value == model.uri
    assert (Path(blessing.uri) / "BLESSED").is_file()
    assert first.record.gate is not None
    for check in first.record.gate.checks:
        stored = json.loads(blessing.custom_properties[f"check_{check.name}"].string_value)
        assert stored == {"value": check.value, "bound": check.bound, "passed": check.passed}


def test_the_model_was_pushed_to_a_version_folder(first: Finished) -> None:
    folder = model_folder(first, first.record.pushed_version)
    assert folder.parent == open_use_case(first.settings).folder("models").absolute()
    assert (folder / "saved_model.pb").is_file()
    assert folder.name.isdigit()


def test_the_pushed_version_carries_what_it_was_made_from(first: Finished) -> None:
    card = read_model_card(first, first.record.pushed_version)
    assert card.manifest_path(first) == first.manifest.absolute()
    assert card.manifest_sha256 == file_sha256(first.manifest)
    assert (card.use_case, card.run_id, card.drop) == (first.contract.use_case, first.record.run_id, ())
    assert card.model == first.record.parameters.model
    assert first.record.gate is not None
    assert [c.model_dump() for c in card.checks] == [c.model_dump() for c in first.record.gate.checks]
    (pushed,) = newest_artifacts(first, "PushedModel")
    assert card.provenance == {name: pushed.custom_properties[name].string_value for name in card.provenance}
    assert card.provenance["trigger"] == WHY["trigger"]


def test_signatures_have_the_contracts_names_shapes_and_types(first: Finished, model: Any) -> None:
    import tensorflow as tf

    _, inputs = model.signatures["serving_default"].structured_input_signature
    assert set(inputs) == set(first.contract.features)
    for name, feature in first.contract.features.items():
        assert inputs[name].dtype == {"float": tf.float32, "int": tf.int64}[feature.type]
        assert inputs[name].shape.as_list() == [None]
    outputs = model.signatures["serving_default"].structured_outputs
    assert outputs["probabilities"].shape.as_list() == [None, 3]
    assert outputs["probabilities"].dtype == tf.float32
    assert outputs["class_id"].shape.as_list() == [None] and outputs["class_id"].dtype == tf.int64


def test_classify_has_the_classify_method_and_the_others_predict(first: Finished) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    path = model_folder(first, first.record.pushed_version) / "saved_model.pb"
    signatures = saved_model_pb2.SavedModel.FromString(path.read_bytes()).meta_graphs[0].signature_def
    assert signatures["classify"].method_name == "tensorflow/serving/classify"
    assert list(signatures["classify"].inputs) == ["inputs"]
    assert set(signatures["classify"].outputs) == {"classes", "scores"}
    assert signatures["serving_default"].method_name == "tensorflow/serving/predict"
    assert signatures["serve_examples"].method_name == "tensorflow/serving/predict"


def as_examples(contract: Contract, rows: pd.DataFrame) -> list[bytes]:
    import tensorflow as tf

    def example(row: Any) -> bytes:
        features = {
            name: tf.train.Feature(float_list=tf.train.FloatList(value=[getattr(row, name)]))
            if feature.type == "float"
            else tf.train.Feature(int64_list=tf.train.Int64List(value=[getattr(row, name)]))
            for name, feature in contract.features.items()
        }
        return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()

    return [example(row) for row in rows.itertuples()]


def columns(contract: Contract, rows: pd.DataFrame) -> dict[str, np.ndarray]:
    types = {"float": np.float32, "int": np.int64, "string": np.str_}
    return {name: rows[name].to_numpy(types[feature.type]) for name, feature in contract.features.items()}


def test_columns_examples_and_classify_give_the_same_answers(first: Finished, model: Any, rows: pd.DataFrame) -> None:
    import tensorflow as tf

    inputs = {name: tf.constant(values) for name, values in columns(first.contract, rows).items()}
    by_columns = model.signatures["serving_default"](**inputs)
    examples = tf.constant(as_examples(first.contract, rows))
    by_examples = model.signatures["serve_examples"](examples=examples)
    classified = model.signatures["classify"](inputs=examples)
    probabilities = by_columns["probabilities"].numpy()
    np.testing.assert_allclose(by_examples["probabilities"].numpy(), probabilities, atol=1e-6)
    np.testing.assert_allclose(classified["scores"].numpy(), probabilities, atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (by_columns["class_id"].numpy() == probabilities.argmax(axis=1)).all()
    assert classified["classes"].numpy()[0].tolist() == [b"high", b"medium", b"low"]


def test_tensorboard_can_show_the_training(first: Finished) -> None:
    folder = Path(first.record.model_run_uri)
    assert list(folder.glob("train/events.out.tfevents.*"))
    assert list(folder.glob("validation/events.out.tfevents.*"))


def test_the_run_record_tells_the_whole_run(first: Finished) -> None:
    record = load_run(first, first.record.run_id)
    assert record.state == "succeeded" and record.error == ""
    assert record.parameters.manifest == first.manifest
    assert record.manifest_sha256 == file_sha256(first.manifest)
    assert [len(v) for v in record.history.model_dump().values()] == [50] * 4
    assert record.history.loss[0] > record.history.loss[-1]
    assert {n.node for n in record.nodes} == NODES and record.seconds > 1
    for uri in (record.model_uri, record.statistics_uri, record.evaluation_uri, record.anomalies_uri):
        assert Path(uri).is_dir()
    assert record.blessed is True and record.pushed_version in pushed_versions(first)


def test_statistics_are_of_features_and_label_alone(first: Finished) -> None:
    from tfx_pipeline.data_checks.statistics import read_statistics

    read = read_statistics(first.record.statistics_uri)
    assert set(read) == {"train", "eval"}
    assert set(read["train"]) == {*first.contract.features, "group"}
    assert read["train"]["age"].rows == 1207


def test_evaluation_has_the_contracts_slices(first: Finished) -> None:
    found = first.record.evaluation
    assert found is not None and found.champion_margin is None and (found.above, found.below) == (0.85, 0.95)
    names = [("", ""), *sorted((name, value) for name in first.contract.slices for value in "01")]
    assert [(one.feature, one.value) for one in found.slices] == names
    whole, gate = found.slices[0], first.record.gate
    assert gate is not None and whole.rows == 293
    assert whole.score == pytest.approx(gate.accuracy["eval"], abs=1e-6) and whole.failed == ()
    assert sum(one.rows for one in found.slices if one.feature == "training") == 293


def test_a_slice_that_is_too_weak_stops_a_model_that_is_good_as_a_whole(first: Finished, tmp_path: Path) -> None:
    """The executor of a real run, on its examples and its model, with other requirements."""
    from tfx.types import standard_artifacts

    from tfx_pipeline.components.quality_gate import REQUIREMENTS_KEY, QualityGateExecutor, read_report, requirements_of

    examples = next(a for a in newest_artifacts(first, "Examples") if "/ExampleGen/" in a.uri)
    raw, model, blessing = standard_artifacts.Examples(), standard_artifacts.Model(), standard_artifacts.ModelBlessing()
    raw.uri, raw.split_names = examples.uri, '["train", "eval"]'
    model.uri, blessing.uri = first.record.model_uri, str(tmp_path)

    def checked(*checks: dict[str, object]) -> GateReport:
        gate = Gate.model_validate({"checks": checks})
        wanted = requirements_of(first.contract.model_copy(update={"gate": gate}))
        properties = {REQUIREMENTS_KEY: wanted.model_dump_json(), WEIGHTS: ""}
        QualityGateExecutor().Do({"examples": [raw], "model": [model]}, {"blessing": [blessing]}, properties)
        return read_report(str(tmp_path))

    whole = {"metric": "roc_auc", "above": 0.9}
    by_training = {"metric": "accuracy", "slice": "training", "min_rows": 20}
    newest = {"metric": "f1_macro", "above": 0.8, "on": "newest"}
    assert checked(whole, {**by_training, "above": 0.8}, newest).passed
    weak = checked(whole, {**by_training, "above": 0.93})
    assert [check.name for check in weak.failed] == ["accuracy on eval where training"]
    slices = {(s.feature, s.value): s.score for s in (first.record.evaluation or Evaluation(above=0)).slices}
    assert weak.failed[0].value == pytest.approx(min(slices["training", "0"], slices["training", "1"]))


def test_the_use_cases_own_checks_see_the_rows_of_the_run_and_stop_its_model(first: Finished, tmp_path: Path) -> None:
    """The executor of a real run, on its examples and its model, with a `checks.py`."""
    from tfx.types import standard_artifacts

    from tfx_pipeline.components.quality_gate import REQUIREMENTS_KEY, QualityGateExecutor, read_report, requirements_of
    from tfx_pipeline.metadata.provenance import read_own_code

    (tmp_path / "checks.py").write_text(OWN_CHECKS)
    own = own_files(tmp_path)["checks.py"]
    examples = next(a for a in newest_artifacts(first, "Examples") if "/ExampleGen/" in a.uri)
    raw, model, blessing = standard_artifacts.Examples(), standard_artifacts.Model(), standard_artifacts.ModelBlessing()
    raw.uri, raw.split_names = examples.uri, '["train", "eval"]'
    model.uri, blessing.uri = first.record.model_uri, str(tmp_path / "blessing")
    properties = {REQUIREMENTS_KEY: requirements_of(first.contract, own).model_dump_json(), WEIGHTS: ""}
    QualityGateExecutor().Do({"examples": [raw], "model": [model]}, {"blessing": [blessing]}, properties)
    report = read_report(blessing.uri)
    assert [check.name for check in report.failed] == ["young_are_right"] and not report.passed
    right = report.checks[-2]
    assert report.own == ("rows", "young_are_right") and (right.value, right.passed) == (1207, True)
    assert read_own_code(blessing) == {"checks.py": own.sha256}
    assert first.record.own_code == code_hashes(first.own_folder, first.contract)
    assert set(first.record.own_code) == {"rules.py", "generator.py"}


OWN_CHECKS = """\
def checks(model):
    train, held_out = model.train, model.eval
    yield {"name": "rows", "value": len(train.features), "passed": len(train.features) == 1207, "text": "1207"}
    young = (held_out.features["age"] < 30).to_numpy()
    right = (held_out.answers == held_out.labels)[young].mean()
    yield {"name": "young_are_right", "value": right, "passed": right > 0.999, "text": "> 0.999"}
"""


def test_slices_are_compared_with_the_champions(refused: Finished) -> None:
    found = refused.record.evaluation
    assert found is not None and found.champion_margin == pytest.approx(0.01)
    behind = [s for s in found.slices if s.champion_score is not None and s.score < s.champion_score - 0.01]
    assert behind and all("champion" in one.failed for one in behind)


def test_a_window_is_counted_as_the_training_rows_are(first: Finished, tmp_path: Path) -> None:
    from tfx_pipeline.data_checks.anomalies import read_anomalies
    from tfx_pipeline.data_checks.schema import schema_of
    from tfx_pipeline.data_checks.statistics import read_statistics
    from tfx_pipeline.data_checks.window_statistics import SPLIT, write_window_statistics

    features = list(first.contract.features)
    frame = pd.read_csv(next(first.manifest.parent.glob("train/*.csv")))[features]
    folder = write_window_statistics(frame, schema_of(first.contract), tmp_path / "same")
    same, trained = read_statistics(str(folder))[SPLIT], read_statistics(first.record.statistics_uri)["train"]
    assert set(same) == set(features) and read_anomalies(folder) == ()
    for name in features:
        assert same[name].rows == trained[name].rows
        assert same[name].moments == pytest.approx(trained[name].moments, rel=1e-5)
    odd = frame.assign(age=frame["age"] + 200).drop(columns="power")
    folder = write_window_statistics(odd, schema_of(first.contract), tmp_path / "odd")
    assert ["age", SPLIT] in [[one.feature, one.split] for one in read_anomalies(folder)]


def test_a_models_page_shows_what_its_run_left(first: Finished, refused: Finished) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from console.pages.router import Present, pages_router
    from monitoring.drift.reference import NoReference

    app = FastAPI()
    present = Present(lambda: "", lambda: (NoReference("", ""), pd.DataFrame()))
    app.include_router(pages_router(first, present))
    with TestClient(app) as client:
        page = client.get(f"/models/{first.record.pushed_version}").text
        assert "Not known" not in page and "emergency_braking = 1" in page and "float, 0 to 150" in page
        assert "Distributed as the champion" in page and "1,207" in page
        page = client.get(f"/runs/{refused.record.run_id}").text
        assert "Refused by the quality gate." in page and "behind the champion" in page
        lineage = client.get(f"/lineage/run/{first.record.run_id}")
        assert lineage.status_code == 200 and "Trainer" in lineage.text


def test_the_graph_is_the_compiled_pipelines(first: Finished) -> None:
    from tfx.proto.orchestration import pipeline_pb2

    from tfx_pipeline.runs.graph import ir_path

    ir = pipeline_pb2.Pipeline.FromString(ir_path(first).read_bytes())
    compiled = {n.pipeline_node.node_info.id: set(n.pipeline_node.upstream_nodes) for n in ir.nodes}
    graph = read_graph(first)
    assert {node.id: set(node.upstream) for node in graph.nodes} == compiled and set(compiled) == NODES
    assert compiled["ExampleGen"] == {"GoldExport"} and "DataGate" in compiled["Transform"]
    seen: set[str] = set()
    for node in graph.nodes:
        assert set(node.upstream) <= seen, f"{node.id} stands before a node it waits for"
        seen.add(node.id)


def test_the_same_run_again_takes_its_nodes_from_the_cache(first: Finished, second: Finished) -> None:
    assert all(second.nodes[name].state == "cached" for name in BEFORE_TRAINER | {"Trainer"})
    assert second.record.history == first.record.history
    assert second.record.model_uri == first.record.model_uri


def test_the_second_run_is_compared_with_the_champion(first: Finished, second: Finished) -> None:
    report = second.record.gate
    assert second.nodes["Champion"].result.startswith("champion is model")
    assert second.record.champion_model_uri == first.record.model_uri
    assert report is not None and report.champion_accuracy == report.accuracy["eval"]
    assert "not_worse_than_champion" in {check.name for check in report.checks}


def test_the_pushed_model_is_infra_blessed_as_tfx_does_it(first: Finished, second: Finished) -> None:
    for blessing in newest_artifacts(first, "InfraBlessing"):
        assert blessing.custom_properties["blessed"].int_value == 1
        assert (Path(blessing.uri) / "INFRA_BLESSED").is_file()
        assert "event=version_loaded" in (Path(blessing.uri) / "model_server.log").read_text(encoding="utf-8")
    graph = read_graph(first)
    upstream = {node.id: set(node.upstream) for node in graph.nodes}
    assert "InfraValidator" in upstream["Pusher"] and "QualityGate" in upstream["InfraValidator"]


def test_a_refused_model_is_not_pushed(second: Finished, refused: Finished) -> None:
    assert not refused.record.blessed and refused.record.pushed_version == ""
    assert refused.record.state == "succeeded"
    assert refused.nodes["QualityGate"].result.startswith("refused: ")
    assert refused.nodes["InfraValidator"].state == refused.nodes["Pusher"].state == "skipped"
    assert all(refused.nodes[name].state == "cached" for name in BEFORE_TRAINER)
    assert refused.nodes["Trainer"].state == "ran"
    pushed = {push.version for push in pushes(refused)}
    assert pushed == {first_version(second), second.record.pushed_version}
    assert pushed == set(pushed_versions(refused))


def first_version(second: Finished) -> str:
    return load_runs(second)[0].pushed_version


def pushes(use_case: UseCase) -> list[Any]:
    from tfx_pipeline.metadata.store import pushed_models

    return pushed_models(use_case)


def test_the_champion_is_the_newest_pushed_blessed_version(second: Finished, refused: Finished) -> None:
    from tfx_pipeline.metadata.store import champion

    found = champion(refused)
    assert found is not None and found.version == second.record.pushed_version
    assert found.model_uri == second.record.model_uri


def test_the_evaluators_blessing_alone_makes_no_champion(first: Finished) -> None:
    from tfx.types import standard_artifacts

    from tfx_pipeline.components.champion import champion_of

    model, evaluators, gates, push = (
        kind() for kind in (standard_artifacts.Model, standard_artifacts.ModelBlessing,
                            standard_artifacts.ModelBlessing, standard_artifacts.PushedModel)
    )  # fmt: skip
    model.id, push.id = 5, 9
    for blessing in (evaluators, gates):
        blessing.set_int_custom_property("blessed", 1)
        blessing.set_int_custom_property("current_model_id", 5)
    gates.set_string_custom_property("judge", "quality_gate")
    push.set_int_custom_property("pushed", 1)
    push.set_int_custom_property("model_id", 5)
    assert champion_of([model], [evaluators], [push], Release()) is None
    assert champion_of([model], [gates], [], Release()) is None, "blessed, but never pushed"
    assert champion_of([model], [evaluators, gates], [push], Release()) is model


def test_the_champion_is_what_serves_then_the_newest_that_is_not_retired() -> None:
    from tfx_pipeline.metadata.store import in_order_of_release

    def champions(release: Release, *pushed: str) -> list[str]:
        return in_order_of_release(pushed, str, release)

    assert champions(Release(), "1", "2", "3") == ["3", "2", "1"]
    assert champions(Release(champion="2"), "1", "2", "3") == ["2", "3", "1"]
    assert champions(Release(champion="9", retired=frozenset({"3"})), "1", "2", "3") == ["2", "1"]


def test_a_dropped_feature_has_no_effect_but_is_still_accepted(refused: Finished, rows: pd.DataFrame) -> None:
    from tfx_pipeline.evaluation.prediction import ask_columns, load_saved_model

    assert refused.nodes["Transform"].state == "cached", "dropping a feature must not transform again"
    model = load_saved_model(Path(refused.record.model_uri) / "Format-Serving")
    inputs = columns(refused.contract, rows)
    assert set(model.signatures["serving_default"].structured_input_signature[1]) == set(inputs)
    answers, of_other_miles, of_other_ages = (
        ask_columns(model, one)["probabilities"]
        for one in (inputs, {**inputs, "miles": inputs["miles"] + 50}, {**inputs, "age": inputs["age"] + 50})
    )
    np.testing.assert_array_equal(of_other_miles, answers)
    assert np.abs(of_other_ages - answers).max() > 1e-3


def test_data_that_break_the_contract_stop_at_the_data_gate(refused: Finished, home: Path) -> None:
    frame = with_label(refused.contract, sample_period(refused, 0))
    broken = frame.assign(age=frame["age"].where(frame.index != 3, 200.5)).drop(columns="power")
    manifest = export_frame(refused.contract, broken, home / "export" / "broken", version=1)
    before = len(pushes(refused))
    with pytest.raises(LakeloopError) as caught:
        finished(refused, manifest)
    text = str(caught.value)
    assert "age (" in text and "Out-of-range" in text and "power (train)" in text and "power (eval)" in text
    record = load_runs(refused)[-1]
    assert record.state == "failed" and record.error == text and record.nodes[-1].state == "failed"
    assert record.node("Transform") is None and record.node("DataGate") is not None
    assert len(pushes(refused)) == before
    with pytest.raises(LakeloopError):
        finished(refused, manifest)  # a failure is not cached


def test_a_failed_node_is_failed_in_ml_metadata(refused: Finished) -> None:
    from ml_metadata.proto import metadata_store_pb2

    from tfx_pipeline.metadata.store import open_store

    with open_store(refused.settings) as store:
        failed = [e for e in store.get_executions() if e.last_known_state == metadata_store_pb2.Execution.FAILED]
        types = {t.id: t.name for t in store.get_execution_types()}
    assert {types[e.type_id].rsplit(".", 1)[-1] for e in failed} == {"DataGate"}


def test_a_changed_or_missing_shard_is_refused_and_named(first: Finished, home: Path) -> None:
    folder = home / "export" / "tampered"
    manifest = month_export(first.contract, first.settings, folder)
    shard = folder / "train" / "part-00000.csv"
    parameters = run_parameters(first.contract, manifest)
    start_run(first, parameters, "tampered")
    shard.write_text(shard.read_text(encoding="utf-8").replace("2023", "2024", 1), encoding="utf-8")
    with pytest.raises(WrongUseError, match="sha256 differs"):
        run_node(first, "tampered", "GoldExport")
    shard.unlink()
    with pytest.raises(WrongUseError, match="does not exist"):
        run_node(first, "tampered", "GoldExport")


def test_nodes_run_one_by_one_and_again_after_a_failure(first: Finished, home: Path) -> None:
    folder = home / "export" / "stepwise"
    manifest = month_export(first.contract, first.settings, folder)
    shard = folder / "eval" / "part-00000.csv"
    kept = shard.read_bytes()
    parameters = run_parameters(first.contract, manifest, trigger="steps")
    opened = start_run(first, parameters, "stepwise")
    assert start_run(first, parameters, "stepwise") == opened
    with pytest.raises(WrongUseError, match="other parameters"):
        start_run(first, run_parameters(first.contract, manifest, trigger="x"), "stepwise")
    with pytest.raises(LakeloopError, match="run the nodes before it first"):
        run_node(first, "stepwise", "Trainer")
    shard.write_bytes(b"")
    with pytest.raises(WrongUseError):
        run_node(first, "stepwise", "GoldExport")
    shard.write_bytes(kept)
    assert run_node(first, "stepwise", "GoldExport").state == "ran"
    with pytest.raises(NotFoundError, match="no node Tester"):
        run_node(first, "stepwise", "Tester")
    assert finish_run(first, load_run(first, "stepwise")).node("GoldExport") is not None


def test_a_manifest_of_another_use_case_starts_nothing(first: Finished, churn: Contract) -> None:
    with pytest.raises(WrongUseError, match="an export of insurance, not of churn"):
        run_pipeline(UseCase(first.settings, churn), run_parameters(churn, first.manifest))
    with pytest.raises(WrongUseError, match="no manifest"):
        run_pipeline(first, run_parameters(first.contract, Path("/nowhere/manifest.json")))


def test_a_pushed_model_can_be_validated_on_any_rows(first: Finished, rows: pd.DataFrame) -> None:
    folder = model_folder(first, first.record.pushed_version)
    report = validate_model(folder, first.contract, rows, name="eval")
    assert first.record.gate is not None
    assert report.accuracy["eval"] == pytest.approx(first.record.gate.accuracy["eval"])
    drifted = with_label(first.contract, sample_period(first, 36))
    later = validate_model(folder, first.contract, drifted, name="month 36")
    assert later.accuracy["month 36"] < 0.65 and not later.passed


def test_what_cannot_be_validated_is_said_plainly(first: Finished, rows: pd.DataFrame, tmp_path: Path) -> None:
    folder = model_folder(first, first.record.pushed_version)
    with pytest.raises(WrongUseError, match="lack age"):
        validate_model(folder, first.contract, rows.drop(columns="age"))
    with pytest.raises(NotFoundError, match="no model of insurance was pushed"):
        model_folder(UseCase(settings_in(tmp_path, "insurance"), first.contract))
    with pytest.raises(NotFoundError, match=f"pushed: .*{folder.name}"):
        model_folder(first, "12")
    broken = tmp_path / "123"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"not a model")
    with pytest.raises(LakeloopError, match="cannot be loaded"):
        validate_model(broken, first.contract, rows)


def test_tfx_does_not_pack_its_sources_for_remote_workers() -> None:
    assert make_beam_dependency_flags(list(BEAM_FLAGS)) == list(BEAM_FLAGS)


def test_the_manifest_is_kept_with_the_run(first: Finished) -> None:
    export = newest_artifacts(first, "GoldExport")[0]
    assert read_manifest(Path(export.uri) / "manifest.json") == read_manifest(first.manifest)


@pytest.fixture(scope="module")
def trees(refused: Finished) -> Finished:
    """Trees on the same rows, checked by themselves; by their contract they challenge the champion."""
    changes = {
        "gate": refused.contract.gate.model_copy(update={"champion_margin": None}),
        "release": ReleasePlan(shadow="1 h"),
    }
    alone = UseCase(refused.settings, refused.contract.model_copy(update=changes))
    return finished(alone, refused.manifest, kind="trees", **TREES)


def test_trees_pass_the_gate_and_the_model_server_answers_with_them(trees: Finished) -> None:
    assert trees.record.blessed, trees.record.gate
    assert trees.nodes["InfraValidator"].result == "the model server answered 100 rows"
    assert trees.nodes["Trainer"].result.startswith(f"{TREES['iterations']} iterations of ")
    assert read_model_card(trees, trees.record.pushed_version).model == TreesSettings(**TREES)
    assert trees.record.trained is not None and trees.record.trained.settings == TreesSettings(**TREES)


def test_a_pushed_version_challenges_the_champion_where_the_contract_has_a_release(trees: Finished) -> None:
    release, entry = read_release(trees.settings, trees.name), read_entries(trees.settings, trees.name)[-1]
    before, pushed = pushed_versions(trees)[-2:]
    assert (release.champion, release.challenger) == (before, pushed) == (before, trees.record.pushed_version)
    assert (entry.action, entry.newest) == ("challenge", before), "it was told before it could be seen"
    told = told_notifications(trees.settings)[-1].notification
    assert f"It does not serve yet: it challenges version {before}, in the shadow since" in told.text
    assert not list(trees.folder("models").glob(".*")), "what was written beside is gone"


def test_pushed_trees_answer_as_scikit_learn_does_on_the_same_rows(trees: Finished) -> None:
    import tensorflow_transform as tft
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    from tfx_pipeline.evaluation.prediction import ask_columns, load_saved_model
    from tfx_pipeline.training.columns import transformed_name

    frame = with_label(trees.contract, sample_period(trees, 0))
    held_out = frame["policy_id"].map(trees.contract.split.is_eval).to_numpy()
    layer = tft.TFTransformOutput(newest_artifacts(trees, "TransformGraph")[0].uri).transform_features_layer()
    transformed = layer(columns(trees.contract, frame))
    seen = np.concatenate([transformed[transformed_name(name)] for name in trees.contract.features], axis=1)
    model = HistGradientBoostingClassifier(
        max_iter=TREES["iterations"], min_samples_leaf=TREES["min_rows_per_leaf"], early_stopping=False
    )
    with threadpool_limits(1):
        model.fit(seen[~held_out], frame["group"].to_numpy()[~held_out])
    served = load_saved_model(model_folder(trees, trees.record.pushed_version))
    answers = ask_columns(served, columns(trees.contract, frame[held_out]))["probabilities"]
    np.testing.assert_allclose(answers, model.predict_proba(seen[held_out]), atol=1e-4)


def test_another_kind_is_another_model_to_the_cache_and_the_rows_before_it_are_the_same(trees: Finished) -> None:
    assert {trees.nodes[name].state for name in BEFORE_TRAINER} == {"cached"}
    assert trees.nodes["Trainer"].state == "ran"
    start_run(trees, run_parameters(trees.contract, trees.manifest, {"kind": "trees", **TREES}, **WHY), "trees again")
    ids = read_graph(trees).ids
    states = {node: run_node(trees, "trees again", node).state for node in ids[: ids.index("Trainer") + 1]}
    assert states["Trainer"] == "cached"


def test_the_page_of_trees_tells_iterations(trees: Finished) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from console.pages.router import Present, pages_router
    from monitoring.drift.reference import NoReference

    app = FastAPI()
    app.include_router(pages_router(trees, Present(lambda: "", lambda: (NoReference("", ""), pd.DataFrame()))))
    with TestClient(app) as client:
        page = client.get(f"/models/{trees.record.pushed_version}").text
    assert f"{TREES['iterations']} iterations." in page and "kind trees, " in page
    assert "Dropout" not in page and '"text":"iteration"' in page
