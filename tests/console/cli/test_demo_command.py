"""The demo tells what stands in its way before it starts anything."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import demo_story
from console.cli.app import app
from console.cli.demo_story import Play, play_of, rows_a_request
from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.ledger import write_records
from lakeloop.clock import moment_of_now, read_clock, set_clock
from lakeloop.exceptions import LakeloopError, WrongUseError
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.fetching.fetch import fetch
from tests.fetched_shops import fetched_shops
from tests.ports import free_port
from tests.shops import shops_in
from tests.use_case_copies import copy_insurance

ONE_PORT_FOR_TWO = {"LAKELOOP_GATEWAY_PORT": "18123", "LAKELOOP_MONITOR_PORT": "18123"}
"""What stops it before it starts anything."""


@pytest.fixture
def real(tmp_path: Path) -> UseCase:
    """The use case by the wall clock."""
    folder = copy_insurance(tmp_path / "cases", {"use_case: insurance": "clock: wall\nuse_case: insurance"})
    return open_use_case(load_settings(home=tmp_path / "home", use_case="insurance", use_cases=folder))


def environment(use_case: UseCase) -> dict[str, str | None]:
    """The use case's places; what the demo sets for its own services is taken back."""
    places = {"HOME": str(use_case.settings.home), "USE_CASES": str(use_case.settings.use_cases)}
    taken_back = {"STRATEGY_ON_DRIFT": None, "SERVED_USE_CASES": None}
    return {f"LAKELOOP_{name}": value for name, value in {**places, **taken_back}.items()}


def test_a_home_that_was_played_to_its_end_is_not_played_again(use_case: UseCase) -> None:
    set_clock(use_case, 36)
    done = CliRunner().invoke(app, ["demo"], env=environment(use_case))
    assert isinstance(done.exception, WrongUseError)
    told = str(done.exception)
    assert "was played to its end" in told and "stands at month 36" in told and "`make clean`" in told
    assert not (use_case.settings.home / "airflow").exists(), "nothing was started"


def test_a_use_case_of_the_wall_clock_is_played_with_a_simulated_one_and_the_first_line_says_so(real: UseCase) -> None:
    stopped = CliRunner().invoke(app, ["demo"], env=environment(real) | ONE_PORT_FOR_TWO)
    assert isinstance(stopped.exception, LakeloopError), "it gets no further than to the ports"
    first, *_ = stopped.output.splitlines()
    assert "The contract says `clock: wall`" in first and "plays insurance with a simulated clock" in first
    assert (read_clock(real).kind, read_clock(real).period) == ("simulated", 0), "whatever command comes next"


def test_a_history_whose_truth_is_its_own_later_rows_ends_with_its_last_file(tmp_path: Path) -> None:
    assert play_of(shops_in(tmp_path, years=4, shops=5), full=False) == Play((0, 1), (2, 3), until=3)


def test_of_a_history_of_large_periods_fewer_are_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shops = shops_in(tmp_path, years=6, shops=5)
    played = {}
    for rows in (4, 9, 10, 15):
        monkeypatch.setattr(demo_story, "ROWS_PLAYED", rows)
        played[rows] = play_of(shops, full=False).played
    assert played == {4: (3,), 9: (3,), 10: (3, 4), 15: (3, 4, 5)}
    monkeypatch.setattr(demo_story, "ROWS_PLAYED", 5)
    assert play_of(shops, full=True) == Play((0, 1, 2), (3, 4, 5), until=5)


def test_a_history_that_is_fetched_is_fetched_first_and_by_nobody_else(tmp_path: Path) -> None:
    shops, archive = fetched_shops(tmp_path, years=2, shops=5)
    settings = {**environment(shops), "LAKELOOP_USE_CASE": "shops", "LAKELOOP_NOW": str(shops.settings.now)}
    stopped = CliRunner().invoke(app, ["demo"], env=settings | ONE_PORT_FOR_TWO)
    assert isinstance(stopped.exception, LakeloopError) and "4 new files, whole up to year 2011" in stopped.output
    assert play_of(shops, full=False) == Play((0,), (1,), until=1)
    archive.asked  # noqa: B018 - what was before
    set_clock(shops, 1)
    assert fetch(shops, "accounts").landed == {} and archive.asked == [], "as Airflow would when the platform starts"


def test_of_periods_of_very_many_rows_several_are_asked_at_a_time(
    use_case: UseCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shops = shops_in(tmp_path, years=2, shops=5)
    assert rows_a_request(shops, 1) == rows_a_request(use_case, 1) == 1
    monkeypatch.setattr(demo_story, "REQUESTS_A_PERIOD", 2)
    assert (rows_a_request(shops, 1), rows_a_request(use_case, 1)) == (3, 1)


def test_a_home_with_real_deliveries_is_not_played(real: UseCase) -> None:
    now = moment_of_now(real)
    write_records(real, [DeliveryRecord("claims", "claims-2025-10.csv", "a", 1, 1, now, now, 1, "taken")])
    refused = CliRunner().invoke(app, ["demo"], env=environment(real))
    assert "has taken in files of insurance by the wall clock" in str(refused.exception)
    assert read_clock(real).is_wall


def test_a_platform_that_runs_elsewhere_is_played_on_and_not_started(use_case: UseCase) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    stopped = CliRunner().invoke(app, ["demo"], env=environment(use_case) | {"LAKELOOP_AIRFLOW_URL": nobody})
    assert isinstance(stopped.exception, LakeloopError) and nobody in str(stopped.exception)
    assert f"The platform runs already: Airflow at {nobody}" in stopped.output
    assert not (use_case.settings.home / "airflow").exists(), "nothing was started"
