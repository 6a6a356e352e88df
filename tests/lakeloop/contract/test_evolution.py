"""What a changed contract does is told before it happens: what stops, what the next model changes, what is safe."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.contract.evolution import Change, changes_between
from lakeloop.contract_file import load_contract
from tests.use_case_copies import copy_insurance


def changed(folder: Path, texts: Mapping[str, str]) -> Contract:
    return load_contract(copy_insurance(folder, dict(texts)) / "insurance" / "contract.yaml")


def by_place(changes: list[Change]) -> dict[str, str]:
    """Place -> weight, without the line about tables."""
    return {change.where: change.weight for change in changes if change.where != "tables"}


AGE = "    valid: [0, 150]\n    group: driver\n"
POLICIES = '    separator: ";"\n    columns: [policy_id, month'
POWER = "    valid: [1, 2000]\n    group: vehicle\n    drift: {test: wasserstein, threshold: 0.1}\n"


@pytest.mark.parametrize(
    ("texts", "expected", "tables"),
    [
        ({"description: The month the policy was written": "description: Month of the policy"}, {}, False),
        ({AGE: AGE.replace("150", "160")}, {"features.age.valid": "safe"}, True),
        ({AGE: AGE.replace("150", "120")}, {"features.age.valid": "breaks"}, True),
        ({AGE: "    missing: median\n" + AGE}, {"features.age.missing": "breaks"}, True),
        ({AGE: "    transform: log\n" + AGE}, {"features.age.transform": "retrain"}, False),
        ({"    unit: PS\n": "    unit: kW\n"}, {"features.power.unit": "retrain"}, True),
        ({POWER: POWER.replace("0.1", "0.2")}, {"features.power.drift": "safe"}, False),
        ({"  units: 100\n": "  units: 80\n"}, {"model.units": "retrain"}, False),
        ({"champion_margin: 0.01": "champion_margin: 0.02"}, {"gate.champion_margin": "retrain"}, False),
        ({"window: 1500": "window: 1000"}, {"monitoring.window": "safe"}, False),
        (
            {POLICIES: "    read: {columns: {age: {missing: ['99']}}}\n" + POLICIES},
            {"sources.policies.read.columns": "retrain"},
            True,
        ),
        ({"title: Car": "clock: wall\ntitle: Car"}, {"clock": "safe"}, False),
        ({"when: {above: 3}": "when: {above: 4}"}, {"label.classes": "retrain"}, True),
        ({"- name: medium": "- name: middle", "    medium: mittel\n": ""}, {"label.classes": "breaks"}, True),
    ],
)
def test_each_change_has_its_weight(
    contract: Contract, tmp_path: Path, texts: dict[str, str], expected: dict[str, str], tables: bool
) -> None:
    found = changes_between(contract, changed(tmp_path, texts))
    assert by_place(found) == expected
    assert any(change.where == "tables" for change in found) == tables
    assert all(change.effect for change in found)


def test_a_new_feature_breaks_what_lacks_it_unless_it_may_be_missing(contract: Contract) -> None:
    fewer = contract.model_copy(update={"features": {n: f for n, f in contract.features.items() if n != "power"}})
    assert by_place(changes_between(fewer, contract)) == {"features.power": "breaks"}
    optional = contract.features["power"].model_copy(update={"missing": "median"})
    wider = contract.model_copy(update={"features": {**fewer.features, "power": optional}})
    assert by_place(changes_between(fewer, wider)) == {"features.power": "safe"}
    assert by_place(changes_between(contract, fewer)) == {"features.power": "breaks"}


def test_classes_in_another_order_are_said_to_have_other_ids(contract: Contract) -> None:
    turned = contract.label.model_copy(update={"classes": contract.label.classes[::-1]})
    (classes, *_) = changes_between(contract, contract.model_copy(update={"label": turned}))
    assert (classes.where, classes.weight) == ("label.classes", "breaks")
    assert classes.effect.startswith("the same classes at other places, which are their ids")


def test_a_category_gained_is_safe_and_one_lost_breaks(churn: Contract) -> None:
    name, feature = next((n, f) for n, f in churn.features.items() if f.type == "string" and f.values)
    values = feature.values or ()
    more = feature.model_copy(update={"values": (*values, "another")})
    other = churn.model_copy(update={"features": {**churn.features, name: more}})
    assert by_place(changes_between(churn, other)) == {f"features.{name}.values": "safe"}
    assert by_place(changes_between(other, churn)) == {f"features.{name}.values": "breaks"}
