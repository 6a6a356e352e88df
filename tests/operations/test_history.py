"""A use case whose months are not drawn but were: their delivered files are replayed."""

import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from lakeloop.clock import set_clock
from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import ContractError, WrongUseError
from lakeloop.model_input import request_rows
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.analysis.rows import rows_by_period
from operations.delivery import generate, release
from operations.evaluation import generated_rows, whose_truth
from operations.history import history_periods, history_rows
from operations.simulation import questions_of, simulate, without_gateway
from tests.command_line import warm_lakeloop_in
from tests.lakes import claims
from tests.trips import trips_csv
from tests.use_case_copies import USE_CASES, copy_insurance

REPLAYED = {"generator: generator.py": "history: history"}
MONTHS = ("2023-01", "2023-02", "2023-04")


@pytest.fixture
def drawn(use_case: UseCase) -> UseCase:
    """The use case with a generator, whose months are the replayed ones' history."""
    return use_case


@pytest.fixture
def replayed(drawn: UseCase, tmp_path: Path) -> UseCase:
    """The same use case with files of months 0, 1 and 3 in place of its generator."""
    folder = copy_insurance(tmp_path / "use_cases", REPLAYED)
    generate(drawn, [0, 1, 3], rows=40, seed=1, out=folder / "insurance" / "history")
    return open_use_case(load_settings(home=tmp_path / "home", use_case="insurance", use_cases=folder))


def landing(use_case: UseCase) -> dict[str, bytes]:
    root = use_case.folder("landing")
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.csv")}


def test_a_months_rows_are_those_of_its_files_to_the_last_digit(replayed: UseCase, drawn: UseCase) -> None:
    assert history_periods(replayed) == (0, 1, 3)
    for month in (0, 1, 3):
        pd.testing.assert_frame_equal(
            history_rows(replayed, month), sample_period(drawn, month, rows=40, seed=1), check_exact=True
        )


def test_files_are_delivered_as_they_are_and_truth_when_it_is_due(replayed: UseCase) -> None:
    delivered = generate(replayed, [0, 1])
    assert [(d.source, d.period, d.rows, d.due) for d in delivered] == [
        ("policies", 0, 40, None), ("claims", 0, 40, None), ("policies", 1, 40, None), ("claims", 1, 40, 25)
    ]  # fmt: skip
    set_clock(replayed, 25)
    release(replayed)
    history = replayed.contract_path.parent / "history"
    assert landing(replayed) == {
        f"{source}/{source}-{month}.csv": (history / source / f"{source}-{month}.csv").read_bytes()
        for source in ("policies", "claims")
        for month in MONTHS[:2]
    }


def test_a_correction_is_replayed_with_the_file_it_corrects_and_counts(replayed: UseCase) -> None:
    first = history_rows(replayed, 0)["policy_id"][0]
    corrected = replayed.contract_path.parent / "history/claims/claims-2023-01.v2.csv"
    corrected.write_text(f"policy_id;risk\n{first};77\n")
    assert history_rows(replayed, 0).set_index("policy_id")["risk"][first] == 77
    generate(replayed, [0])
    assert landing(replayed)["claims/claims-2023-01.v2.csv"] == corrected.read_bytes()


def test_a_simulation_plays_the_months_there_are_and_tells_the_others(replayed: UseCase) -> None:
    asked: dict[int, Sequence[str]] = {}
    answer = without_gateway(replayed, "a")

    def remembered(month, questions, on_answers):  # type: ignore[no-untyped-def]
        asked[month] = [question.key for question in questions]
        return answer(month, questions, on_answers)

    report = simulate(replayed, range(4), remembered, label="a", until=27)
    assert report.empty == (2,) and report.answered.requests == 80
    assert asked == {month: list(history_rows(replayed, month)["policy_id"]) for month in (1, 3)}
    assert [path.name for path in report.delivered] == ["claims-2023-02.csv", "claims-2023-04.csv"]
    with pytest.raises(WrongUseError, match=r"has no file of month 7 \(2023-08\); it has months 0-1, 3"):
        simulate(replayed, range(7, 9), answer, label="a")


def test_rows_that_break_the_contract_are_not_asked_and_unknown_truth_is_missing(replayed: UseCase) -> None:
    folder = replayed.contract_path.parent / "history"
    policies, known = folder / "policies/policies-2023-01.csv", folder / "claims/claims-2023-01.csv"
    header, one, two, three, *_ = policies.read_text().replace('"', "").splitlines()
    unreadable = two.split(";")
    unreadable[3] = "forty"
    policies.write_text("\n".join([header, one, ";".join(unreadable), three]) + "\n")
    known.write_text(claims("x", 1.0) + f"{one.split(';')[0]};2.5\n")
    rows = history_rows(replayed, 0)
    assert list(rows["policy_id"]) == [one.split(";")[0], three.split(";")[0]]
    assert [q.key for q in questions_of(replayed, 0, "a")] == list(rows["policy_id"])
    assert rows["risk"][0] == 2.5 and pd.isna(rows["risk"][1])
    assert list(generated_rows(replayed, 0)["policy_id"]) == [one.split(";")[0]]
    policies.write_text(header + "\n" + ";".join(unreadable) + "\n")
    with pytest.raises(WrongUseError, match=r"none of the 1 rows that the history of insurance has of month 0"):
        history_rows(replayed, 0)


def test_with_oracle_rows_and_truth_are_the_historys(replayed: UseCase) -> None:
    rows = rows_by_period(replayed, 3, oracle=True)
    assert list(rows.by_period) == [0, 1, 3] and rows.source == "the history"
    assert "the history's own labels" in whose_truth(replayed, 3, oracle=True, rows=40)
    with pytest.raises(WrongUseError, match="has no file of month 2"):
        rows_by_period(replayed, 2, oracle=True)


def test_rows_and_seed_are_for_a_generator(replayed: UseCase) -> None:
    with pytest.raises(WrongUseError, match="replays its history as it was"):
        generate(replayed, [0], rows=10)


def test_what_is_wrong_with_a_history_is_said(replayed: UseCase, tmp_path: Path) -> None:
    run = warm_lakeloop_in(tmp_path / "home", LAKELOOP_USE_CASES=str(tmp_path / "use_cases"))
    good = run("contract", "check", "-u", "insurance")
    assert good.returncode == 0 and "Its history has months 0-1, 3." in " ".join(good.stdout.split())
    history = replayed.contract_path.parent / "history"
    for file in (history / "policies").iterdir():
        file.rename(file.with_suffix(".txt"))
    with pytest.raises(WrongUseError, match=r"has no file of any month from 2023-01 on.*policies-.month..csv"):
        history_periods(replayed)
    history.rename(history.with_name("elsewhere"))
    gone = run("contract", "check", "-u", "insurance")
    assert gone.returncode == 2 and "there is no such folder" in gone.stderr


def test_a_contract_has_generator_or_history_not_both(tmp_path: Path) -> None:
    folder = copy_insurance(tmp_path, {"generator: generator.py": "generator: generator.py\nhistory: history"})
    with pytest.raises(ContractError, match="history: replays periods, and `generator` draws them"):
        open_use_case(load_settings(home=tmp_path / "home", use_case="insurance", use_cases=folder))


def test_gaps_and_truth_values_are_replayed_as_they_were_delivered(tmp_path: Path) -> None:
    case = Path(shutil.copytree(USE_CASES["trips"] / "trips", tmp_path / "trips"))
    (case / "contract.yaml").write_text((case / "contract.yaml").read_text() + "history: history\n")
    (case / "history" / "trips").mkdir(parents=True)
    gaps = dict.fromkeys(("fare", "seconds", "seats", "night", "company"), "")
    file = trips_csv({"seats": "3.0", "shared": "Yes"}, gaps, {"zone": ""}, {"fare": "1e39"}, {"shared": "perhaps"})
    (case / "history" / "trips" / "trips-2024-01.csv").write_text(file)
    replayed = open_use_case(load_settings(home=tmp_path / "home", use_case="trips", use_cases=tmp_path))
    rows = request_rows(replayed.contract.features, history_rows(replayed, 0))
    known = {"fare": 12.5, "seconds": 600, "seats": 3, "night": True, "company": "Acme, Inc."}
    assert rows == [
        known | {"shared": True, "zone": "01"}, dict.fromkeys(known) | {"shared": False, "zone": "01"}
    ]  # fmt: skip
    assert [question.features for question in questions_of(replayed, 0, "first")] == rows


def test_a_file_may_lack_an_optional_column_and_the_first_row_of_a_key_counts(tmp_path: Path) -> None:
    case = Path(shutil.copytree(USE_CASES["trips"] / "trips", tmp_path / "trips"))
    (case / "contract.yaml").write_text((case / "contract.yaml").read_text() + "history: history\n")
    (case / "history" / "trips").mkdir(parents=True)
    rows = pd.read_csv(io.StringIO(trips_csv({}, {}, {"trip": "t0", "fare": "30"})), dtype=str).drop(columns="company")
    rows.to_csv(case / "history" / "trips" / "trips-2024-01.csv", index=False)
    replayed = open_use_case(load_settings(home=tmp_path / "home", use_case="trips", use_cases=tmp_path))
    found = history_rows(replayed, 0)
    assert list(found["trip"]) == ["t0", "t1"] and list(found["fare"]) == [12.5, 12.5]
    assert found["company"].isna().all()
