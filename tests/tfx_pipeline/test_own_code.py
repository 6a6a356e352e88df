"""A use case with code of its own, in real runs: which nodes run anew when a file changes, and what is recorded."""

import shutil
from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.exceptions import OwnCodeError
from lakeloop.manifest import read_manifest
from lakeloop.model_card import read_model_card
from lakeloop.own_code import code_sha256
from lakeloop.own_files import own_files
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.lineage.reproduce import changed_code
from operations.lineage.trace import trace_model
from tests.exports import month_export
from tests.use_case_copies import USE_CASES
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord, load_runs
from tfx_pipeline.runs.runner import run_pipeline

pytestmark = pytest.mark.long

PREPROCESS = """\
import shared


def preprocess(inputs, learn):
    return {"little": shared.below(inputs["usage"], learn.percentiles(inputs["usage"])[24])}
"""
BUILD = """\
import keras


def build_model(columns, settings):
    assert columns.names == ("plan", "usage", "little"), columns
    layers = [keras.layers.Dense(settings.units, activation="relu"), keras.layers.Dense(2, activation="softmax")]
    return keras.Sequential([keras.Input((columns.width,)), *layers])
"""
RUN = """\
import json

import keras
import tensorflow_transform as tft

from tfx_pipeline.training.columns import columns_from, model_inputs_of
from tfx_pipeline.training.fitted import Fitted
from tfx_pipeline.training.rows import in_memory, transformed_rows
from tfx_pipeline.training.signatures import SIGNATURES, save_model


def run_fn(fn_args):
    columns = columns_from(fn_args.custom_config)
    transform = tft.TFTransformOutput(fn_args.transform_output)
    spec = transform.transformed_feature_spec()
    inputs = model_inputs_of(columns, [], spec)
    rows = in_memory(transformed_rows(fn_args.train_files, spec, inputs.names, columns.label), inputs.width)
    model = keras.Sequential([keras.Input((inputs.width,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(rows.features, rows.labels, epochs=30, verbose=0)
    fitted = Fitted(model, [variable.value for variable in model.weights], {})
    served = SIGNATURES[columns.task](fitted, transform, columns, inputs.names)
    save_model(fn_args.serving_model_dir, served, columns, {})
"""


def ways(record: RunRecord) -> dict[str, str]:
    return {node.node: node.state for node in record.nodes}


def test_what_depends_on_a_file_runs_anew_when_it_changes_and_all_of_it_is_recorded(tmp_path: Path) -> None:
    shutil.copytree(USE_CASES["churn"] / "churn", folder := tmp_path / "cases" / "churn")
    files = {"preprocessing": PREPROCESS, "model": BUILD, "shared": "def below(a, b):\n    return a < b\n"}
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    settings = load_settings(home=tmp_path / "home", use_case="churn", use_cases=tmp_path / "cases")
    use_case = open_use_case(settings)
    manifest = month_export(use_case.contract, settings, tmp_path / "export")

    def run() -> RunRecord:
        return run_pipeline(use_case, run_parameters(use_case.contract, manifest))

    first = run()
    assert first.blessed and first.gate is not None and "cost_of_a_row" in first.gate.own
    hashes = {name: file.sha256 for name, file in own_files(folder).items()}
    assert hashes == read_model_card(use_case).own_code and len(hashes) == 3
    assert first.own_code == hashes | {"generator.py": code_sha256(folder / "generator.py")}
    found = trace_model(use_case, first.pushed_version)
    facts = found.item(found.subject).facts
    assert {name: facts[f"code_{name}"] for name in hashes} == hashes

    change(folder / "checks.py", "MOST = 40.0, 5.0, 4.0", "MOST = 40.0, 5.0, 0.001")
    second = run()
    states = ways(second)
    assert states["Transform"] == states["Trainer"] == "cached" and states["QualityGate"] == "ran"
    assert second.gate is not None and [check.name for check in second.gate.failed] == ["cost_of_a_row"]
    assert changed_code(first, second) == ("checks.py",)

    change(folder / "model.py", '"relu"', '"tanh"')
    states = ways(run())
    assert states["Transform"] == "cached" and states["Trainer"] == "ran"

    change(folder / "shared.py", "a < b", "a <= b")
    states = ways(run())
    assert states["StatisticsGen"] == "cached" and states["Transform"] == states["Trainer"] == "ran"

    change(folder / "model.py", "columns.width,", "columns.wide,")
    with pytest.raises(OwnCodeError, match=r"model\.py, line 7: AttributeError: .* has no attribute 'wide'"):
        run()
    assert load_runs(use_case)[-1].error.startswith(str(folder / "model.py"))
    assert_whole_run(use_case, folder, manifest)


def assert_whole_run(use_case: UseCase, folder: Path, manifest: Path) -> None:
    """A `run_fn` of the use case's own: what it saves must have the signatures, and then goes the whole way."""
    (folder / "preprocessing.py").unlink()
    change(folder / "checks.py", "0.001", "40.0")
    (folder / "model.py").write_text("def run_fn(fn_args):\n    pass\n")
    parameters = run_parameters(use_case.contract, manifest)
    with pytest.raises(OwnCodeError, match="line 1: `run_fn` saved no model in "):
        run_pipeline(use_case, parameters)
    (folder / "model.py").write_text(RUN)
    record = run_pipeline(use_case, parameters)
    assert record.blessed and set(record.own_code) == {"model.py", "checks.py", "generator.py"}
    assert record.history.loss == () and record.trained is not None and record.trained.rows is None

    raw = use_case.contract.model_dump(mode="json")
    raw["label"]["decision"] = {"cost": {"false_positive": 1.0, "false_negative": 4.0}}
    raw["gate"].pop("champion_margin", None)
    decided = UseCase(use_case.settings, Contract.model_validate(raw))
    parameters = run_parameters(decided.contract, manifest)
    with pytest.raises(OwnCodeError, match="`run_fn` saved a model without the output `threshold`, and the contract"):
        run_pipeline(decided, parameters)
    saves = "    save_model(fn_args"
    change(folder / "model.py", saves, f'    served.learn(Path(fn_args.custom_config["raw_eval"]))\n{saves}')
    change(folder / "model.py", "import json\n", "from pathlib import Path\n")
    record = run_pipeline(decided, parameters)
    assert record.trained is not None and record.trained.threshold is not None, record
    threshold = record.trained.threshold
    assert threshold.of == "leaves" and threshold.at < 0.5 and threshold.reached.startswith("mean cost 0.")
    held_out = read_manifest(manifest).rows_of("eval")
    assert record.gate is not None and record.gate.rows["eval"] == held_out - threshold.rows, "the other half tells"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
