"""What a drafted gate asks for: an accuracy, or where one class is far the commonest, how well rows are ranked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lakeloop.settings import load_settings
from operations.evaluation import generated_rows
from operations.history import history_periods
from operations.new_use_case.create import NewUseCase, create
from operations.new_use_case.draft import Wishes, look
from operations.new_use_case.gate_draft import gate_of, ranking_gate
from tests.exports import export_frame
from tests.untouched_tables import telephone_customers
from tfx_pipeline.evaluation.answers import ModelAnswers
from tfx_pipeline.evaluation.gate import NAIVE
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.runner import run_pipeline


def drafted(tmp_path: Path, noise: bool = False) -> NewUseCase:
    settings = load_settings(home=tmp_path / "home", use_case="customers", use_cases=tmp_path / "use_cases")
    path = telephone_customers(tmp_path, noise=noise)
    return create(settings, "customers", "Customers", look([path], Wishes("churn")))


def test_many_columns_of_few_rows_may_be_learnt_by_heart() -> None:
    gate = gate_of({"majority": 0.5, "trees": 0.88}, by_heart=True)
    assert gate.below is None and gate.above == gate_of({"majority": 0.5, "trees": 0.88}).above


def test_what_trees_cannot_read_may_make_a_model_better_than_they_are() -> None:
    gate = gate_of({"majority": 0.55, "trees": 0.56}, ["review"])
    assert gate.below is None and "without review" in gate.why and gate_of({"majority": 0.55}).below is not None


def ranked(rows: int, knows: float, seed: int = 1) -> ModelAnswers:
    """Answers on rows of which one in 25 is rare; `knows`: how far the rare ones' scores are from the others'."""
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < 0.04).astype(int)
    scores = 1 / (1 + np.exp(3.5 - knows * labels - random.normal(0, 1, rows)))
    return ModelAnswers(labels, np.column_stack([1 - scores, scores]))


def test_of_a_rare_class_it_asks_for_ranks_between_chance_and_what_the_trees_reach_for_sure() -> None:
    gate = ranking_gate(("no", "yes"), np.repeat([0, 1], [960, 40]), ranked(4_000, knows=1.5))
    asked = {check.title: check for check in gate.checks}
    assert gate.decides == "roc_auc" and not gate.by_accuracy and "96.0% of the rows are `no`" in gate.why
    area, pure = asked["roc_auc of yes"], asked["average_precision of yes"]
    assert area.naive == 0.5 and 0.5 < area.words["above"] < area.trees
    assert pure.naive < pure.words["above"] < pure.trees and pure.words["of"] == "yes"
    assert asked["log_loss"].words["below"] == pytest.approx(asked["log_loss"].naive, abs=0.001)


def test_the_rare_class_is_named_wherever_it_stands_and_of_several_all_count() -> None:
    answers = ranked(4_000, knows=1.5)
    turned = ModelAnswers(1 - answers.labels, answers.probabilities[:, ::-1])
    gate = ranking_gate(("bad", "good"), np.repeat([0, 1], [40, 960]), turned)
    assert [check.words.get("of") for check in gate.checks] == ["bad", "bad", None]
    three = ModelAnswers(answers.labels, np.column_stack([answers.probabilities * 0.9, np.full(4_000, 0.1)]))
    gate = ranking_gate(("a", "b", "c"), np.repeat([0, 1, 2], [950, 40, 10]), three)
    assert [check.title for check in gate.checks] == ["roc_auc", "average_precision", "log_loss"]


@pytest.mark.parametrize("trees", [ranked(2_000, knows=0.0), None], ids=["noise", "too few rows"])
def test_where_trees_find_nothing_it_asks_that_a_model_is_better_than_naive_and_no_more(
    trees: ModelAnswers | None,
) -> None:
    gate = ranking_gate(("no", "yes"), np.repeat([0, 1], [960, 40]), trees)
    assert gate.decides == "roc_auc" and not [check for check in gate.checks if check.words]


def test_the_draft_of_a_table_with_a_rare_class_says_why_no_accuracy_is_asked_for(tmp_path: Path) -> None:
    found = drafted(tmp_path)
    gate, text = (
        found.use_case.contract.gate,
        " ".join(found.use_case.contract_path.read_text().replace("#", "").split()),
    )
    assert gate.accuracy is None and gate.train_eval_gap_below is None and gate.decides == "roc_auc"
    assert [(check.metric, check.of) for check in gate.checks][:2] == [("roc_auc", "yes"), ("average_precision", "yes")]
    assert "accuracy says little" in text and "by an answer that knows no row" in text
    assert found.baselines["trees"] < found.baselines["majority"] + 0.01, "trees are no more accurate, either"


@pytest.mark.long
@pytest.mark.parametrize("noise", [False, True], ids=["useful", "noise"])
def test_a_model_that_ranks_passes_though_it_is_no_more_accurate_and_one_of_noise_does_not(
    tmp_path: Path, noise: bool
) -> None:
    use_case = drafted(tmp_path, noise).use_case
    rows = [generated_rows(use_case, number) for number in history_periods(use_case)]
    manifest = export_frame(use_case.contract, pd.concat(rows, ignore_index=True), tmp_path / "export")
    gate = run_pipeline(use_case, run_parameters(use_case.contract, manifest), push=False).gate
    assert gate is not None and gate.accuracy["eval"] < 0.97
    checks = {check.name: check for check in gate.checks}
    assert "roc_auc" in checks[NAIVE].note and checks[NAIVE].bound == "better than 0.500"
    assert gate.passed is not noise, gate.failed
    assert checks[NAIVE].passed is not noise
