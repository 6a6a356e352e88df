"""A use case whose sources are all fetched: what they have of the years that are over is its history."""

import json
from itertools import groupby
from pathlib import Path

import pandas as pd
import pytest

from lakeloop.clock import set_clock
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase
from operations.delivery import generate
from operations.exceptions import FetchError
from operations.fetching import fetched_history
from operations.fetching.fetch import fetch
from operations.fetching.fetched_history import fetch_history, is_to_be_fetched, leave_to_history
from operations.history import history_periods, history_rows
from operations.places.shapes import shapes_file
from operations.simulation import questions_of
from tests.command_line import warm_lakeloop_in
from tests.fetched_shops import Archive, fetched_shops
from tests.shops import shops_in


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> tuple[UseCase, Archive]:
    """With its history; tests read it alone."""
    use_case, archive = fetched_shops(tmp_path_factory.mktemp("fetched"))
    report = fetch_history(use_case)
    assert (report.last, report.new_files) == ("2012", 6)
    return use_case, archive


def files_of(folder: Path) -> list[str]:
    """The files below a folder but for what is known of fetches, which lies in hidden ones."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".fetch" not in path.parts)
    return sorted(path.relative_to(folder).as_posix() for path in files)


def test_its_rows_are_those_of_a_folder_of_the_same_files(fetched: tuple[UseCase, Archive], tmp_path: Path) -> None:
    use_case, _ = fetched
    beside_contract = shops_in(tmp_path, years=3, shops=20, before=True)
    assert history_periods(use_case) == history_periods(beside_contract) == (0, 1, 2)
    for year in range(3):
        pd.testing.assert_frame_equal(history_rows(use_case, year), history_rows(beside_contract, year))
    asked, in_files_order = (questions_of(one, 1, "a") for one in (use_case, beside_contract))
    by_key = {one.key: one.features for one in asked}
    assert len(asked) == 20 and by_key == {one.key: one.features for one in in_files_order}


def test_places_report_one_after_the_other_each_with_all_its_rows(fetched: tuple[UseCase, Archive]) -> None:
    use_case, _ = fetched
    place = use_case.contract.place
    assert place is not None
    regions = use_case.contract.model_copy(update={"place": place.model_copy(update={"column": "staff"})})
    by_shop, by_staff = (questions_of(one, 1, "a") for one in (use_case, UseCase(use_case.settings, regions)))
    shops = [one.key for one in by_shop]
    assert shops != sorted(shops) and [one.at for one in by_shop] == sorted(one.at for one in by_shop)
    staff = [one.features["staff"] for one in by_staff]
    assert len(set(staff)) < len(staff) == 20, "some have as many people, and are taken for one place"
    assert [count for count, _ in groupby(staff)] == list(dict.fromkeys(staff))


def test_nothing_of_it_lands_but_the_shapes_which_are_no_files_of_a_source(fetched: tuple[UseCase, Archive]) -> None:
    use_case, _ = fetched
    landing, place = use_case.folder("landing"), use_case.contract.place
    assert place is not None and json.loads(shapes_file(use_case, place).read_text())["year"] == "2012"
    years = [f"{source}/accounts-{year}.csv" for source in ("accounts", "before") for year in (2010, 2011, 2012)]
    assert files_of(landing / ".history") == [*years, "whole.json"]
    assert files_of(landing) == [*(f".history/{one}" for one in [*years, "whole.json"]), "shops.geojson"]


def test_a_contract_is_told_with_the_years_of_its_history_once_they_are_there(
    fetched: tuple[UseCase, Archive], tmp_path: Path
) -> None:
    use_case, archive = fetched
    archive.asked  # noqa: B018 - what was before
    cases = {"LAKELOOP_USE_CASES": str(use_case.settings.use_cases), "LAKELOOP_USE_CASE": "shops"}
    told, bare = (warm_lakeloop_in(home, **cases)("contract", "check") for home in (use_case.settings.home, tmp_path))
    assert told.returncode == bare.returncode == 0 and archive.asked == []
    assert "Its history has years 0-2." in " ".join(told.stdout.split()) and "history" not in bare.stdout


def test_an_interrupted_fetch_goes_on_and_counts_when_it_is_whole(tmp_path: Path) -> None:
    use_case, archive = fetched_shops(tmp_path)
    with pytest.raises(WrongUseError, match="`lakeloop data fetch --history --use-case shops` fetches it"):
        history_periods(use_case)
    good = archive.file(2011).read_text()
    archive.file(2011).write_text("")
    with pytest.raises(FetchError, match=r"accounts, 2011: ValueError: accounts-2011\.csv is being written"):
        fetch_history(use_case)
    assert archive.asked == ["accounts 2010", "accounts 2011"] and is_to_be_fetched(use_case)
    archive.file(2011).write_text(good)
    assert fetch_history(use_case).new_files == 5 and history_periods(use_case) == (0, 1, 2)
    assert archive.asked[0] == "accounts 2011"


def test_a_gap_is_passed_over_a_long_one_is_the_end_and_what_comes_later_is_fetched_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_case, archive = fetched_shops(tmp_path)
    archive.file(2011).unlink()
    monkeypatch.setattr(fetched_history, "LONGEST_GAP", 1)
    assert fetch_history(use_case).last == "2010"
    assert archive.asked == ["accounts 2010", "accounts 2011", "before 2010"]
    monkeypatch.undo()
    assert fetch_history(use_case).last == "2012" and history_periods(use_case) == (0, 2)
    assert archive.asked == ["accounts 2011", "accounts 2012", "before 2011", "before 2012"]


def test_a_period_that_is_not_whole_yet_is_not_played(tmp_path: Path) -> None:
    use_case, archive = fetched_shops(tmp_path, years=1)
    fetch_history(use_case)
    archive.file(2011).write_text(archive.file(2010).read_text().replace("2010", "2011"))
    script = use_case.contract_path.parent / "fetch.py"
    script.write_text(script.read_text() + '    if source == "before":\n        raise ValueError("too late")\n')
    with pytest.raises(FetchError, match="before, 2011: ValueError: too late"):
        fetch_history(use_case)
    assert history_periods(use_case) == (0,)


def test_its_files_land_as_they_are_and_are_not_fetched_besides(tmp_path: Path) -> None:
    use_case, archive = fetched_shops(tmp_path, years=2)
    fetch_history(use_case)
    leave_to_history(use_case, range(2))
    delivered = [(one.source, one.path.name, one.rows) for one in generate(use_case, [0])]
    assert delivered == [("accounts", "accounts-2010.csv", 20), ("before", "accounts-2010.csv", 20)]
    landed = use_case.folder("landing") / "accounts" / "accounts-2010.csv"
    assert landed.read_bytes() == archive.file(2010).read_bytes()
    archive.asked  # noqa: B018 - what was before
    set_clock(use_case, 1)
    assert fetch(use_case, "accounts").landed == {} and archive.asked == []
    set_clock(use_case, 2)
    assert fetch(use_case, "accounts").waiting == ("2012",) and archive.asked == ["accounts 2012"]


def test_where_nothing_can_be_fetched_what_the_function_says_is_the_error(tmp_path: Path) -> None:
    use_case, archive = fetched_shops(tmp_path)
    archive.folder.rename(archive.folder.with_name("closed"))
    settings = use_case.settings
    cases = {"LAKELOOP_USE_CASES": str(settings.use_cases), "LAKELOOP_USE_CASE": "shops"}
    run = warm_lakeloop_in(settings.home, **cases, LAKELOOP_NOW=str(settings.now))
    done = run("data", "generate", "--periods", "0-1")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("the archive is closed; `make archive` opens it") == 2, "as it is said, and as the error"
    assert "fetch.py gives no file of accounts for any year from 2010 on that is over; it says: the" in done.stderr


def test_a_use_case_with_another_history_has_none_to_fetch(use_case: UseCase) -> None:
    with pytest.raises(WrongUseError, match="insurance has no history to fetch"):
        fetch_history(use_case)
