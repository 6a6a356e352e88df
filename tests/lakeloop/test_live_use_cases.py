"""The use cases that a service serves: one that cannot be served is told, and is in nobody's way."""

import shutil
from pathlib import Path

import pytest

from lakeloop.exceptions import WrongUseError
from lakeloop.live_use_cases import LiveUseCases
from lakeloop.settings import PROJECT, load_settings
from lakeloop.use_case import CONTRACT_FILE, UseCase

EXAMPLES = PROJECT / "tests/use_cases"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("churn", "rides"):
        shutil.copytree(EXAMPLES / name, tmp_path / "use_cases" / name)
    return tmp_path / "use_cases"


def live(folder: Path, **settings: str) -> LiveUseCases:
    return LiveUseCases(load_settings(home=folder.parent / "home", use_cases=folder, **settings))


def test_a_look_tells_what_is_new_what_has_changed_and_what_is_gone(folder: Path) -> None:
    cases = live(folder)
    assert set(cases.look().new) == {"churn", "rides"}
    assert not cases.look().new
    contract = folder / "rides" / CONTRACT_FILE
    contract.write_text(contract.read_text() + "\n# the same, with a note\n")
    assert set(cases.look().new) == {"rides"}
    shutil.rmtree(folder / "churn")
    assert cases.look().gone == {"churn"}


def test_a_contract_that_is_taken_away_is_a_problem_and_no_end(folder: Path) -> None:
    cases = live(folder)
    cases.look()
    (folder / "rides" / CONTRACT_FILE).unlink()
    changes = cases.look()
    assert not changes.new and not changes.gone and "there is no use case 'rides'" in str(cases.problems["rides"])


def test_who_fails_in_whatever_way_keeps_no_other_from_being_made(folder: Path) -> None:
    def make(use_case: UseCase) -> str:
        if use_case.name == "churn":
            raise KeyError("no such word")
        return use_case.name

    cases = live(folder)
    assert cases.made(cases.look().new, make) == {"rides": "rides"}
    assert "unexpectedly (KeyError: 'no such word'); the log tells more" in str(cases.problems["churn"])


@pytest.mark.parametrize("settings", [{"served_use_cases": "rides,claims"}, {"use_case": "claims"}])
def test_a_name_that_is_not_there_is_told_with_those_that_are(folder: Path, settings: dict[str, str]) -> None:
    with pytest.raises(WrongUseError, match=r"there is no use case 'claims' in .*; use cases there: churn, rides"):
        live(folder, **settings).look()


def test_an_empty_folder_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "use_cases").mkdir()
    with pytest.raises(WrongUseError, match="`lakeloop new` drafts one, or set LAKELOOP_USE_CASES"):
        live(tmp_path / "use_cases").look()
