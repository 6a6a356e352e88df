"""A use case and its home as one: where its things are, and what it refuses to be opened from."""

from pathlib import Path

import pytest

from lakeloop.exceptions import WrongUseError
from lakeloop.settings import PROJECT, Settings, load_settings
from lakeloop.use_case import UseCase, open_use_case


def test_a_use_case_is_opened_by_name_and_its_folders_bear_it(settings: Settings) -> None:
    chosen = open_use_case(settings)
    assert chosen.name == chosen.contract.use_case == "insurance"
    assert chosen.contract_path == PROJECT / "data" / "insurance" / "contract.yaml"
    assert chosen.folder("models") == settings.home / "models" / "insurance"
    assert chosen.table("gold/training") == str(settings.home / "lake" / "gold" / "insurance" / "training")
    assert callable(chosen.module("generator.py").sample)


def test_two_use_cases_of_one_home_live_in_one_process(tmp_path: Path) -> None:
    for name in ("insurance", "churn"):
        source = PROJECT / ("data" if name == "insurance" else "tests/use_cases") / name
        (tmp_path / "use_cases").mkdir(exist_ok=True)
        (tmp_path / "use_cases" / name).symlink_to(source)
    settings = load_settings(home=tmp_path, use_case="insurance", use_cases=tmp_path / "use_cases")
    one, other = open_use_case(settings), open_use_case(settings, "churn")
    assert one.settings == other.settings
    assert (one.name, other.name) == ("insurance", "churn")
    assert one.folder("landing").parent == other.folder("landing").parent
    assert one.module("generator.py") is not other.module("generator.py")


def test_the_lake_may_be_in_an_object_store(settings: Settings) -> None:
    there = settings.model_copy(update={"lake": "s3://bucket/lake/"})
    use_case = UseCase(there, open_use_case(settings).contract)
    assert use_case.table("silver/claims") == "s3://bucket/lake/silver/insurance/claims"
    assert use_case.work_folder == settings.home.absolute() / "lake" / "_work" / "insurance", (
        "locks need a local folder"
    )


def test_a_use_case_that_nobody_named_is_refused(settings: Settings) -> None:
    with pytest.raises(WrongUseError, match="no use case"):
        open_use_case(settings.model_copy(update={"use_case": ""}))


def test_a_use_case_that_is_not_there_is_named_before_its_files(settings: Settings) -> None:
    with pytest.raises(WrongUseError, match=r"^there is no use case 'nothing', .*; use cases there: .*insurance$"):
        open_use_case(settings, "nothing")


def test_a_folder_of_another_name_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "motor").symlink_to(PROJECT / "data" / "insurance")
    with pytest.raises(WrongUseError, match="call both the same"):
        open_use_case(settings.model_copy(update={"use_cases": tmp_path / "cases"}), "motor")
