"""What time it is for a use case, by its clock: a simulated one, or the wall clock, as `clock` in its contract says.

A simulated clock is a period's number, 0 at the start, that only ever moves forward, and by hand. The wall clock is the
real time, counted in the contract's periods where its time zone is. A home may play a use case of the wall clock with a
simulated one (`LAKELOOP_CLOCK`); it does so for good then, for what it knows since when goes by one clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select

from lakeloop.contract import ClockKind, Contract
from lakeloop.contract.periods import local_time
from lakeloop.exceptions import WrongUseError
from lakeloop.lake_tables import has_lake_table
from lakeloop.operational_db import clocks, engine
from lakeloop.use_case import UseCase


@dataclass(frozen=True)
class Clock:
    """A use case's clock as it stands: the number of its period, and the moment (UTC) of real time.

    >>> clock = read_clock(use_case)
    >>> clock.kind, clock.period, clock.name, clock.newest_due("claims")
    ('wall', 34, '2025-11', 10)
    """

    contract: Contract
    kind: ClockKind
    period: int
    now: datetime

    @property
    def name(self) -> str:
        """The period's name."""
        return self.contract.period_name(self.period)

    @property
    def is_wall(self) -> bool:
        """Whether it is the real time, and what is known goes by when it was delivered."""
        return self.kind == "wall"

    @property
    def is_played(self) -> bool:
        """Whether it is simulated though the contract says wall."""
        return self.kind != self.contract.clock

    @property
    def in_words(self) -> str:
        """Which clock, and where it stands: `the simulated clock (26)`."""
        return f"the wall clock ({self.reading})" if self.is_wall else f"the simulated clock ({self.period})"

    @property
    def reading(self) -> str:
        """Date and time of now where periods are counted, e.g. `2025-11-29 10:04 in America/Chicago`."""
        return _reading(self.contract, self.now)

    @property
    def why(self) -> str:
        """Why the wall clock stands where it does, a sentence without its point."""
        begins = self.contract.period_start(self.period)
        if self.now < begins:
            return f"It is {self.reading}, and {self.name}, where this use case starts, has not begun"
        return f"It is {self.reading}, and {self.name} goes on until {self.ends}"

    @property
    def ends(self) -> str:
        """Date and time at which its period ends, written as `reading`."""
        return _reading(self.contract, self.contract.period_start(self.period + 1))

    def newest_due(self, source: str) -> int | None:
        """The newest period of which a source's rows should be there; None where none should yet.

        They are due when the clock reaches their period and the source's delay after it; by the wall clock not before
        their period is over, since it brings them. A simulated period 0 is history: it is there from the start.
        """
        if not self.is_wall:
            return max(0, self.period - self.contract.sources[source].delay)
        due = self.period - self._periods_until_due(source)
        return due if due >= 0 else None

    @property
    def newest_truth(self) -> int | None:
        """The newest period whose truth should be there; None where none should yet."""
        due = self.newest_due(self.contract.label.source)
        return None if due is None or due < self.contract.ahead else due - self.contract.ahead

    def due_at(self, source: str, number: int) -> datetime:
        """The moment (UTC) from which a source's rows of a period are due by the wall clock."""
        return self.contract.period_start(number + self._periods_until_due(source))

    def due_in_words(self, source: str, number: int) -> str:
        """The same in words: `was due by the wall clock from 2025-11-01 00:00 UTC on`."""
        due = self.due_at(source, number)
        return f"{'was' if due <= self.now else 'is'} due by the wall clock from {_reading(self.contract, due)} on"

    def _periods_until_due(self, source: str) -> int:
        return max(1, self.contract.sources[source].delay)


def read_clock(use_case: UseCase) -> Clock:
    """The use case's clock: a simulated one stands at 0 before anybody moved it, and so does the wall clock before the
    contract's start.

    Raises:
        WrongUseError: `LAKELOOP_CLOCK` says to play it, and the home has taken in files by the wall clock.
    """
    contract, now = use_case.contract, moment_of_now(use_case)
    period, played = _kept(use_case)
    if contract.clock == "simulated" or played:
        return Clock(contract, "simulated", period, now)
    if use_case.settings.clock == "simulated":
        _check_can_be_played(use_case)
        return Clock(contract, "simulated", 0, now)
    return Clock(contract, "wall", max(0, contract.event_time.number_at(now)), now)


def moment_of_now(use_case: UseCase) -> datetime:
    """The moment (UTC) that it is: the real one, unless `LAKELOOP_NOW` says another."""
    now = use_case.settings.now
    return datetime.now(UTC) if now is None else now.astimezone(UTC)


def set_clock(use_case: UseCase, period: int) -> None:
    """Move a simulated clock to `period`.

    Raises:
        WrongUseError: it is the wall clock; or `period` lies before the current one, or beyond the use case's periods
            and as many again, in which the ground truth of the last ones comes.
    """
    check_simulated(use_case, "moved by hand")
    event_time = use_case.contract.event_time
    if period > (latest := 2 * event_time.of_kind.most):
        raise WrongUseError(
            f"{event_time.period} {period} is more than two centuries ahead; the clock goes to {latest}"
        )
    now = read_clock(use_case).period
    if period < now:
        raise WrongUseError(
            f"the clock of {use_case.name} stands at {event_time.period} {now} and does not run backwards to {period}; "
            "to start over, use another LAKELOOP_HOME or `make clean`"
        )
    play(use_case)
    _keep(use_case, period, use_case.contract.clock == "wall")


def check_simulated(use_case: UseCase, what: str) -> None:
    """Raises WrongUseError where the use case goes by the wall clock, which cannot be `what`; the text says how to play
    it.
    """
    clock = read_clock(use_case)
    if clock.is_wall:
        raise WrongUseError(
            f"{use_case.name} goes by the wall clock (`clock: wall` in its contract), which cannot be {what}: it is "
            f"{clock.contract.period} {clock.period} ({clock.name}). To play the use case in minutes, set "
            "LAKELOOP_CLOCK=simulated and LAKELOOP_HOME to a home of its own, and run this again"
        )


def play(use_case: UseCase) -> None:
    """See to it that this home plays a use case of the wall clock with a simulated one, from now on and for good.

    Raises:
        WrongUseError: the home has taken in files by the wall clock already.
    """
    if use_case.contract.clock == "simulated" or _kept(use_case)[1]:
        return
    _check_can_be_played(use_case)
    _keep(use_case, 0, True)


def _check_can_be_played(use_case: UseCase) -> None:
    if has_lake_table(use_case, "bronze/deliveries"):
        raise WrongUseError(
            f"{use_case.settings.home} has taken in files of {use_case.name} by the wall clock, and what it knows goes "
            "by that: it cannot be played with a simulated one. Set LAKELOOP_HOME to another home for that"
        )


def _kept(use_case: UseCase) -> tuple[int, bool]:
    """Where a simulated clock stands, and whether this home plays a use case of the wall clock."""
    with engine(use_case.settings.operational_db).connect() as connection:
        row = connection.execute(
            select(clocks.c.period, clocks.c.played).where(clocks.c.use_case == use_case.name)
        ).first()
    return (0, False) if row is None else (row.period, row.played)


def _keep(use_case: UseCase, period: int, played: bool) -> None:
    with engine(use_case.settings.operational_db).begin() as connection:
        connection.execute(delete(clocks).where(clocks.c.use_case == use_case.name))
        connection.execute(insert(clocks).values(use_case=use_case.name, period=period, played=played))


def _reading(contract: Contract, moment: datetime) -> str:
    event_time = contract.event_time
    return f"{local_time(moment, event_time.timezone):%Y-%m-%d %H:%M}{event_time.in_zone or ' UTC'}"


def period_spans(numbers: Iterable[int]) -> str:
    """Period numbers in words: [0, 1, 2, 5] -> '0-2, 5'."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)
