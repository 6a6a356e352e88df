"""Keys that no file has as they are: of a generated row the same as of that row in the file that delivers it."""

import dataclasses
import shutil
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv

from lakeloop.contract import Key
from lakeloop.contract_file import load_contract
from lakeloop.drawn_rows import sample_period
from lakeloop.row_keys import row_keys
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from operations.delivery import generate
from operations.period_rows import period_rows
from operations.simulation import questions_of
from tests.use_case_copies import USE_CASES

LINES = pa.array([2, 3])


def test_keys_are_made_of_delivered_texts() -> None:
    contract = load_contract(USE_CASES["noise"] / "noise" / "contract.yaml")
    texts = {
        "district": pa.array(["007", None]), "month": pa.array(["2024-01", "2024-01"]),
        "cars": pa.array(["1.50", None]), "area": pa.array(["homes", ""]),
    }  # fmt: skip

    def keys(made: dict[str, object]) -> list[str | None]:
        changed = contract.model_copy(update={"key": Key.model_validate(made)})
        found: list[str | None] = row_keys(changed, "traffic", texts, pa.array(["a.csv", "b.csv"]), LINES).to_pylist()
        return found

    assert keys({"columns": ("district", "month")}) == ["007|2024-01", None]
    assert keys({"made": "file_line"}) == ["a.csv:2", "b.csv:3"]
    hashed = sha256(b"homes\0001.50\000007\0002024-01").hexdigest()[:32]
    assert keys({"made": "row_hash"}) == [hashed, sha256(b"\0\0\0002024-01").hexdigest()[:32]]


@pytest.mark.parametrize("key", [{"columns": ("district", "month")}, {"made": "row_hash"}, {"made": "file_line"}])
def test_generated_rows_have_the_keys_that_their_files_will_get(tmp_path: Path, key: dict[str, object]) -> None:
    use_case = open_use_case(load_settings(home=tmp_path, use_case="noise", use_cases=USE_CASES["noise"]))
    contract = use_case.contract.model_copy(update={"key": Key.model_validate(key)})
    use_case = dataclasses.replace(use_case, contract=contract)
    (delivered, *_) = generate(use_case, [0], rows=30)
    names = contract.sources["traffic"].columns
    found = csv.read_csv(
        delivered.path, convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    )
    texts = {name: found[name].combine_chunks() for name in names}
    made = row_keys(contract, "traffic", texts, pa.scalar(delivered.path.name), pa.array(range(2, 32)))
    assert sample_period(use_case, 0, 30)["row_key"].tolist() == made.to_pylist()
    assert len(set(made.to_pylist())) == 30


@pytest.mark.parametrize("key", ["{columns: [district, month]}", "{columns: [month, district, area]}"])
def test_rows_of_a_history_have_the_keys_that_they_were_drawn_with(tmp_path: Path, key: str) -> None:
    text = (USE_CASES["noise"] / "noise" / "contract.yaml").read_text(encoding="utf-8")
    if "area" in key:  # a key of the source that has it alone
        text = text.replace("columns: [month, complaints, district]", "columns: [month, complaints, district, area]")
    for name, kind in (("drawn", "generator: generator.py"), ("replayed", "history: history")):
        folder = tmp_path / name / "noise"
        folder.mkdir(parents=True)
        shutil.copy(USE_CASES["noise"] / "noise" / "generator.py", folder)
        written = text.replace("{columns: [district, month]}", key).replace("generator: generator.py", kind)
        (folder / "contract.yaml").write_text(written, encoding="utf-8")
    drawn, replayed = (
        open_use_case(load_settings(home=tmp_path / "home", use_case="noise", use_cases=tmp_path / name))
        for name in ("drawn", "replayed")
    )
    generate(drawn, [0], rows=30, out=tmp_path / "replayed" / "noise" / "history")
    again = period_rows(replayed, 0)
    assert again["row_key"].tolist() == sample_period(drawn, 0, 30)["row_key"].tolist()
    assert again["complaints"].notna().all()


def test_requests_of_a_simulation_have_the_parts_of_a_compound_key_in_one_text(tmp_path: Path) -> None:
    use_case = open_use_case(load_settings(home=tmp_path, use_case="noise", use_cases=USE_CASES["noise"]))
    assert questions_of(use_case, 1, "test")[7].key == "00007|2024-02"
