"""Which use cases are served, and what is said of one that is not there."""

from pathlib import Path

import pytest

from lakeloop.exceptions import ContractError, LakeloopError, WrongUseError
from lakeloop.live_use_cases import LiveUseCases
from lakeloop.served_use_cases import check_served, in_brief, served_names
from lakeloop.settings import Settings


@pytest.fixture(autouse=True)
def no_use_case_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LAKELOOP_USE_CASE", "LAKELOOP_SERVED_USE_CASES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("bikes", "taxi"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "contract.yaml").touch()
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_all_of_the_folder_are_served_or_those_that_are_named(folder: Path) -> None:
    assert served_names(Settings(use_cases=folder)) == ["bikes", "taxi"]
    assert served_names(Settings(use_cases=folder, served_use_cases="taxi, gone")) == ["taxi"]


@pytest.mark.parametrize("named", [{"served_use_cases": "taxi,claims"}, {"use_case": "claims"}])
def test_one_that_is_named_and_not_there_is_wrong_use(folder: Path, named: dict[str, str]) -> None:
    settings = Settings(use_cases=folder, **named)  # type: ignore[arg-type]
    with pytest.raises(WrongUseError, match=r"no use case 'claims' in .*; use cases there: bikes, taxi"):
        check_served(settings)
    with pytest.raises(WrongUseError, match="no use case 'claims'"):
        LiveUseCases(settings).look()


def test_the_projects_own_choice_need_not_be_there_and_something_has_to(folder: Path, tmp_path: Path) -> None:
    check_served(Settings(use_cases=folder))
    with pytest.raises(WrongUseError, match="`lakeloop new` drafts one"):
        check_served(Settings(use_cases=tmp_path / "notes"))


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            ContractError(
                "c.yaml", ["line 2, keys: is no key", "line 9, label: is missing", "line 9, split: is missing"]
            ),
            "line 2, keys: is no key (and 2 more: `lakeloop contract check -u taxi`)",
        ),
        (
            ContractError("c.yaml", ["line 2, keys: is no key"]),
            "line 2, keys: is no key (`lakeloop contract check -u taxi`)",
        ),
        (LakeloopError("another monitor watches it\n  process 7"), "another monitor watches it"),
    ],
)
def test_why_one_is_refused_is_said_in_one_line(problem: LakeloopError, said: str) -> None:
    assert in_brief("taxi", problem) == said
