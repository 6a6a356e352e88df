"""Tables that nobody prepared become use cases, every row of them."""

import json
from pathlib import Path

import pandas as pd
import pytest

from lakeloop.settings import load_settings
from operations.history import history_folder, history_periods, history_rows
from operations.new_use_case.create import NewUseCase, create
from operations.new_use_case.draft import Wishes, look
from tests.untouched_tables import TABLES


def made(tmp_path: Path, *paths: Path, label: str, **wishes: object) -> NewUseCase:
    settings = load_settings(home=tmp_path / "home", use_case="table", use_cases=tmp_path / "use_cases")
    return create(settings, "table", "Table", look(paths, Wishes(label, **wishes)))  # type: ignore[arg-type]


def replayed(found: NewUseCase) -> pd.DataFrame:
    return pd.concat([history_rows(found.use_case, number) for number in history_periods(found.use_case)])


@pytest.mark.parametrize(("name", "rows"), [(name, 5_040 if name == "office" else 6_000) for name in TABLES])
def test_every_row_is_replayed_and_a_quick_model_learns_something(tmp_path: Path, name: str, rows: int) -> None:
    write, label = TABLES[name]
    path = write(tmp_path) if name == "office" else write(tmp_path, rows)  # type: ignore[call-arg]
    found = made(tmp_path, path, label=label)
    assert len(replayed(found)) == rows
    beside = found.baselines
    if found.use_case.contract.label.classes:
        assert beside["trees"] > beside["majority"] + 0.05
    else:
        assert beside["trees"] < 0.9 * beside["constant"]


def test_what_stands_in_objects_within_is_a_column(tmp_path: Path) -> None:
    write, label = TABLES["orders"]
    found = made(tmp_path, write(tmp_path), label=label)
    source = found.use_case.contract.sources["orders"]
    assert source.read.records == "result.orders" and source.delivered("customer_city") == ("customer.city",)
    assert {"customer_city", "express", "amount"} <= found.use_case.contract.features.keys()
    assert set(replayed(found)["customer_city"]) == {"Köln", "Bonn", "Aachen", "Trier"}


def test_what_folders_say_is_a_column(tmp_path: Path) -> None:
    write, label = TABLES["shipments"]
    found = made(tmp_path, write(tmp_path), label=label)
    assert found.use_case.contract.features["country"].role == "categorical"
    assert list(found.use_case.contract.sources) == ["shipments"], "and not as Spark calls its parts"
    assert replayed(found)["country"].value_counts().idxmax() == "DE"


def test_folders_of_csv_files_say_columns_too(tmp_path: Path) -> None:
    random = pd.Series(range(600))
    for place in ("north, east", "south"):
        (tmp_path / "rows" / f"place={place}").mkdir(parents=True)
        frame = pd.DataFrame(
            {"number": random, "size": random * 7 % 13, "late": random * 7 % 13 > 6 * (place == "south")}
        )
        frame.to_csv(tmp_path / "rows" / f"place={place}" / "part.csv", index=False)
    found = made(tmp_path, tmp_path / "rows", label="late", keep=("size",))
    assert set(replayed(found)["place"]) == {"north, east", "south"} and len(replayed(found)) == 1_200


def test_files_with_their_columns_in_another_order_or_one_more_are_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    numbers = pd.Series(range(400))
    one = pd.DataFrame({"number": numbers, "a": numbers * 7 % 11, "b": numbers * 5 % 17, "late": numbers * 7 % 22 > 11})
    one.to_csv(folder / "2024-1.csv", index=False)
    other = one.assign(number=numbers + 400, c=numbers % 3)[["late", "c", "b", "a", "number"]]
    other.to_csv(folder / "2024-2.csv", index=False)
    rows = replayed(made(tmp_path, folder, label="late", key=("number",))).sort_values(
        "number", key=lambda n: n.astype(int)
    )
    assert rows["a"].tolist() == [*one["a"], *other["a"]] and rows["b"].tolist() == [*one["b"], *other["b"]]
    assert rows["c"].isna().sum() == 400


def test_lines_of_json_that_are_no_records_are_said_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps({"number": n, "a": n * 7 % 11, "late": n * 7 % 22 > 11}) for n in range(400)]
    path.write_text("\n".join([*lines[:200], '{"number": 4', *lines[200:]]) + "\n")
    found = made(tmp_path, path, label="late")
    assert any("1 lines are no records, first '{\"number\": 4'" in note for note in found.draft.notes)
    assert len(replayed(found)) == 400


def test_units_and_gaps_of_single_columns_are_in_the_contract_and_read_so(tmp_path: Path) -> None:
    numbers = pd.Series(range(1_200))
    price, gap = numbers * 37 % 2_400 + 0.5, numbers % 10 == 4
    frame = pd.DataFrame(
        {
            "order": [f"o{n}" for n in numbers],
            "day": pd.date_range("2024-01-01", periods=1_200, freq="4h").strftime("%Y-%m-%d").where(~gap, "1900-01-01"),
            "price": [f"${value:,.2f}" for value in price],
            "share": [f"{value}%" for value in numbers * 7 % 101],
            "celsius": (numbers * 11 % 40 - 10).where(~gap, -999),
            "big": (price > 1_200).map({True: "yes", False: "no"}),
        }
    )
    frame.to_csv(tmp_path / "orders.csv", index=False)
    found = made(tmp_path, tmp_path / "orders.csv", label="big", keep=("price",))
    contract = found.use_case.contract
    read = contract.sources["orders"].read
    assert {name: (one.unit, one.missing) for name, one in read.columns.items()} == {
        "day": ("", ("1900-01-01",)), "price": ("$", ()), "share": ("%", ()), "celsius": ("", ("-999",)),
    }  # fmt: skip
    rows = replayed(found)
    assert len(rows) == 1_080 and rows["celsius"].notna().all()  # those without a day are in no file
    assert {frame["share"][n] for n in numbers[~gap]} == {f"{value:.0f}%" for value in rows["share"]}
    assert rows["price"].max() == price[~gap].max() and contract.features["price"].unit == "$"
    assert "# assumed: '-999' in `celsius` was taken for a gap" in found.use_case.contract_path.read_text()


def test_comments_above_a_header_that_names_two_columns_alike_are_above_the_rows_of_the_history_too(
    tmp_path: Path,
) -> None:
    lines = ["\ufeff# exported", "# in April", "number;value;value;late"]
    lines += [f"{n};{n % 7},5;{n * 5 % 11};{'ja' if n * 7 % 22 > 11 else 'nein'}" for n in range(600)]
    (tmp_path / "rows.csv").write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")
    found = made(tmp_path, tmp_path / "rows.csv", label="late")
    assert len(replayed(found)) == 600 and found.use_case.contract.sources["rows"].read.skip_lines == 3
    file = next(history_folder(found.use_case).rglob("*.csv"))
    assert len(file.read_text(encoding="utf-8").splitlines()) > 3 + 40


def test_an_age_makes_the_day_of_the_event_a_feature(tmp_path: Path) -> None:
    numbers = pd.Series(range(1_200))
    begun = pd.date_range("2023-01-01", periods=1_200, freq="8h")
    frame = pd.DataFrame(
        {
            "begun": begun.strftime("%d.%m.%Y"),
            "born": (begun - pd.to_timedelta(6_000 + numbers * 37 % 20_000, "D")).dt.strftime("%m/%d/%Y"),
            "size": numbers * 7 % 11,
            "old": (numbers * 37 % 20_000 + numbers * 7 % 11 * 300 > 11_000).map({True: "Y", False: "N"}),
        }
    )
    frame.to_csv(tmp_path / "members.csv", index=False)
    found = made(tmp_path, tmp_path / "members.csv", label="old", time="begun")
    features = found.use_case.contract.features
    assert "born" not in found.draft.key.columns, "no two were born on one day, and yet it names nobody"
    assert features["born"].parts == ("age_days",) and features["begun"].parts == ("weekday",)
    assert found.use_case.contract.label.class_names == ("no", "yes")
    assert found.baselines["trees"] > found.baselines["majority"] + 0.2
