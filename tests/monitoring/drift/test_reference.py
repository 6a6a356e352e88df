"""The reference: every row of the champion's own export, checked, with the champion's own answers."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import LakeloopError
from lakeloop.model_card import CARD_FILE
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from monitoring.drift.reference import NoReference, Reference, load_reference, through_model_server
from monitoring.drift.watched_answers import watched_answers
from monitoring.live import REFERENCE_SECONDS, LiveMonitor
from tests.monitoring.conftest import NOBODY, push_card
from tests.monitoring.request_log import Log
from tests.monitoring.test_live import shows
from tests.operations.batch_scoring.test_score import push_model
from tests.ports import free_port
from tests.warm_programs import running_server


class Model:
    """Answers for a model that calls every third row high; counts how many rows it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, use_case: UseCase, version: str, features: pd.DataFrame) -> np.ndarray:
        assert version == "7"
        self.asked += len(features)
        return np.where(np.arange(len(features))[:, None] % 3 == 0, [0.9, 0.1, 0.0], [0.2, 0.3, 0.5])


def known(settings: Settings, contract: Contract, model: Model | None = None) -> Reference:
    found = load_reference(UseCase(settings, contract), "7", model or Model())
    assert isinstance(found, Reference)
    return found


def missing(settings: Settings, contract: Contract, version: str = "7") -> str:
    found = load_reference(UseCase(settings, contract), version, Model())
    assert isinstance(found, NoReference) and found.model_version == version
    return found.reason


def test_the_reference_is_every_row_of_the_export_bit_by_bit(home: Settings, contract: Contract) -> None:
    found = known(home, contract)
    rows = sample_period(UseCase(home, contract), 0)[list(contract.features)]
    by = list(contract.features)[1]
    expected = rows.sort_values(by, ignore_index=True)
    pd.testing.assert_frame_equal(found.features.sort_values(by, ignore_index=True), expected, check_dtype=False)
    assert len(found.features) == 1500 and found.model_version == "7"


def test_the_model_is_asked_once_and_about_nothing_that_rules_would_answer(home: Settings, contract: Contract) -> None:
    model = Model()
    first, again = known(home, contract, model), known(home, contract, model)
    power = first.features["power"]
    may_answer = int(((power >= 50) & (power < 250)).sum())
    assert 1000 < may_answer < 1500
    assert model.asked == may_answer
    assert first.predictions is not None and again.predictions is not None
    assert first.predictions.tolist() == again.predictions.tolist()
    assert first.predictions.value_counts().to_dict() == {
        "high": -(-may_answer // 3), "low": may_answer - -(-may_answer // 3)
    }  # fmt: skip


def test_how_sure_the_model_was_is_kept_and_asked_for_where_an_older_release_did_not(
    home: Settings, contract: Contract
) -> None:
    model = Model()
    first = known(home, contract, model)
    assert first.confidences is not None and first.predictions is not None
    assert sorted(first.confidences.unique()) == [0.5, 0.9]
    assert (first.confidences == 0.9).tolist() == (first.predictions == "high").tolist()
    again = known(home, contract, model)
    assert again.confidences is not None and again.confidences.tolist() == first.confidences.tolist()
    kept = open_use_case(home).folder("reports") / "reference" / "7.json"
    older = {name: value for name, value in json.loads(kept.read_text()).items() if name != "confidences"}
    kept.write_text(json.dumps(older))
    away = load_reference(UseCase(home, contract), "7")
    assert isinstance(away, Reference) and away.predictions is not None and away.confidences is None
    assert away.predictions.tolist() == first.predictions.tolist(), "the classes are known all the same"
    assert known(home, contract, model).confidences is not None


def test_answers_of_another_export_are_not_taken(home: Settings, contract: Contract) -> None:
    model = Model()
    known(home, contract, model)
    before = model.asked
    kept = open_use_case(home).folder("reports") / "reference" / "7.json"
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"manifest_sha256": "b" * 64}))
    known(home, contract, model)
    assert model.asked == 2 * before
    kept.write_text("{ torn")
    known(home, contract, model)
    assert model.asked == 3 * before


def test_a_model_server_that_is_away_costs_only_the_prediction(home: Settings, contract: Contract) -> None:
    found = load_reference(UseCase(home, contract), "7")
    assert isinstance(found, Reference) and found.predictions is None and len(found.features) == 1500
    assert f"the model server at {NOBODY} does not answer for version 7" in found.why_no_predictions
    assert known(home, contract).predictions is not None


def test_a_vacuumed_export_is_no_reference(home: Settings, contract: Contract) -> None:
    shutil.rmtree(open_use_case(home).folder("export"))
    reason = missing(home, contract)
    assert "the rows that version 7 of insurance was trained on are not there any more" in reason
    assert "manifest.json was removed. `lakeloop train` makes a model whose rows are kept" in reason


def test_a_shard_that_was_removed_or_changed_is_no_reference(home: Settings, contract: Contract) -> None:
    shard = next(open_use_case(home).folder("export").rglob("eval/*.csv"))
    content = shard.read_bytes()
    shard.write_bytes(content.replace(b"1", b"2", 1))
    assert f"{shard.name} was changed (its sha256 is not the manifest's)" in missing(home, contract)
    shard.unlink()
    assert f"{shard.name} was removed" in missing(home, contract)
    shard.write_bytes(content)
    assert len(known(home, contract).features) == 1500
    manifest = open_use_case(home).folder("export") / "0" / "manifest.json"
    manifest.write_text(manifest.read_text() + "\n")
    assert "manifest.json is another export now (its sha256 differs)" in missing(home, contract)


def test_a_version_without_facts_or_not_pushed_is_no_reference(home: Settings, contract: Contract) -> None:
    assert missing(home, contract, "8").startswith("there is no pushed version 8 of insurance; pushed: 7")
    (open_use_case(home).folder("models") / "7" / CARD_FILE).unlink()
    assert "version 7 of insurance does not say what it was trained on" in missing(home, contract)


def test_scores_that_are_no_numbers_name_no_class(contract: Contract) -> None:
    given = np.array([[0.1, 0.2, 0.7], [np.nan, 0.5, 0.5], [0.8, 0.1, np.inf], [0.8, 0.1, 0.1]])
    answers = watched_answers(contract)
    assert answers.predictions(given).tolist() == ["low", None, None, "high"]
    assert answers.predictions(np.empty((0, 3))).tolist() == []


@pytest.fixture(scope="module")
def served(contract: Contract, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A real model in the real model server."""
    home = tmp_path_factory.mktemp("served")
    settings = Settings(home=home, use_case=contract.use_case)
    push_model(contract, open_use_case(settings).folder("models") / "7")
    push_card(contract, settings)
    with running_server({contract.use_case: open_use_case(settings).folder("models")}) as server:
        yield Settings(home=home, use_case=contract.use_case, model_server_url=server.url)


def test_the_real_model_server_gives_the_model_s_own_answers(served: Settings, contract: Contract) -> None:
    from tfx_pipeline.evaluation.prediction import ask_columns, load_saved_model

    rows = sample_period(UseCase(served, contract), 0, rows=2500)[list(contract.features)]
    answers = through_model_server(UseCase(served, contract), "7", rows)
    types = {"float": np.float32, "int": np.int64}
    columns = {name: rows[name].to_numpy(types[f.type]) for name, f in contract.features.items()}
    own = ask_columns(load_saved_model(open_use_case(served).folder("models") / "7"), columns)["probabilities"]
    assert answers.shape == (2500, 3)
    np.testing.assert_allclose(answers, own, atol=1e-6)
    with pytest.raises(LakeloopError, match="versions/8:predict answered 404"):
        through_model_server(UseCase(served, contract), "8", rows)
    found = load_reference(UseCase(served, contract), "7")
    assert isinstance(found, Reference) and found.predictions is not None
    assert found.predictions.nunique() > 1
    assert Path(open_use_case(served).folder("reports") / "reference" / "7.json").is_file()


def test_a_version_that_no_server_serves_is_asked_where_it_lies(served: Settings, contract: Contract) -> None:
    from operations.drift.references import ask_model

    rows = sample_period(UseCase(served, contract), 0, rows=200)[list(contract.features)]
    away = served.model_copy(update={"model_server_url": NOBODY})
    np.testing.assert_allclose(
        ask_model(UseCase(away, contract), "7", rows),
        through_model_server(UseCase(served, contract), "7", rows),
        atol=1e-6,
    )
    with pytest.raises(LakeloopError, match="cannot be loaded"):
        ask_model(UseCase(away, contract), "8", rows)


def test_the_live_monitor_asks_as_soon_as_the_model_server_answers(
    served: Settings, contract: Contract, month: Callable[..., pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both start together, or a first model was just pushed: months of a simulation pass before the next try."""
    monkeypatch.setattr("monitoring.model_watch.LOOK_SECONDS", 0.2)
    (open_use_case(served).folder("reports") / "reference" / "7.json").unlink(missing_ok=True)
    port = free_port()
    Log(served).add(month(0))
    monitor = LiveMonitor(UseCase(served.model_copy(update={"model_server_url": f"http://127.0.0.1:{port}"}), contract))
    monitor.start()
    try:
        before = shows(monitor, lambda s: s.report and s.report.prediction).report
        assert before.prediction.score is None and "is not known" in before.prediction.note
        with running_server({contract.use_case: open_use_case(served).folder("models")}, port=port):
            after = shows(monitor, lambda s: s.report.prediction.score is not None, REFERENCE_SECONDS / 2)
    finally:
        monitor.stop()
    assert after.model_available
