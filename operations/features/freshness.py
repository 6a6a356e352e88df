"""How old a column's newest values are, in the use case's periods and in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lakeloop.contract import Contract
from operations.features.feature_sources import Origin


@dataclass(frozen=True)
class Freshness:
    """`period` is what time is counted in, `newest_period` the newest that came, `due_period` the newest that is due at
    the clock by the contract.

    `periods_behind`: how far the one is behind the other, 0 where more came than is due. `seconds`: since anything
    came. None where nothing came.
    """

    clock: int
    period: str
    due_period: str
    newest_period: str | None = None
    periods_behind: int | None = None
    seconds: float | None = None


def freshness(contract: Contract, source: str, origins: Sequence[Origin], clock: int, now: datetime) -> Freshness:
    """The freshness of a column whose values a source delivers; requests count as delivered in their period."""
    due = newest_due_period(contract, source, clock)
    periods = [origin.last.period for origin in origins if origin.last]
    if not periods:
        return Freshness(clock, contract.period, contract.period_name(due))
    newest = max(periods)
    came = max(origin.newest_at for origin in origins if origin.newest_at)
    return Freshness(
        clock=clock,
        period=contract.period,
        due_period=contract.period_name(due),
        newest_period=newest,
        periods_behind=max(0, due - contract.period_number(newest)),
        seconds=max(0.0, (now - came).total_seconds()),
    )


def newest_due_period(contract: Contract, source: str, clock: int) -> int:
    """The newest period whose file of a source has its time at the clock; period 0 is history and always has."""
    return max(0, clock - contract.sources[source].delay)
