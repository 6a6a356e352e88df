"""The catalogue shows what the contract says."""

from lakeloop.catalogue import catalogue_markdown
from lakeloop.contract import Contract, Gate
from lakeloop.contract_file import load_contract
from tests.use_case_copies import USE_CASES


def test_the_catalogue_names_every_column_with_unit_and_allowed_values(contract: Contract) -> None:
    text = catalogue_markdown(contract)
    for name, feature in contract.features.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
        assert feature.unit in row and feature.allowed in row and feature.description in row
    assert "| 0 | high | above 3.0 |" in text and "| 1 | medium | anything else |" in text
    assert "24 months later" in text
    assert "| accuracy | above 0.85, below 0.95 |" in text and "highest probability is below" in text


def test_named_checks_and_what_decides_stand_among_the_gates_requirements(contract: Contract) -> None:
    feature, value = next((name, one.values[0]) for name, one in contract.features.items() if one.values)
    checks = [
        {"metric": "roc_auc", "above": 0.75},
        {"metric": "recall", "of": "high", "at": {"precision": 0.5}, "above": 0.3, "slice": {feature: value}},
        {"metric": "f1_macro", "above": 0.6, "slice": feature},
        {"metric": "recall", "of": "high", "gap_below": 0.1, "slice": feature},
    ]
    gate = Gate.model_validate({"decides": "roc_auc", "champion_margin": 0.01, "checks": checks, "beats_naive": False})
    lines = catalogue_markdown(contract.model_copy(update={"gate": gate})).splitlines()
    assert "| champion_margin | 0.01 |" in lines
    assert "| roc_auc on eval | above 0.75 |" in lines
    assert f"| recall of high at precision 0.5 on eval, where {feature} is {value} | above 0.3 |" in lines
    assert f"| f1_macro on eval, for each {feature} | above 0.6 |" in lines
    assert f"| recall of high gap over {feature} on eval | below 0.1 |" in lines
    assert "| better than an answer that knows no row | not asked |" in lines
    assert "| compared with the champion by | roc_auc |" in lines


def test_named_checks_and_a_number_are_told_too() -> None:
    text = catalogue_markdown(load_contract(USE_CASES["rentals"] / "rentals" / "contract.yaml"))
    assert "the number in `counts.rented`" in text and "holds the truth of 80% of such rows" in text
    assert "| interval_coverage on eval | above 0.7, below 0.9 |" in text
    assert "| mean_absolute_error gap over workday on eval | below 60 |" in text
    assert "answer where an input is unusual" in text


def test_a_label_of_a_later_period_and_what_it_has_to_beat_are_told() -> None:
    text = catalogue_markdown(load_contract(USE_CASES["shops"] / "shops" / "contract.yaml"))
    assert "derived from `accounts.turnover`, 1 year later (Turnover of the year" in text
    assert "| better than `turnover` as it is | beyond chance |" in text
