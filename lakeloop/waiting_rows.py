"""Which rows wait for their row of a joined source, and which in vain: from the lake's own tables, without Spark."""

from collections import Counter
from dataclasses import dataclass, replace

from lakeloop.clock import read_clock
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.use_case import UseCase

WAITING = "silver/waiting"
WAITS_FOR = "waits_for"
BETWEEN = ", "
"""Stands between the sources in `waits_for`."""
Groups = Counter[tuple[tuple[str, ...], str]]
"""(sources that are waited for, period) -> rows."""


@dataclass(frozen=True)
class WaitingRows:
    """Rows of `base` that wait for a row of the joined `source`: how many, and for how many of them it is overdue.

    `share`: of the base's rows of the newest period that the source was due for, those that wait for it, 0 to 1;
    `period` is that period, '' where none of its rows wait.
    """

    source: str
    base: str
    waiting: int = 0
    overdue: int = 0
    period: str = ""
    share: float = 0.0

    @property
    def sentence(self) -> str:
        """How many wait, what for, and for how many that is overdue; '' for none."""
        if not self.waiting:
            return ""
        said = (
            f"{self.waiting:,} row{'s wait' if self.waiting > 1 else ' waits'} for a row of {self.source}, which has a "
            f"feature that {self.base} must have; taken up when it comes (`lakeloop lake show {WAITING}`)"
        )
        if not self.overdue:
            return said
        newest = f" ({100 * self.share:.1f} % of the rows of {self.period})" if self.period else ""
        return f"{said}; overdue for {self.overdue:,} of them{newest}"


def waiting_rows(use_case: UseCase) -> tuple[WaitingRows, ...]:
    """Of each joined source that rows may have to wait for how many do, in the order of the contract.

    A row is overdue when the clock has reached the moment at which, by the contract, the source is due for the period
    of the event time of the row that waits for it.
    """
    contract = use_case.contract
    if not contract.waited_for:
        return ()
    groups, clock = _groups(use_case), read_clock(use_case)
    due = {source: clock.newest_due(source) for source in contract.waited_for}
    until = {source: "" if number is None else contract.period_name(number) for source, number in due.items()}
    return tuple(_of_source(use_case, source, groups, until[source]) for source in contract.waited_for)


def _groups(use_case: UseCase) -> Groups:
    table = open_lake_table(use_case, WAITING)
    groups: Groups = Counter()
    if table is not None:
        period = use_case.contract.period_column
        rows = dataset_of(table).to_table(columns=[WAITS_FOR, period])
        counted = rows.group_by([WAITS_FOR, period]).aggregate([([], "count_all")])
        for one in counted.to_pylist():
            groups[tuple(one[WAITS_FOR].split(BETWEEN)), one[period]] += one["count_all"]
    return groups


def _of_source(use_case: UseCase, source: str, groups: Groups, until: str) -> WaitingRows:
    """`until`: the newest period that the source is due for, '' for none."""
    waiting: Counter[str] = Counter()
    for (sources, period), rows in groups.items():
        if source in sources:
            waiting[period] += rows
    base = use_case.contract.feature_source
    overdue = {period: rows for period, rows in waiting.items() if period <= until}
    if not overdue:
        return WaitingRows(source, base, waiting.total())
    newest = max(overdue)
    of_newest = _rows_of_newest(use_case, groups, newest, until)
    found = WaitingRows(source, base, waiting.total(), sum(overdue.values()))
    return replace(found, period=newest, share=overdue[newest] / of_newest) if of_newest else found


def _rows_of_newest(use_case: UseCase, groups: Groups, newest: str, until: str) -> int:
    """The base's rows of a period, complete or not; 0 where it has rows of a later one until `until`."""
    import pyarrow.dataset as ds

    column, base = use_case.contract.period_column, use_case.contract.feature_source
    if any(newest < period <= until for _, period in groups):
        return 0
    waiting = sum(rows for (_, period), rows in groups.items() if period == newest)
    table = open_lake_table(use_case, f"silver/{base}")
    if table is None:
        return waiting
    complete, period = dataset_of(table), ds.field(column)
    if complete.head(1, columns=[column], filter=(period > newest) & (period <= until)).num_rows:
        return 0
    return waiting + complete.count_rows(filter=period == newest)
