"""Several labels a row: columns that say yes or no, their set as the truth, and what a contract cannot ask of it."""

from pathlib import Path

import pytest

from lakeloop.added_columns import with_label
from lakeloop.catalogue import catalogue_markdown
from lakeloop.contract import Contract
from lakeloop.contract.evolution import changes_between
from lakeloop.contract_file import load_contract
from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import ContractError
from lakeloop.exported import column_types
from lakeloop.fallback import given_by, model_answer, rules_answer
from lakeloop.use_case import open_use_case
from tests.exports import settings_in
from tests.use_case_copies import USE_CASES, changed_contract

ROW = {"channel": "web", "plan": "basic", "amounts": 3, "failures": 0, "words": 40}


@pytest.fixture(scope="module")
def tickets() -> Contract:
    return load_contract(USE_CASES["tickets"] / "tickets" / "contract.yaml")


def test_columns_are_the_labels_and_their_set_is_the_truth(tickets: Contract) -> None:
    label = tickets.label
    assert label.task == "multilabel" and label.class_names == ("billing", "login", "outage")
    assert label.column == "topics_set" and label.truth.valid == (0, 7) and label.gold_columns[-1] == "topics_name"
    assert [label.name_of(one) for one in (0, 2, 5)] == ["none", "login", "billing, outage"]
    assert tickets.gate.decides == "f1_micro" and column_types(tickets)["topics"] == "int"
    assert {name: column.type for name, column in tickets.columns_of("topics").items()} == {
        "ticket": "string", "billing": "bool", "login": "bool", "outage": "bool"
    }  # fmt: skip
    assert Contract.model_validate(tickets.model_dump(mode="json")) == tickets


def test_a_row_is_labelled_with_the_columns_that_say_yes(tickets: Contract, tmp_path: Path) -> None:
    drawn = sample_period(open_use_case(settings_in(tmp_path, "tickets")), 0, rows=50)
    drawn = drawn.astype(dict.fromkeys(tickets.label.columns, "object"))
    drawn.loc[0, "login"] = None
    rows = with_label(tickets, drawn)
    assert 0 not in rows.index and len(rows) == 49, "nobody knows the set of a row whose label is missing"
    assert (rows["topics"] == rows["billing"] + 2 * rows["login"] + 4 * rows["outage"]).all()
    assert set(rows["topics_name"]) >= {"none", "billing"}


def test_the_catalogue_says_that_a_row_may_have_several(tickets: Contract) -> None:
    text = catalogue_markdown(tickets)
    assert "those of the columns of `topics` that say yes; a row may have several, or none" in text
    assert "| 2 | outage |" in text and "less likely than 0.2" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"  columns: [billing, login, outage]\nsplit": "  columns: [billing, login, outage]\n"
          "  decision: {metric: f1}\nsplit"}, "`decision` is a threshold between two classes"),
        ({"  columns: [billing, login, outage]\nsplit": "  columns: [billing, login, outage]\n"
          "  truth: {description: a, type: float}\nsplit"}, "`type: bool`"),
        ({"  columns: [billing, login, outage]\nsplit": "  columns: [billing, login, outage]\n"
          "  column: billing\nsplit"}, "leave `column` out"),
        ({"  columns: [billing, login, outage]\nsplit": "  columns: [billing, billing]\nsplit"}, "twice: billing"),
        ({"  columns: [billing, login, outage]\nsplit": "  columns: [billing]\nsplit"}, "a label of two classes"),
        ({"  columns: [billing, login, outage]\nsplit": "  columns: [billing, {a: b}]\nsplit"}, "2 to 30 names"),
        ({"  columns: [billing, login, outage]\nsplit": "  columns: [billing, login, outages]\nsplit"},
         "did you mean `outage`?"),
        ({"  columns: [billing, login, outage]\nsplit": "  columns: [billing, words]\nsplit"}, "also a feature"),
        ({"split: {salt: \"1\", every: 4}": "split: {salt: \"1\", every: 4, stratify: true}"}, "is several"),
        ({"model: {layers": "training: {balance: smote}\nmodel: {layers"}, "hold the model to `f1_macro`"),
        ({"  accuracy: {above: 0.5}": "  class_share_tolerance: 0.2"}, "this label is several"),
        ({"{metric: hamming_loss, below: 0.2}": "{metric: balanced_accuracy, above: 0.2}"},
         "the nearest that fits is `f1_macro`"),
        ({"{metric: hamming_loss, below: 0.2}": "{metric: mean_absolute_error, below: 0.2}"},
         "the label is of several labels; the nearest that fits is `accuracy`"),
        ({"{metric: hamming_loss, below: 0.2}": "{metric: f1, above: 0.2}"}, "say which, `of: billing`"),
        ({"of: outage": "of: outages"}, "'outages' is not a label; did you mean `outage`?"),
    ],
)  # fmt: skip
def test_what_several_labels_cannot_have_is_said(changes: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(ContractError) as error:
        changed_contract(tmp_path, "tickets", changes)
    assert said in str(error.value)


def test_a_metric_of_several_labels_is_none_of_classes(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="the nearest that fits is `f1_macro`"):
        changed_contract(tmp_path, "churn", {"  train_eval_gap_below: 0.15": "  decides: f1_micro"})


def test_rules_and_model_answer_a_set(tickets: Contract) -> None:
    by_rules = rules_answer(tickets, lambda row: ["outage", "billing"], ROW, "out of range: words")
    assert (by_rules.prediction, by_rules.class_id) == ("billing, outage", 5)  # type: ignore[union-attr]
    for wrong, said in ((["sales"], "none of the labels"), ("billing", "no list of labels"), (3, "no list of labels")):
        with pytest.raises(ValueError, match=said):
            rules_answer(tickets, lambda row, wrong=wrong: wrong, ROW, "")  # type: ignore[misc]
    given = given_by(tickets, {"probabilities": [[0.9, 0.5, 0.1]], "set_id": [3]}, 1)
    assert given == [[0.9, 0.5, 0.1]] and given_by(tickets, {"probabilities": [[0.9, 0.5]]}, 1) is None
    by_model = model_answer(tickets, None, ROW, given[0])
    assert (by_model.prediction, by_model.class_id) == ("billing, login", 3)  # type: ignore[union-attr]
    unsure = model_answer(tickets, lambda row: [], ROW, [0.5, 0.5, 0.5])
    assert unsure.predictor_type == "rules" and unsure.reason == "low confidence: 0.12 is below 0.2"


def test_another_label_more_breaks_what_serves(tickets: Contract, tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text("def usual(row): return []")
    other = changed_contract(tmp_path, "tickets", {
        "  columns: [billing, login, outage]\nsplit": "  columns: [billing, login]\nsplit",
        "{metric: recall, of: outage, above: 0.3}": "{metric: recall, of: login, above: 0.3}",
        "columns: [ticket, billing, login, outage]": "columns: [ticket, billing, login]",
    })  # fmt: skip
    found = {change.where: change for change in changes_between(tickets, other)}
    assert found["label.columns"].weight == "breaks"
