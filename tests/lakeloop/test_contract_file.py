"""Wrong contracts are everyday: every mistake is named at once, with its line and what is allowed."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.errors import ContractError
from lakeloop.settings import PROJECT

GOOD = PROJECT / "data" / "insurance" / "contract.yaml"
TEXT = GOOD.read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = yaml.safe_load(TEXT)


def problems_of(folder: Path, text: str) -> list[str]:
    """The mistakes found in a contract text; its helper files lie beside it."""
    for name in ("rules.py", "generator.py"):
        (folder / name).write_text((GOOD.parent / name).read_text())
    path = folder / "contract.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        load_contract(path)
    assert caught.value.exit_code == 2
    return caught.value.problems


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_the_contracts_of_the_project_are_good() -> None:
    assert list(load_contract(GOOD).features) == [
        "training", "age", "emergency_braking", "braking_distance", "power", "miles",
    ]  # fmt: skip
    assert load_contract(PROJECT / "tests/use_cases/churn/contract.yaml").label.class_names == (
        "stays",
        "leaves",
    )


def test_every_mistake_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    text = (
        TEXT.replace("layers: 3", "layrs: 3")
        .replace("valid: [0, 150]", "valid: [150, 0]")
        .replace('salt: "2"', "salt: 2")
        .replace("slices: [training", "slices: [trainin")
    )
    found = problems_of(tmp_path, text)
    assert len(found) == 4
    assert found[0].startswith(f"line {line_of(text, 'age:')}, features.age: ") and "[150.0, 0.0]" in found[0]
    assert found[1].startswith(f"line {line_of(text, 'salt:')}, split.salt: is 2")
    assert found[2].startswith(f"line {line_of(text, 'layrs')}, model.layrs: ") and "`layers`" in found[2]
    assert found[3].startswith(f"line {line_of(text, 'slices:')}, slices.0: 'trainin' is not a feature")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("test: wasserstein", "test: wasserstien", "allowed: 'wasserstein'"),
        ("columns: [policy_id, risk]", "columns: [policy_id, rsk]", "`rsk` is neither key"),
        ("columns: [policy_id, risk]", "columns: [risk, training]", "the key `policy_id` is missing"),
        ("  source: claims", "  source: claim", "allowed: policies, claims"),
        ("  name: group\n", "  name: age\n", "the name of another column"),
        ("when: {above: 3}", "when: {above: 3, below: 4}", "exactly one of"),
        ("    - name: medium\n", "    - name: medium\n      when: {above: 9}\n", "must have no `when`"),
        ("files: claims-{month}.csv", "files: claims.csv", "{month} once"),
        ("accuracy: {above: 0.85, below: 0.95}", "accuracy: {above: 0.95, below: 0.85}", "must be smaller"),
        ("rules: rules.py:risk_group", "rules: rules.py:risky", "has no function `risky`"),
        ("generator: generator.py", "generator: generate.py", "does not exist"),
        ("start: 2023-01", "start: 2023-13", "must match"),
        ("    unit: m\n", "    unit: m\n    unit: km\n", "stands twice"),
        ("    age: {at_least: 10", "    agee: {at_least: 10", "is not a feature"),
        ("key:\n  column: policy_id", "key:\n  colum: policy_id", "is missing; add `column"),
        ("values: [0, 1]", "values: [0, 2]", "a binary feature needs"),
        ("epochs: 50", "epochs: many", "is 'many'"),
        ("    Age of the driver: Alter", "    Age of a driver: Alter", "did you mean 'Age of the driver'?"),
        ("separator: \";\"", "separator: ';;'", "at most 1"),
    ],
)  # fmt: skip
def test_a_mistake_names_what_is_allowed(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in TEXT
    found = problems_of(tmp_path, TEXT.replace(old, new, 1))
    assert any(expected in problem for problem in found), found
    assert all(problem.startswith("line ") for problem in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "not valid YAML"),
        ("- just\n- a list", "a mapping of keys"),
        ("", "a mapping of keys"),
        ("a: \x00", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_contract_is_one_clear_error(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in problems_of(tmp_path, text)[0]


def test_a_missing_file_names_the_use_cases_there_are() -> None:
    with pytest.raises(ContractError, match="use cases there: insurance"):
        load_contract(PROJECT / "data" / "nothing" / "contract.yaml")


def paths_of(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [p for key, item in inner for p in [(*at, key), *paths_of(item, (*at, key))]]


WRONG = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.lists(st.integers(), max_size=3), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(paths_of(DOCUMENT)), wrong=WRONG)
def test_any_value_anywhere_gives_a_contract_or_its_mistakes(
    tmp_path: Path, path: tuple[str | int, ...], wrong: Any
) -> None:
    document = copy.deepcopy(DOCUMENT)
    inner: Any = document
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = wrong
    for name in ("rules.py", "generator.py"):
        (tmp_path / name).write_text((GOOD.parent / name).read_text())
    file = tmp_path / "contract.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    try:
        assert isinstance(load_contract(file), Contract)
    except ContractError as error:
        assert error.problems and all(p.startswith("line ") for p in error.problems)


@settings(max_examples=60, deadline=None)
@given(value=st.floats(-100, 100))
def test_every_ground_truth_has_exactly_one_class(value: float) -> None:
    label = load_contract(GOOD).label
    expected = "high" if value > 3 else "low" if value < 1 else "medium"
    assert label.class_names[label.class_id(value)] == expected
