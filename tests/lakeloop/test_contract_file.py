"""Wrong contracts are everyday: every mistake is named at once, with its line and what is allowed."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeloop.contract import Contract
from lakeloop.contract.features import notes_on
from lakeloop.contract_file import MEANT, load_contract
from lakeloop.exceptions import ContractError
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
        ("files: claims-{month}.csv", "files: claims-{month}-{month}.csv", "write the period once"),
        ("accuracy: {above: 0.85, below: 0.95}", "accuracy: {above: 0.95, below: 0.85}", "must be smaller"),
        ("rules: rules.py:risk_group", "rules: rules.py:risky", "has no function `risky`"),
        ("generator: generator.py", "generator: generate.py", "does not exist"),
        ("generator: generator.py", "generator: generator.py\nhistory: past", "history: replays periods, and `gen"),
        ("    files: claims-", "    fetch: {}\n    files: claims-", "fetch.py does not exist"),
        ("    files: claims-", "    fetch: {command: rules.py}\n    files: claims-", "has no function `fetch`"),
        ("start: 2023-01", "start: 2023-13", "such as 2024-01"),
        ("    unit: m\n", "    unit: m\n    unit: km\n", "stands twice"),
        ("    age: {at_least: 10", "    agee: {at_least: 10", "is not a feature"),
        ("key:\n  column: policy_id", "key:\n  colum: policy_id", "is missing; add `column"),
        ("values: [0, 1]", "values: [0, 2]", "a binary feature needs"),
        ("epochs: 50", "epochs: many", "is 'many'"),
        ("  layers: 3\n", "  kind: tree\n", "no such `kind` of model; did you mean `trees`? there are: network"),
        ("monitoring:\n", "monitoring:\n  confidence_drift: 0.1\n", "is 0.1; what stands here has keys of its own: te"),
        ("slices: [", "crosses: [{columns: []}]\nslices: [", "columns: is empty; 2 or more are needed"),
        ("  layers: 3\n", "  kind: forest\n", "model: there is no such `kind` of model; there are: network, trees"),
        ("  layers: 3\n", "  kind: network\n  leaves: 9\n", "model.leaves: is a key of `kind: trees`; say so"),
        ("    Age of the driver: Alter", "    Age of a driver: Alter", "did you mean 'Age of the driver'?"),
        ("separator: \";\"", "separator: ';;'", "at most 1"),
        ("separator: \";\"", "read: {columns: {month: {unit: $}}}", "a unit stands beside numbers"),
        ("separator: \";\"", "read: {columns: {age: {missing: [-999]}}}", "without quotes"),
    ],
)  # fmt: skip
def test_a_mistake_names_what_is_allowed(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in TEXT
    found = problems_of(tmp_path, TEXT.replace(old, new, 1))
    assert any(expected in problem for problem in found), found
    assert all(problem.startswith("line ") for problem in found)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("leaves: 1", "is 1; input should be greater than or equal to 2"),
        ("leafs: 9", "is not a key of a contract; did you mean `leaves`?"),
        ("units: 9", "is a key of `kind: network`; say so, or leave it out"),
    ],
)
def test_a_mistake_in_the_settings_of_trees_names_line_and_key(tmp_path: Path, line: str, expected: str) -> None:
    start, end = TEXT.index("  layers: 3"), TEXT.index("\ntraining:")
    text = f"{TEXT[:start]}  kind: trees\n  {line}\n{TEXT[end:]}"
    assert problems_of(tmp_path, text) == [f"line {line_of(text, line)}, model.{line.split(':')[0]}: {expected}"]


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


def test_a_missing_file_is_one_clear_error() -> None:
    with pytest.raises(ContractError, match=r"contract\.yaml: the file does not exist$"):
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


CATEGORY = """
  zone:
    description: Where the car is
    type: string
    role: categorical
    values: {values}
    drift: {{test: jensenshannon, threshold: 0.1}}
  miles:"""


def with_zone(values: str) -> str:
    """The contract with one more feature, whose `values` are written so."""
    text = TEXT.replace("\n  miles:", CATEGORY.format(values=values), 1)
    return text.replace("power, miles]", "power, zone, miles]")


def test_a_name_without_quotes_that_yaml_takes_for_nothing_is_a_mistake_with_its_line(tmp_path: Path) -> None:
    text = TEXT.replace("  miles:\n", "  null:\n").replace("power, miles]", "power, null]")
    assert any("line " in problem and "null" in problem for problem in problems_of(tmp_path, text))


def test_texts_without_quotes_are_one_mistake_that_says_how_to_write_them(tmp_path: Path) -> None:
    (found,) = problems_of(tmp_path, with_zone("[Yes, No, maybe, on]"))
    assert "features.zone.values: is Yes, No, on without quotes, which YAML reads as a truth value; write " in found
    assert found.endswith('write "Yes", "No", "on"')
    many = ", ".join(f"{number:02d}" for number in range(10, 72))
    (found,) = problems_of(tmp_path, with_zone(f"[{many}]"))
    assert "is 10, 11, 12, 13, 14 and 57 more without quotes, which YAML reads as a number" in found
    assert len(found) < 200


def test_a_number_that_yaml_reads_in_another_base_is_named(tmp_path: Path) -> None:
    found = problems_of(tmp_path, with_zone("[010, 1:30, 09]"))
    assert any("is 010 without quotes, which YAML reads as 8" in problem for problem in found)
    assert any("is 1:30 without quotes, which YAML reads as 90" in problem for problem in found)
    assert any('write "010", "1:30"' in problem for problem in found)


def test_long_lists_are_not_repeated_in_a_mistake(tmp_path: Path) -> None:
    companies = [f"company {number}" for number in range(62)]
    (found,) = problems_of(tmp_path, with_zone(str([*companies, "company 7"])))
    assert "names a value twice: 'company 7'" in found and "company 8" not in found


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("valid: [0, 150]", "valid: [0, .inf]", "a number with an end is needed"),
        ("valid: [0, 150]", "valid: [.nan, 150]", "a number with an end is needed"),
        ("valid: [0, 150]", "valid: [0, 1.0e+300]", "a model's float is one of 32 bits and ends at 3.403e+38"),
        ("when: {above: 3}", "when: {above: .inf}", "a number with an end is needed"),
        ("when: {above: 3}", "when: {above: 100}", "gives the class high"),
        ("when: {above: 3}", "when: {equals: yes}", 'is yes without quotes'),
        ('salt: "2"', "salt: 2", 'is 2 without quotes, which YAML reads as a number; write "2"'),
        ("name: medium", "name: no", 'is no without quotes, which YAML reads as a truth value; write "no"'),
        ("use_case: insurance", "use_case: Car insurance", "a name is of lower-case letters"),
        ("start: 2023-01", "start: 0000-01", "the year is 1970 or later"),
        ("generator: generator.py", "generator: generator", "a Python file beside the contract"),
        ("rules: rules.py:risk_group", "rules: rules.py", "write FILE.py:FUNCTION"),
        ('separator: ";"', 'separator: "."', "take one such as ','"),
        ("files: claims-{month}.csv", "files: claims-{month}.part", "are not looked at"),
        ("    age: {at_least: 10, below: 150}", "    age: {at_least: 150, below: 10}", "must be smaller than `below`"),
        ("  confidence_below: 0.5", "  segments: [age < old]\n  confidence_below: 0.5", "`age` is a number"),
        ("event_time:\n  column: month", "event_time:\n  column: policy_id", "is also the key"),
    ],
)  # fmt: skip
def test_what_would_fail_later_is_refused(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in TEXT
    found = problems_of(tmp_path, TEXT.replace(old, new, 1))
    assert any(expected in problem for problem in found), found
    assert not any("^" in problem for problem in found), "a regular expression explains nothing"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ('["a", ""]', "the empty text"),
        ('["a\\0b", "c"]', "NUL"),
        ("[]", "got none"),
    ],
)
def test_values_that_no_file_can_deliver_are_refused(tmp_path: Path, values: str, expected: str) -> None:
    assert any(expected in problem for problem in problems_of(tmp_path, with_zone(values)))


@pytest.mark.parametrize(
    ("valid", "expected"),
    [
        ("[0, 9223372036854775807]", "whole numbers are exact up to"),
        ("[0.2, 0.8]", "no whole number lies there"),
    ],
)
def test_a_range_without_a_whole_number_or_beyond_them_is_refused(tmp_path: Path, valid: str, expected: str) -> None:
    text = TEXT.replace("type: float\n    role: numeric\n    unit: years\n    valid: [0, 150]",
                        f"type: int\n    role: numeric\n    unit: years\n    valid: {valid}")  # fmt: skip
    assert text != TEXT
    (found,) = problems_of(tmp_path, text)
    assert expected in found


def test_digits_that_a_float_cannot_keep_are_said_and_not_refused(tmp_path: Path) -> None:
    wide = load_contract(GOOD).features
    assert list(notes_on(wide)) == []
    miles = wide["miles"].model_copy(update={"valid": (0.0, 1e9)})
    (note,) = notes_on({**wide, "miles": miles})
    assert note.startswith("features.miles: its `valid` reaches to 1,000,000,000") and "123456792" in note


@pytest.mark.parametrize("name", ["at", "key", "request_id", "class", "self", "line", "confidence", "probability_high",
                                  "policy_id", "month", "as_of"])  # fmt: skip
def test_a_feature_cannot_have_a_name_that_is_taken(tmp_path: Path, name: str) -> None:
    document = yaml.safe_load(TEXT)
    document["features"][name] = document["features"].pop("power")
    columns = document["sources"]["policies"]["columns"]
    columns[columns.index("power")] = name
    columns[:] = list(dict.fromkeys(columns))
    del document["fallback"]["ranges"]["power"], document["translations"]
    found = problems_of(tmp_path, yaml.safe_dump(document, sort_keys=False))
    assert any(f"features.{name}" in problem for problem in found), found


@pytest.mark.parametrize("name", ["request_id", "driver"])
def test_a_feature_cannot_have_the_name_of_another_field_of_a_request(tmp_path: Path, name: str) -> None:
    document = yaml.safe_load(TEXT)
    del document["requests"], document["fallback"]["ranges"]["power"], document["translations"]
    document["features"][name] = document["features"].pop("power") | {"group": None}
    columns = document["sources"]["policies"]["columns"]
    columns[columns.index("power")] = name
    found = problems_of(tmp_path, yaml.safe_dump(document, sort_keys=False))
    assert any(f"a request would have two fields `{name}`" in problem for problem in found), found


@pytest.mark.parametrize("name", ["deliveries", "rejects", "requests", "predictions"])
def test_a_source_cannot_have_the_name_of_a_table_of_the_lake(tmp_path: Path, name: str) -> None:
    text = TEXT.replace("  claims:\n", f"  {name}:\n").replace("  source: claims", f"  source: {name}")
    (found,) = problems_of(tmp_path, text)
    assert f"`{name}` is a table of the lake itself" in found


def test_a_use_case_cannot_have_the_name_of_a_path_of_gateway_or_monitor(tmp_path: Path) -> None:
    (found,) = problems_of(tmp_path, TEXT.replace("use_case: insurance", "use_case: login"))
    assert re.match(
        r"line \d+, use_case: `login` is a path of the gateway or the monitor itself, as are alerts, ", found
    )
    assert found.endswith("; give the use case, and its folder, another name")


def test_what_the_tables_keep_for_themselves_is_known_to_the_contract() -> None:
    from lakehouse.gold import performance
    from lakehouse.read import as_of as points
    from lakehouse.requests import lines as request_lines
    from lakeloop.contract import reserved_names
    from operations.batch_scoring.score import _columns

    predictions = request_lines.prediction_columns(load_contract(GOOD))
    kept = f"{predictions}, {request_lines.record_fields(load_contract(GOOD))}"
    own = re.findall(r"(?:^|, )([a-z]\w*) (?:string|int|double|timestamp|array)\b", kept)
    assert {*own, "line"} == {*reserved_names.PREDICTIONS}
    compared = {*performance.PERSISTED, *performance.PERSISTENCE_RATE}
    assert {*performance.COUNTS, *performance.RATES, *compared, "model_version"} == set(reserved_names.PERFORMANCE)
    assert points.AS_OF in reserved_names.POINTS
    scored = _columns(load_contract(GOOD))
    assert all(f"{name} " in scored or f"`{name}` " in scored for name in reserved_names.SCORES)


def test_every_pattern_of_a_contract_is_explained_in_words() -> None:
    schema = str(Contract.model_json_schema())
    patterns = set(re.findall(r"'pattern': '([^']*)'", schema))
    assert {pattern.replace("\\\\", "\\") for pattern in patterns} == set(MEANT)
