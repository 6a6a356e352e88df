"""How old a column's newest values are, in the use case's months and in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lakeloop.contract import Contract
from operations.features.feature_sources import Origin


@dataclass(frozen=True)
class Freshness:
    """`period` is what time is counted in, `newest_month` the newest that came, `due_month` the newest that is due at
    the clock by the contract.

    `months_behind`: how far the one is behind the other, 0 where more came than is due. `seconds`: since anything
    came. None where nothing came.
    """

    clock: int
    period: str
    due_month: str
    newest_month: str | None = None
    months_behind: int | None = None
    seconds: float | None = None


def freshness(contract: Contract, source: str, origins: Sequence[Origin], clock: int, now: datetime) -> Freshness:
    """The freshness of a column whose values a source delivers; requests count as delivered in their month."""
    due = newest_due_month(contract, source, clock)
    months = [origin.last.month for origin in origins if origin.last]
    if not months:
        return Freshness(clock, contract.period, contract.period_name(due))
    newest = max(months)
    came = max(origin.newest_at for origin in origins if origin.newest_at)
    return Freshness(
        clock=clock,
        period=contract.period,
        due_month=contract.period_name(due),
        newest_month=newest,
        months_behind=max(0, due - contract.period_number(newest)),
        seconds=max(0.0, (now - came).total_seconds()),
    )


def newest_due_month(contract: Contract, source: str, clock: int) -> int:
    """The newest month whose file of a source has its time at the clock; month 0 is history and always has."""
    return max(0, clock - contract.sources[source].delay)
