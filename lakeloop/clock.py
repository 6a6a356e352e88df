"""The simulated clock of a use case: a period number, 0 at the start, that only ever moves forward."""

from collections.abc import Iterable

from sqlalchemy import delete, insert, select

from lakeloop.exceptions import WrongUseError
from lakeloop.operational_db import clocks, engine
from lakeloop.use_case import UseCase


def read_clock(use_case: UseCase) -> int:
    """The use case's current period; 0 before anybody moved it."""
    with engine(use_case.settings.operational_db).connect() as connection:
        period = connection.scalar(select(clocks.c.period).where(clocks.c.use_case == use_case.name))
    return period or 0


def set_clock(use_case: UseCase, period: int) -> None:
    """Move the clock to `period`.

    Raises:
        WrongUseError: `period` lies before the current one, or beyond the use case's periods and as many again, in
            which the ground truth of the last ones comes.
    """
    event_time = use_case.contract.event_time
    if period > (latest := 2 * event_time.of_kind.most):
        raise WrongUseError(
            f"{event_time.period} {period} is more than two centuries ahead; the clock goes to {latest}"
        )
    now = read_clock(use_case)
    if period < now:
        raise WrongUseError(
            f"the clock of {use_case.name} stands at {event_time.period} {now} and does not run backwards to {period}; "
            "to start over, use another LAKELOOP_HOME or `make clean`"
        )
    with engine(use_case.settings.operational_db).begin() as connection:
        connection.execute(delete(clocks).where(clocks.c.use_case == use_case.name))
        connection.execute(insert(clocks).values(use_case=use_case.name, period=period))


def period_spans(numbers: Iterable[int]) -> str:
    """Period numbers in words: [0, 1, 2, 5] -> '0-2, 5'."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)
