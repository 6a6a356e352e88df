"""From files to a use case that works: a contract that passes its check, and a history that is replayed."""

import gzip
import json
import os
import pty
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakeloop.contract_file import load_contract
from lakeloop.exceptions import WrongUseError
from lakeloop.model_input import as_carried
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import UseCase
from operations.delivery import generate
from operations.evaluation import generated_rows
from operations.history import history_periods, history_rows
from operations.new_use_case.create import NewUseCase, check_name, create
from operations.new_use_case.draft import Wishes, look
from operations.simulation import questions_of
from tests.command_line import COMMAND, Run, warm_lakeloop_in
from tests.lakes import OwnLake
from tests.untouched_tables import telephone_customers

ROWS = 3_000


def trips(rows: int = ROWS) -> pd.DataFrame:
    """Trips over ten months, with gaps; tips depend on fare and payment."""
    random = np.random.default_rng(3)
    fare, cash = (random.gamma(3, 8, rows) + 1).round(2), random.random(rows) < 0.4
    share = np.where(cash, 0.02, 0.22) + random.normal(0, 0.05, rows) + fare / 500
    frame = pd.DataFrame(
        {
            "Trip Start": pd.date_range("2023-03-01", periods=rows, freq="145min").strftime("%Y-%m-%d %H:%M:%S"),
            "fare": fare,
            "miles": (fare / 3 + random.normal(0, 0.5, rows)).round(1),
            "payment": np.where(cash, "Cash", "Card"),
            "company": random.choice(["Blue", "Green Cab, Inc.", "Ring"], rows),
            "tips": (fare * share.clip(0)).round(2),
        }
    )
    frame.loc[::11, "company"] = None
    frame.loc[::13, "miles"] = np.nan
    return frame


def as_csv(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_csv(folder / "trips.csv", index=False)
    return folder / "trips.csv"


def as_an_office_writes(frame: pd.DataFrame, folder: Path) -> Path:
    path = folder / "trips.csv"
    frame.assign(company=frame["company"].str.replace("Blue", "Bläu")).to_csv(
        path, index=False, sep=";", decimal=",", encoding="latin-1", na_rep="?", lineterminator="\r\n"
    )
    return path


def as_json_lines(frame: pd.DataFrame, folder: Path) -> Path:
    path = folder / "trips.jsonl.gz"
    path.write_bytes(gzip.compress(frame.to_json(orient="records", lines=True).encode()))
    return path


def as_json(frame: pd.DataFrame, folder: Path) -> Path:
    path = folder / "trips.json"
    path.write_text(json.dumps({"data": {"items": json.loads(frame.to_json(orient="records"))}}))
    return path


def as_parquet_folder(frame: pd.DataFrame, folder: Path) -> Path:
    path = folder / "trips"
    path.mkdir()
    times = pd.to_datetime(frame["Trip Start"])
    for number in range(3):
        part = slice(number * ROWS // 3, (number + 1) * ROWS // 3)
        frame.assign(**{"Trip Start": times})[part].to_parquet(path / f"part-{number}.parquet", index=False)
    return path


def made(
    tmp_path: Path, path: Path, label: str = "tips > 0.2 * fare", kind: str = "network", **wishes: object
) -> NewUseCase:
    settings = load_settings(home=tmp_path / "home", use_case="trips", use_cases=tmp_path / "use_cases")
    draft = look([path], Wishes(label, **wishes))  # type: ignore[arg-type]
    return create(settings, "trips", "Trips", draft, kind=kind)


@pytest.fixture
def lakeloop_new(tmp_path: Path) -> Run:
    """`lakeloop` where new use cases are made."""
    (tmp_path / "use_cases").mkdir()
    return warm_lakeloop_in(tmp_path / "home", LAKELOOP_USE_CASES=str(tmp_path / "use_cases"))


@pytest.mark.parametrize("write", [as_csv, as_an_office_writes, as_json_lines, as_json, as_parquet_folder])
def test_whatever_the_files_are_the_draft_is_good_and_every_row_is_replayed(
    tmp_path: Path, write: Callable[[pd.DataFrame, Path], Path]
) -> None:
    frame = trips()
    found = made(tmp_path, write(frame, tmp_path))
    contract = load_contract(found.use_case.contract_path)
    assert contract == found.use_case.contract and contract.event_time.period == "month"
    assert contract.event_time.start == "2023-03"
    rows = pd.concat([history_rows(found.use_case, number) for number in history_periods(found.use_case)])
    assert len(rows) == ROWS and rows[contract.key.column].is_unique
    assert rows["fare"].tolist() == frame["fare"].tolist()
    assert rows["miles"].isna().sum() == frame["miles"].isna().sum()
    labelled = pd.concat([generated_rows(found.use_case, number) for number in history_periods(found.use_case)])
    assert np.array_equal(labelled[contract.label.name], (frame["tips"] > 0.2 * frame["fare"]).astype(int))
    assert found.baselines["trees"] > found.baselines["majority"]
    assert found.baselines["majority"] < contract.gate.accuracy.above < found.baselines["trees"]


def test_a_number_is_drafted_as_one_with_a_gate_on_its_error(tmp_path: Path) -> None:
    found = made(tmp_path, as_csv(trips(), tmp_path), "fare", kind="trees")
    contract, text = found.use_case.contract, found.use_case.contract_path.read_text()
    assert contract.label.task == "regression" and contract.label.column == "fare"
    assert contract.model.kind == "trees" and "# model: {layers: 2" in text
    assert "  #   - {name: low, when: {below: " in text
    rows = history_rows(found.use_case, history_periods(found.use_case)[0])
    assert np.issubdtype(rows["fare"].dtype, np.floating)
    (check,) = contract.gate.checks
    assert check.metric == contract.gate.decides == "mean_absolute_error"
    assert check.below is not None and found.baselines["trees"] < check.below < found.baselines["constant"]
    assert contract.gate.champion_margin == pytest.approx(found.baselines["constant"] / 100, rel=0.05)


def test_what_was_assumed_stands_beside_it(tmp_path: Path) -> None:
    text = made(tmp_path, as_csv(trips(), tmp_path)).use_case.contract_path.read_text()
    assert "# assumed: no column, and none together with the time, differs in every row." in text
    assert "# to know: label: `fare` stands in the label's expression and is a feature too" in text
    assert 'made: "tips > 0.2 * fare"' in text and "tips:" not in text.split("features:")[1].split("label:")[0]


def test_a_table_without_a_time_is_dealt_out_over_months(tmp_path: Path) -> None:
    found = made(tmp_path, as_csv(trips().drop(columns="Trip Start"), tmp_path))
    contract = found.use_case.contract
    assert not contract.event_time.dated and len(history_periods(found.use_case)) == 12
    rows = pd.concat([history_rows(found.use_case, number) for number in history_periods(found.use_case)])
    assert len(rows) == ROWS and rows["fare"].tolist() == trips()["fare"].tolist()
    assert "No column says when" not in found.use_case.contract_path.read_text()
    assert "no column says when a row happened" in found.use_case.contract_path.read_text()


def test_the_draft_is_taken_by_the_lake_and_asked_at_the_gateway_with_the_same_keys(
    spark: SparkSession, tmp_path: Path
) -> None:
    use_case = made(tmp_path, as_an_office_writes(trips(), tmp_path)).use_case
    lake = OwnLake(use_case.settings, use_case.contract, lambda: spark)
    generate(lake, [0, 1])
    lake.ingest()
    key, contract = lake.contract.key.column, lake.contract
    gold = as_carried(contract.features, lake.rows("gold/training")).set_index(key)
    replayed = pd.concat([generated_rows(lake, number) for number in (0, 1)]).set_index(key)
    assert contract.clock == "wall", "so all that was delivered is known, and the truth of period 1 not held back"
    assert set(gold.index) == set(replayed.index)
    assert len(gold) == sum(len(history_rows(lake, number)) for number in (0, 1))
    for name in contract.features:
        here, there = gold[name].sort_index(), replayed[name].sort_index()
        assert here.isna().equals(there.isna()), name
        assert here.dropna().tolist() == there.dropna().tolist(), name
    assert {q.key for number in (0, 1) for q in questions_of(lake, number, "a")} == set(gold.index)


def test_comments_above_and_between_the_rows_stay_where_a_history_has_them(tmp_path: Path) -> None:
    path = as_csv(trips(), tmp_path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(["# Station 4711", "#", lines[0], "# rows", *lines[1:]]) + "\n")
    found = made(tmp_path, path)
    rows = pd.concat([history_rows(found.use_case, number) for number in history_periods(found.use_case)])
    assert len(rows) == ROWS and found.use_case.contract.sources["trips"].read.comment == "#"


def test_a_use_case_that_is_there_is_replaced_only_when_asked_and_what_else_is_there_stays(tmp_path: Path) -> None:
    path = as_csv(trips(), tmp_path)
    first = made(tmp_path, path).use_case
    beside = first.contract_path.parent / "rules.py"
    beside.write_text("# mine\n")
    with pytest.raises(WrongUseError, match=r"there is a use case trips already.*--force"):
        check_name(first.settings, "trips", force=False)
    check_name(first.settings, "trips", force=True)
    made(tmp_path, path, "miles")
    assert load_contract(first.contract_path).label.column == "miles" and beside.read_text() == "# mine\n"
    assert sorted(one.name for one in (tmp_path / "use_cases").iterdir()) == ["trips"]


def test_a_draft_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(use_case: UseCase) -> pd.DataFrame:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("operations.new_use_case.create._compared", full)
    with pytest.raises(OSError, match="No space left"):
        made(tmp_path, as_csv(trips(), tmp_path))
    assert list((tmp_path / "use_cases").iterdir()) == []


def test_a_name_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="'Trips!' cannot name a use case"):
        check_name(Settings(use_cases=tmp_path), "Trips!", force=False)
    with pytest.raises(WrongUseError, match="cannot be called models, which is a path of the gateway or the monitor"):
        check_name(Settings(use_cases=tmp_path), "models", force=False)


def test_the_command_says_what_it_found_and_ends_with_what_a_model_has_to_beat(
    lakeloop_new: Run, tmp_path: Path
) -> None:
    path = as_csv(trips(), tmp_path)
    done = lakeloop_new("new", "trips", "--from", path, "--label", "tips > 0.2 * fare")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.rstrip().splitlines()
    assert any(line.startswith("time ") and "month" in line for line in lines)
    assert "Next: make demo USE_CASE=trips" in done.stdout
    assert lines[-3].startswith("majority") and lines[-2].startswith("trees")
    assert lines[-1].startswith("the gate asks for")
    good = lakeloop_new("contract", "check", "-u", "trips")
    assert good.returncode == 0 and "Its history has" in " ".join(good.stdout.split())
    again = lakeloop_new("new", "trips", "--from", path, "--label", "tips")
    assert again.returncode == 2 and "--force" in again.stderr
    wrong = lakeloop_new("new", "other", "--from", path, "--label", "tip", "--key", "fare", "--time", "company")
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 4, wrong.stderr
    assert not (tmp_path / "use_cases" / "other").exists()


def test_of_a_rare_class_the_command_shows_what_is_asked_for_instead_of_an_accuracy(
    lakeloop_new: Run, tmp_path: Path
) -> None:
    done = lakeloop_new("new", "customers", "--from", telephone_customers(tmp_path), "--label", "churn")
    assert done.returncode == 0, done.stderr
    shown = {line.split("  ")[0]: line.split() for line in done.stdout.splitlines()}
    assert "the gate asks for" in done.stdout and shown["accuracy"][1].startswith("0.9")
    assert shown["roc_auc of yes"][3] == "0.500" and shown["roc_auc of yes"][-2] == "above"
    assert shown["average_precision of yes"][-2] == "above"


def test_of_a_number_the_command_shows_errors_and_takes_the_kind_of_model(lakeloop_new: Run, tmp_path: Path) -> None:
    path = as_csv(trips(), tmp_path)
    done = lakeloop_new("new", "trips", "--from", path, "--label", "fare", "--kind", "trees")
    assert done.returncode == 0, done.stderr
    assert "label     fare: a number from " in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("mean_absolute_error ")
    wrong = lakeloop_new("new", "other", "--from", path, "--label", "fare", "--kind", "forest")
    assert wrong.returncode == 2 and "there is no kind of model 'forest'; there are: network, trees" in wrong.stderr


def test_on_a_terminal_it_asks_and_an_empty_answer_leaves_what_was_assumed(lakeloop_new: Run, tmp_path: Path) -> None:
    path = as_csv(trips().assign(**{"Trip End": trips()["Trip Start"], "total": trips()["tips"] * 2}), tmp_path)
    arguments = ["new", "trips", "--from", str(path), "--label", "tips"]
    said = typed(arguments, ["Trip End", "", "n", "quarter"], tmp_path)
    assert "Several columns say when: Trip Start, Trip End" in said and "What names a row" in said
    assert "total is `tips` on another scale. Leave out?" in said
    contract = load_contract(tmp_path / "use_cases" / "trips" / "contract.yaml")
    assert (contract.event_time.column, contract.event_time.period) == ("trip_end", "quarter")
    assert contract.key.made == "row_hash" and "total" in contract.features


def typed(arguments: list[str], answers: list[str], folder: Path) -> str:
    """What the command prints on a terminal on which somebody answers each question."""
    ours, theirs = pty.openpty()
    environment = {
        **os.environ, "LAKELOOP_HOME": str(folder / "home"), "LAKELOOP_USE_CASES": str(folder / "use_cases"),
        "COLUMNS": "200", "TERM": "dumb",
    }  # fmt: skip
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    )
    os.close(theirs)
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    said = b""
    with suppress(OSError):  # Linux tells the end of a terminal so
        while piece := os.read(ours, 4096):
            said += piece
    assert process.wait(300) == 0, said.decode()
    return said.decode().replace("\r", "")
