"""What time it is: by a simulated clock, by the real one, and where a home plays the one with the other."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from console.cli.app import app
from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.ledger import write_records
from lakeloop.clock import Clock, check_simulated, play, read_clock, set_clock
from lakeloop.contract import Contract
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase
from tests.use_case_copies import copy_insurance

NOON = datetime(2025, 11, 15, 12, tzinfo=UTC)


def with_wall_clock(use_case: UseCase, now: datetime = NOON, **event_time: str) -> UseCase:
    """The use case by the wall clock, in the same home, at a moment."""
    contract = use_case.contract
    counted = contract.event_time.model_copy(update=event_time)
    return UseCase(
        use_case.settings.model_copy(update={"now": now}),
        contract.model_copy(update={"clock": "wall", "event_time": counted}),
    )


IN_BERLIN = {"timezone": "Europe/Berlin"}
WEEKS = IN_BERLIN | {"period": "week", "start": "2025-W01"}
HOURS = IN_BERLIN | {"period": "hour", "start": "2025-10-26T00"}


@pytest.mark.parametrize(
    ("counted", "now", "name", "number"),
    [
        ({}, "2025-10-31T23:59:59.999999+00:00", "2025-10", 33),
        ({}, "2025-11-01T00:00:00+00:00", "2025-11", 34),
        ({"timezone": "America/Chicago"}, "2025-11-01T04:59:59+00:00", "2025-10", 33),
        ({"timezone": "America/Chicago"}, "2025-11-01T05:00:00+00:00", "2025-11", 34),
        ({"timezone": "Asia/Tokyo"}, "2025-10-31T15:00:00+00:00", "2025-11", 34),
        (WEEKS, "2025-11-16T22:59:59+00:00", "2025-W46", 45),
        (WEEKS, "2025-11-16T23:00:00+00:00", "2025-W47", 46),
        (HOURS, "2025-10-26T00:30:00+00:00", "2025-10-26T02", 2),
        (HOURS, "2025-10-26T01:30:00+00:00", "2025-10-26T02", 2),
        ({"period": "year", "start": "2013"}, "2025-12-31T23:59:59+00:00", "2025", 12),
        ({"start": "2026-01"}, "2025-12-31T23:59:59+00:00", "2026-01", 0),
    ],
)  # fmt: skip
def test_the_wall_clock_is_in_the_period_that_it_is_where_periods_are_counted(
    counted: dict[str, str], now: str, name: str, number: int, use_case: UseCase
) -> None:
    clock = read_clock(with_wall_clock(use_case, datetime.fromisoformat(now), **counted))
    assert (clock.kind, clock.name, clock.period) == ("wall", name, number)


def test_without_a_moment_that_is_set_the_wall_clock_is_the_real_time(use_case: UseCase) -> None:
    contract = use_case.contract.model_copy(update={"clock": "wall"})
    before = datetime.now(UTC)
    now = read_clock(UseCase(use_case.settings, contract)).now
    assert before <= now <= datetime.now(UTC)


@pytest.mark.parametrize(("delay", "due"), [(0, 33), (1, 33), (2, 32), (24, 10), (35, None)])
def test_what_is_due_says_the_delay_and_nothing_is_before_its_period_is_over(
    delay: int, due: int | None, contract: Contract
) -> None:
    claims = contract.sources["claims"].model_copy(update={"delay_months": delay})
    real = contract.model_copy(update={"clock": "wall", "sources": {**contract.sources, "claims": claims}})
    clock = Clock(real, "wall", 34, NOON)
    assert clock.newest_due("claims") == due
    if due is not None:
        assert clock.due_at("claims", due) <= NOON < clock.due_at("claims", due + 1)


def test_both_clocks_go_side_by_side_in_one_home(use_case: UseCase) -> None:
    other = use_case.contract.model_copy(update={"use_case": "other", "clock": "wall"})
    real = UseCase(use_case.settings.model_copy(update={"now": NOON}), other)
    set_clock(use_case, 5)
    assert [(c.kind, c.period) for c in map(read_clock, (use_case, real))] == [("simulated", 5), ("wall", 34)]
    with pytest.raises(
        WrongUseError, match=r"goes by the wall clock .*cannot be moved by hand: it is month 34 .2025-11."
    ):
        set_clock(real, 40)
    with pytest.raises(WrongUseError, match="set LAKELOOP_CLOCK=simulated and LAKELOOP_HOME to a home of its own"):
        check_simulated(real, "simulated")
    check_simulated(use_case, "simulated")


def test_a_home_that_has_begun_to_play_goes_on_without_the_setting(use_case: UseCase) -> None:
    real = with_wall_clock(use_case)
    played = UseCase(real.settings.model_copy(update={"clock": "simulated"}), real.contract)
    clock = read_clock(played)
    assert (clock.kind, clock.period, clock.is_played) == ("simulated", 0, True)
    assert read_clock(real).is_wall, "nothing was done with it yet"
    set_clock(played, 7)
    assert (read_clock(real).kind, read_clock(real).period) == ("simulated", 7)
    set_clock(real, 8)
    assert read_clock(real).period == 8


def test_a_home_with_deliveries_by_the_wall_clock_cannot_be_played(use_case: UseCase) -> None:
    real = with_wall_clock(use_case)
    write_records(real, [DeliveryRecord("claims", "claims-2025-10.csv", "a", 1, 1, NOON, NOON, 1, "taken")])
    with pytest.raises(WrongUseError, match="has taken in files of insurance by the wall clock"):
        play(real)
    wished = UseCase(real.settings.model_copy(update={"clock": "simulated"}), real.contract)
    for asked in (read_clock, lambda case: set_clock(case, 3)):
        with pytest.raises(WrongUseError, match="Set LAKELOOP_HOME to another home"):
            asked(wished)
    assert read_clock(real).is_wall
    play(use_case)  # its contract says simulated: there is nothing to play


def test_the_settings_say_what_they_allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKELOOP_CLOCK", "wall")
    monkeypatch.setenv("LAKELOOP_NOW", "2026-03-01T08:00:00")
    with pytest.raises(WrongUseError, match=r"(?s)LAKELOOP_CLOCK is 'wall': .*`simulated`.*LAKELOOP_NOW is .*timezone"):
        load_settings(home=tmp_path)


def test_the_command_tells_which_clock_it_is_and_why(use_case: UseCase, tmp_path: Path) -> None:
    text = use_case.contract_path.read_text()
    folder = copy_insurance(tmp_path / "cases")
    (folder / "insurance" / "contract.yaml").write_text(f"clock: wall\n{text}")
    told = {
        "LAKELOOP_HOME": str(use_case.settings.home), "LAKELOOP_USE_CASES": str(folder),
        "LAKELOOP_NOW": "2025-11-15T12:00:00Z",
    }  # fmt: skip

    def run(*arguments: str, **more: str) -> Result:
        return CliRunner().invoke(app, ["clock", *arguments], env=told | more)

    shown = run("show").output
    assert "insurance: month 34 (2025-11) of the wall clock; ground truth is due to month 10 (2023-11)" in shown
    assert "It is 2025-11-15 12:00 UTC, and 2025-11 goes on until 2025-12-01 00:00 UTC" in shown
    assert "which cannot be moved by hand" in str(run("set", "12").exception)
    assert run("set", "3", LAKELOOP_CLOCK="simulated").exit_code == 0
    played = run("show").output
    assert "month 3 (2023-04) of the simulated clock" in played and "The contract says `clock: wall`" in played


def test_what_is_due_is_told_with_its_moment(use_case: UseCase) -> None:
    clock = read_clock(with_wall_clock(use_case))
    assert clock.due_in_words("claims", 10) == "was due by the wall clock from 2025-11-01 00:00 UTC on"
    assert clock.due_in_words("claims", 11) == "is due by the wall clock from 2025-12-01 00:00 UTC on"
    early = read_clock(with_wall_clock(use_case, datetime(2022, 12, 31, tzinfo=UTC)))
    assert early.why.endswith("2023-01, where this use case starts, has not begun")
    assert early.due_at("policies", 0) - early.now == timedelta(days=32)
