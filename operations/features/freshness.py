"""How old a column's newest values are: in the use case's periods by its clock, and in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

from lakeloop.clock import Clock
from operations.features.feature_sources import Origin


@dataclass(frozen=True)
class Freshness:
    """`period` is what time is counted in, `newest_period` the newest that came, `due_period` the newest that is due at
    the clock by the contract, '' where none is yet; `by` is the clock in words.

    `periods_behind`: how far the one is behind the other, 0 where more came than is due. `seconds`: since anything
    came. `late_seconds`: how long after it was due the newest period began to come; None by a simulated clock, which
    has no such times, and of requests. All are None where nothing came.
    """

    clock: int
    by: str
    period: str
    due_period: str
    newest_period: str | None = None
    periods_behind: int | None = None
    seconds: float | None = None
    late_seconds: float | None = None

    @property
    def sentence(self) -> str:
        """What came and what is due, in words."""
        due = f"{self.due_period or 'nothing'} is due"
        if self.newest_period is None:
            return f"nothing came yet; by {self.by} {due}"
        newest = f"the newest is {self.newest_period}"
        if self.newest_period > self.due_period:
            return f"ahead of {self.by}, by which {due}: {newest}"
        many = f"{self.periods_behind} {self.period}{'' if self.periods_behind == 1 else 's'}"
        late = (
            f", which came {in_one_unit(self.late_seconds)} late"
            if self.late_seconds and not self.periods_behind
            else ""
        )
        return f"{many} behind: by {self.by} {due}, {newest}{late}"


def freshness(source: str, origins: Sequence[Origin], clock: Clock) -> Freshness:
    """The freshness of a column whose values a source delivers; requests count as delivered in their period."""
    contract, due = clock.contract, clock.newest_due(source)
    due_period = "" if due is None else contract.period_name(due)
    periods = [origin.last.period for origin in origins if origin.last]
    if not periods:
        return Freshness(clock.period, clock.in_words, contract.period, due_period)
    newest = max(periods)
    number = contract.period_number(newest)
    came = max(origin.newest_at for origin in origins if origin.newest_at)
    since = [origin.since for origin in origins if origin.since and origin.last and origin.last.period == newest]
    return Freshness(
        clock=clock.period,
        by=clock.in_words,
        period=contract.period,
        due_period=due_period,
        newest_period=newest,
        periods_behind=0 if due is None else max(0, due - number),
        seconds=max(0.0, (clock.now - came).total_seconds()),
        late_seconds=(
            max(0.0, (min(since) - clock.due_at(source, number)).total_seconds()) if clock.is_wall and since else None
        ),
    )


def in_one_unit(seconds: float) -> str:
    """Seconds as people say them: `4 min`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
