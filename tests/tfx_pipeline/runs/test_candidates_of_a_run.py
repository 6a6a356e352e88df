"""Candidates on one export: what they share, what weights and the Tuner change, and that only one is pushed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import WrongUseError
from lakeloop.pushed_models import pushed_versions
from lakeloop.use_case import UseCase, open_use_case
from tests.exports import month_export, settings_in
from tfx_pipeline.runs.graph import PUSHING, TUNER
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import NodeState, RunRecord, load_run
from tfx_pipeline.runs.runner import push_run, run_pipeline
from tfx_pipeline.training.row_weights import save_row_weights

SHARED = {"GoldExport", "ExampleGen", "StatisticsGen", "ImportSchemaGen", "ExampleValidator", "DataGate", "Transform"}
EPOCHS = 12
pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Candidates(UseCase):
    """A home with one export and the weights of its rows: those with training count three times as much."""

    manifest: Path
    weights: Path

    def run(self, push: bool = False, **options: Any) -> RunRecord:
        parameters = run_parameters(self.contract, self.manifest, {"epochs": EPOCHS}, trigger="test", **options)
        return run_pipeline(self, parameters, push=push)


@pytest.fixture(scope="module")
def candidates(
    tmp_path_factory: pytest.TempPathFactory,
    contract: Contract,
) -> Candidates:
    home = tmp_path_factory.mktemp("home")
    settings = settings_in(home, "insurance")
    # A few epochs make a model that is better than the shares of the classes, and good enough for a gate this mild.
    gate = contract.gate.model_copy(
        update={
            "accuracy": contract.gate.accuracy.model_copy(update={"above": 0.4}),
            "class_share_tolerance": None,
            "max_probability": None,
            "train_eval_gap_below": None,
            "champion_margin": 0.5,
        }
    )
    mild = contract.model_copy(update={"gate": gate})
    manifest = month_export(mild, settings, home / "export" / "0")
    rows = sample_period(UseCase(settings, mild), 0)
    weights = {key: 3.0 if training else 1.0 for key, training in zip(rows["policy_id"], rows["training"], strict=True)}
    return Candidates(settings, mild, manifest, save_row_weights(open_use_case(settings), weights))


@pytest.fixture(scope="module")
def plain(candidates: Candidates) -> RunRecord:
    return candidates.run(push=True)


@pytest.fixture(scope="module")
def reweighted(candidates: Candidates, plain: RunRecord) -> RunRecord:
    return candidates.run(weighting="reweight", weights=candidates.weights)


@pytest.fixture(scope="module")
def tuned(candidates: Candidates, reweighted: RunRecord) -> RunRecord:
    return candidates.run(trials=2)


def states(run: RunRecord) -> dict[str, NodeState]:
    return {node.node: node.state for node in run.nodes}


def test_candidates_share_the_nodes_before_the_trainer(reweighted: RunRecord, tuned: RunRecord) -> None:
    for run in (reweighted, tuned):
        assert {states(run)[node] for node in SHARED} == {"cached"}
        assert {states(run)[node] for node in ("Trainer", "Evaluator", "QualityGate")} == {"ran"}


def test_weights_change_what_is_learned(plain: RunRecord, reweighted: RunRecord) -> None:
    assert len(reweighted.history.loss) == EPOCHS
    assert reweighted.history.loss != plain.history.loss


def test_the_gate_compares_with_the_champion_by_weight(plain: RunRecord, reweighted: RunRecord) -> None:
    assert plain.gate is not None and plain.gate.weighted_accuracy == {}
    report = reweighted.gate
    assert report is not None and set(report.weighted_accuracy) == {"train", "eval"}
    assert report.weighted_accuracy["eval"] != report.accuracy["eval"]
    (against,) = [check for check in report.checks if check.name == "not_worse_than_champion"]
    assert against.value == pytest.approx(report.weighted_accuracy["eval"]) and "weighted" in against.bound


def test_the_tuner_runs_where_trials_are_asked_for_and_its_best_reach_the_trainer(
    candidates: Candidates, reweighted: RunRecord, tuned: RunRecord
) -> None:
    from tfx_pipeline.metadata.store import open_store

    assert states(reweighted)[TUNER] == "skipped" and reweighted.tuned == {}
    assert states(tuned)[TUNER] == "ran"
    assert set(tuned.tuned) == {"units", "dropout", "learning_rate"}
    node = tuned.node(TUNER)
    assert node is not None and node.result.startswith("best of 2 trials: units ")
    trainer = tuned.node("Trainer")
    with open_store(candidates.settings) as store:
        events = store.get_events_by_execution_ids([trainer.execution_id if trainer else 0])
    assert "hyperparameters" in {event.path.steps[0].key for event in events}


def test_only_the_chosen_candidate_is_pushed_from_its_own_run(
    candidates: Candidates, plain: RunRecord, reweighted: RunRecord, tuned: RunRecord
) -> None:
    assert pushed_versions(candidates) == [plain.pushed_version]
    assert not {"InfraValidator", "Pusher"} & set(states(tuned))
    assert reweighted.blessed
    pushed = push_run(candidates, reweighted.run_id)
    assert {states(pushed)[node] for node in PUSHING} == {"ran"}
    assert pushed_versions(candidates) == [plain.pushed_version, pushed.pushed_version]
    assert load_run(candidates, reweighted.run_id) == pushed


def test_a_refused_candidate_cannot_be_pushed(candidates: Candidates, tuned: RunRecord) -> None:
    from tfx_pipeline.runs.run_record import save_run

    save_run(candidates, tuned.model_copy(update={"run_id": "refused", "blessed": False}))
    with pytest.raises(WrongUseError, match="was not blessed"):
        push_run(candidates, "refused")
