"""Contracts in the words of the Open Data Contract Standard, both ways, and held to the standard's own linter."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft201909Validator
from open_data_contract_standard.model import OpenDataContractStandard

from lakeloop.contract_file import load_contract
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import PROJECT, Settings, load_settings
from operations.open_data_contract.exporting import as_standard
from operations.open_data_contract.receive import Wishes, receive
from tests.use_case_copies import USE_CASES

ORDERS = Path(__file__).with_name("orders.odcs.yaml")
LINTER = PROJECT / ".venv-deploy" / "bin" / "datacontract"


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", use_cases=tmp_path / "use_cases", use_case="")


def exported(name: str, folder: Path) -> Path:
    """A use case's contract as a file of the standard."""
    file = folder / f"{name}.odcs.yaml"
    file.write_text(as_standard(USE_CASES[name] / name / "contract.yaml").to_yaml())
    return file


@pytest.mark.parametrize("name", USE_CASES)
def test_a_contract_comes_back_as_it_was_and_keeps_the_standard(name: str, home: Settings, tmp_path: Path) -> None:
    file = exported(name, tmp_path)
    written = yaml.safe_load(file.read_text())
    Draft201909Validator(yaml.safe_load(OpenDataContractStandard.json_schema())).validate(written)
    beside = USE_CASES[name] / name
    shutil.copytree(beside, home.use_cases / name, ignore=lambda folder, names: {"contract.yaml"})
    received = receive(home, file, Wishes("", ""), force=True)
    assert received.problems == ()
    before, after = load_contract(beside / "contract.yaml"), load_contract(received.path)
    assert after.model_dump(mode="json") == before.model_dump(mode="json")
    assert after.schema_sha256 == before.schema_sha256


def test_what_is_changed_in_the_standard_s_words_counts(home: Settings, tmp_path: Path) -> None:
    document = yaml.safe_load(exported("churn", tmp_path).read_text())
    (table,) = document["schema"]
    usage = next(column for column in table["properties"] if column["name"] == "usage")
    usage["logicalTypeOptions"]["maximum"], usage["description"] = 800, "Hours online"
    document["name"] = "Churn of customers"
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump(document))
    (home.use_cases / "leaving").mkdir(parents=True)
    (home.use_cases / "leaving" / "generator.py").touch()
    contract = load_contract(receive(home, changed, Wishes("leaving", ""), force=True).path)
    assert (contract.use_case, contract.title) == ("leaving", "Churn of customers")
    assert contract.features["usage"].valid == (0, 800) and contract.features["usage"].description == "Hours online"


def test_a_feature_whose_column_was_taken_out_is_named(home: Settings, tmp_path: Path) -> None:
    document = yaml.safe_load(exported("churn", tmp_path).read_text())
    (table,) = document["schema"]
    table["properties"] = [column for column in table["properties"] if column["name"] != "usage"]
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump(document))
    with pytest.raises(WrongUseError, match=r"no table has a column `usage` .* `lakeloop\.features` names it"):
        receive(home, changed, Wishes("leaving", ""), force=False)
    assert not home.use_cases.exists()


def test_what_a_contract_needs_beside_it_is_told(home: Settings, tmp_path: Path) -> None:
    received = receive(home, exported("insurance", tmp_path), Wishes("", ""), force=False)
    assert any("rules.py does not exist" in problem for problem in received.problems)


def test_somebody_else_s_is_a_draft_that_says_what_it_assumed(home: Settings) -> None:
    received = receive(home, ORDERS, Wishes("orders", "status"), force=False)
    contract, text = load_contract(received.path), received.path.read_text()
    assert contract.key.column == "order_id" and contract.event_time.format == "timestamp"
    features = contract.features
    assert list(features) == ["order_total", "items", "payment", "customer_email", "born", "express"]
    assert (features["order_total"].valid, features["order_total"].example) == ((0, 100000), 25.5)
    assert (features["order_total"].type, features["order_total"].role) == ("decimal", "numeric")
    assert (features["born"].type, features["born"].role, features["born"].missing) == ("date", "time", "category")
    assert (features["items"].type, features["items"].missing) == ("int", "median")
    assert (features["payment"].values, features["payment"].missing) == (("card", "invoice", "001"), "category")
    assert features["payment"].description == "Way of paying" and features["express"].role == "binary"
    source = contract.sources["orders"]
    assert source.delivered("payment") == ("Payment Type",) and source.separator == ";"
    assert contract.label.class_names == ("paid", "returned")
    for said in ("`customer_email` is classified as restricted", "left out: `address` is of type object",
                 "left out: `note` is deprecated", "promised: latency 4 d", "s3://shop/orders/*.csv"):  # fmt: skip
        assert said in text
    assert any(doubt.startswith("tables: orders is taken, with the label; left out: line_items")
               for doubt in received.doubts)  # fmt: skip
    assert any(doubt.startswith("gate: every accuracy passes") for doubt in received.doubts)


def test_a_label_may_be_a_condition_on_its_columns(home: Settings) -> None:
    wishes = Wishes("orders", "order_total > 100 and items > 1", key=("order_id", "status"))
    contract = load_contract(receive(home, ORDERS, wishes, force=False).path)
    assert contract.label.made == wishes.label and contract.label.class_names == ("no", "yes")
    assert contract.key.columns == ("order_id", "status")
    assert "order_total" not in contract.features and "items" in contract.features


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        (Wishes("orders", ""), "say what is to be predicted: --label"),
        (Wishes("", "status"), "--name NAME"),
        (Wishes("orders", "state"), "--label state is in none of its tables; say which with --table: orders"),
        (Wishes("orders", "sku"), "no column is a date or timestamp, so nothing says when a row happened"),
        (Wishes("orders", "customer_email"), "its values are not listed; say them with --classes a,b"),
        (Wishes("orders", "status", key=("nr",), time="when"), "--time when: there is no such column"),
        (Wishes("orders", "status", table="lines"), "there is no such table; tables: orders, line_items"),
    ],
)
def test_what_stands_in_the_way_of_a_draft_is_said(home: Settings, wishes: Wishes, words: str) -> None:
    with pytest.raises(WrongUseError) as refused:
        receive(home, ORDERS, wishes, force=False)
    assert words in str(refused.value)
    assert not home.use_cases.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "is no YAML"),
        ("use_case: churn\n", "is no data contract of the Open Data Contract Standard"),
        ("kind: DataContract\napiVersion: v2.2.2\n", "is of version v2.2.2 of the standard; version 3 is read"),
        ("kind: DataContract\napiVersion: v3.0.0\nschemas: []\nversion: [1]\n", "schemas: Extra inputs"),
        ("kind: DataContract\napiVersion: v3.0.0\nid: x\n", "has no `schema`"),
    ],
)
def test_what_is_no_such_file_is_said(home: Settings, tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "given.yaml"
    file.write_text(text)
    with pytest.raises(WrongUseError) as refused:
        receive(home, file, Wishes("orders", "status"), force=False)
    assert words in str(refused.value)


def test_the_standard_s_own_linter_passes_what_is_exported(tmp_path: Path) -> None:
    if not LINTER.exists():
        pytest.skip("the tools' environment is not there (`make compose-tools`)")
    file = exported("insurance", tmp_path)
    done = subprocess.run([LINTER, "lint", file], capture_output=True, text=True, timeout=1400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid" in done.stdout
