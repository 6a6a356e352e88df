"""A value a place and period: what the map draws, counted from rows when it is asked for and kept until they change."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lakeloop.contract import Place
from lakeloop.contract.expression import columns_in, read_expression
from lakeloop.contract.place_checks import SHARE as SHARE_SUFFIX
from lakeloop.exceptions import LakeloopError, NotFoundError, WrongUseError
from lakeloop.lake_tables import read_lake_table
from lakeloop.made_truth import evaluated
from lakeloop.use_case import UseCase
from operations.places.drift import drift_of_places
from operations.places.measures import (
    ANSWER,
    CLUSTER,
    DRIFT,
    ERROR,
    INDEX,
    MEAN,
    ROWS,
    SHARE,
    SIGNED,
    TRUTH,
    Measure,
    measures_of,
)
from operations.places.rows import (
    BY,
    CLUSTERS,
    PERIOD,
    PLACE,
    answers,
    chosen,
    delivered_rows,
    truths,
    versions_of,
)
from operations.places.shapes import Shapes, cells_of, read_shapes, shapes_file

MOST_PERIODS, MOST_CELLS = 60, 2000
SUM, COUNT, VALUE = "sum", "rows", "value"
INGEST = "`lakeloop lake ingest` brings delivered files in"


@dataclass(frozen=True)
class PlaceValues:
    """Of a measure: `values` and `rows` by place (index) and period (columns), NaN where there is none.

    `low`, `high`: what the colours span over all periods. `categories` are what the numbers of a category stand for.
    `raw`: of the index, what its formula gives. `problem` says why there are no values, and what to run.
    """

    measure: Measure
    values: pd.DataFrame
    rows: pd.DataFrame
    low: float = 0.0
    high: float = 1.0
    categories: tuple[str, ...] = ()
    raw: pd.DataFrame | None = None
    problem: str = ""


@dataclass
class _Known:
    """What was counted of one state of the tables."""

    versions: tuple[int, ...] = ()
    rows: pd.DataFrame | None = None
    totals: dict[str, pd.DataFrame] = field(default_factory=dict)
    drift: dict[tuple[str, str], pd.Series] = field(default_factory=dict)
    cells: Shapes | None = None


class PlaceTables:
    """The places of one use case; usable from several threads, and what was counted is kept while tables stay."""

    def __init__(self, use_case: UseCase, place: Place) -> None:
        self._use_case, self._place = use_case, place
        self.measures = measures_of(use_case.contract)
        self._known, self._lock = _Known(), threading.Lock()
        self._shapes: tuple[tuple[int, int], Shapes] | None = None

    def shapes(self) -> Shapes:
        """The places that can be drawn; raises NotFoundError or WrongUseError where the file cannot be used."""
        if self._place.has_shapes:
            return self._file_shapes()
        with self._lock:
            known = self._fresh()
            return self._cells(known)

    def _file_shapes(self) -> Shapes:
        """Those of the file, kept until it is written anew."""
        about = shapes_file(self._use_case, self._place).stat()
        state = (about.st_mtime_ns, about.st_size)
        known, shapes = self._shapes or (None, None)
        if shapes is None or known != state:
            shapes = read_shapes(self._use_case, self._place)
            self._shapes = (state, shapes)
        return shapes

    def choices(self) -> tuple[list[str], list[str]]:
        """(periods that have rows, the oldest first; values that a place's rows are split by)."""
        with self._lock:
            rows = self._rows(self._fresh())
        if rows is None:
            return [], []
        by = sorted(map(str, rows[BY].dropna().unique())) if self._place.by else []
        return self._periods(rows), by

    def without_shape(self, shapes: Shapes) -> list[str]:
        """Places of rows that the file of shapes lacks."""
        with self._lock:
            rows = self._rows(self._fresh())
        return [] if rows is None else sorted(set(map(str, rows[PLACE].unique())) - set(shapes.names))

    def of(self, name: str, by: str | None = None, period: str = "") -> PlaceValues:
        """Values of a measure, of the rows split by `by`: '' for all of them but the contract's total, None for that
        total or, without one, all. `period`: of drift, which is counted for one.

        Raises:
            WrongUseError: there is no such measure; the text names what there is.
        """
        if name not in self.measures:
            raise WrongUseError(f"{name!r} is nothing that places have; there are: {', '.join(self.measures)}")
        by = self._place.total or "" if by is None else by
        with self._lock:
            return self._values(self._fresh(), self.measures[name], by, period)

    def _values(self, known: _Known, measure: Measure, by: str, period: str) -> PlaceValues:
        try:
            rows = self._rows(known)
            if rows is None or rows.empty:
                raise NotFoundError(f"no row has a place yet; {INGEST}")
            periods = self._periods(rows)
            if measure.name == INDEX:
                return self._index(known, measure, by, periods)
            if measure.name == CLUSTER:
                return self._clusters(known, measure, periods)
            if measure.name == DRIFT:
                return self._drift(known, measure, by, period or periods[-1], periods)
            return _spanned(measure, *self._means(known, measure.name, by, periods))
        except LakeloopError as problem:
            nothing = pd.DataFrame()
            return PlaceValues(measure, nothing, nothing, problem=str(problem))

    def _means(self, known: _Known, name: str, by: str, periods: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """(mean, rows) by place and period."""
        if name not in known.totals:
            counted = self._numbers(known, name).dropna(subset=VALUE).groupby([PLACE, BY, PERIOD], observed=True)[VALUE]
            known.totals[name] = counted.agg(["sum", "count"]).set_axis([SUM, COUNT], axis=1).reset_index()
        found = known.totals[name]
        both = found[chosen(self._place, found, by)].groupby([PLACE, PERIOD])[[SUM, COUNT]].sum()
        places = sorted(map(str, both.index.get_level_values(0).unique()))
        if not self._place.has_shapes:
            places = [one for one in places if one in self._cells(known).names]
        sums, rows = (both[what].unstack().reindex(index=places, columns=periods) for what in (SUM, COUNT))
        return (sums if name == ROWS else sums / rows), rows

    def _numbers(self, known: _Known, name: str) -> pd.DataFrame:
        """Place, by, period and `value` of each row that the measure is a mean of; raises NotFoundError for none."""
        contract, use_case = self._use_case.contract, self._use_case
        label, rows = contract.label, self._rows(known)
        assert rows is not None
        if name == ROWS:
            return rows.assign(**{VALUE: 1.0})
        if name.startswith(MEAN):
            feature = name.removeprefix(MEAN)
            found = delivered_rows(use_case, self._place, [feature])
            assert found is not None
            return found.assign(**{VALUE: pd.to_numeric(found[feature], errors="coerce").astype(float)})
        if name == TRUTH:
            return self._placed(rows, self._truth([label.column]), lambda one: one[label.column].astype(float))
        if name.startswith(SHARE):
            place = label.class_names.index(name.removeprefix(SHARE))
            return self._placed(rows, self._truth([label.name]), lambda one: _is(one[label.name], place, label.several))
        answered = answers(use_case)
        if answered is None:
            raise NotFoundError(
                f"no model was asked about a row yet: `lakeloop score -u {use_case.name}` asks the champion about all, "
                "or requests come to the gateway and `lakeloop lake stream` brings them in"
            )
        if name.startswith(ANSWER):
            column = f"probability_{name.removeprefix(f'{ANSWER}.')}" if label.classes else "prediction"
            return self._placed(rows, answered, lambda one: one[column].astype(float))
        column = label.name_column if label.classes else label.name
        both = answered.merge(self._truth([column]), on=contract.key.column)

        def wrong(one: pd.DataFrame) -> pd.Series:
            if label.classes:
                return (one["prediction"].astype(str) != one[column].astype(str)).astype(float)
            signed = one["prediction"].astype(float) - one[column].astype(float)
            return signed if name == SIGNED else signed.abs()

        if both.empty:
            raise NotFoundError(f"no row that a model was asked about has a truth yet; {INGEST} when it is due")
        assert name in (ERROR, SIGNED)
        return self._placed(rows, both, wrong)

    def _truth(self, columns: list[str]) -> pd.DataFrame:
        found = truths(self._use_case, columns)
        if found is None or found.empty:
            raise NotFoundError(f"no row has a truth yet; {INGEST} when it is due")
        return found

    def _placed(
        self, rows: pd.DataFrame, frame: pd.DataFrame, value: Callable[[pd.DataFrame], pd.Series]
    ) -> pd.DataFrame:
        """Where the rows of a frame are, by their key, and a number of each."""
        key = self._use_case.contract.key.column
        numbers = pd.DataFrame({key: frame[key], VALUE: value(frame)})
        return rows.merge(numbers, on=key)

    def _index(self, known: _Known, measure: Measure, by: str, periods: list[str]) -> PlaceValues:
        index, contract = self._place.index, self._use_case.contract
        assert index is not None
        expression = read_expression(index.formula, {})
        parts, rows = {}, pd.DataFrame()
        for column in dict.fromkeys(named.column for named in columns_in(expression)):
            if column in contract.features:
                name = f"{MEAN}{column}"
            elif column == contract.label.column:
                name = TRUTH
            else:
                name = f"{SHARE}{column.removesuffix(SHARE_SUFFIX)}"
            parts[column], rows = self._means(known, name, by, periods)
        frame = pd.DataFrame({column: part.stack(future_stack=True) for column, part in parts.items()})
        found = evaluated(expression, frame).astype(float).unstack().reindex(columns=periods)
        places = found.notna().sum()
        ranked = (found.rank() - 1) / (places - 1).where(places > 1) * 100
        return PlaceValues(measure, ranked, rows.reindex_like(ranked), 0.0, 100.0, raw=found)

    def _clusters(self, known: _Known, measure: Measure, periods: list[str]) -> PlaceValues:
        column, found = str(self._place.column), read_lake_table(self._use_case, CLUSTERS)
        if found is None:
            raise NotFoundError(f"there is no gold/clusters yet; {INGEST}, and makes it")
        found = found[found[CLUSTER].notna()]
        names = {int(one): str(name) for one, name in zip(found[CLUSTER], found["name"], strict=True)}
        numbers = {one: number for number, one in enumerate(sorted(names))}
        codes = pd.Series(found[CLUSTER].map(numbers).to_numpy(float), found[column].astype(str))
        values = pd.DataFrame(dict.fromkeys(periods, codes))
        _, rows = self._means(known, ROWS, "", periods)
        words = tuple(f"{one}: {names[one]}" if names[one] else str(one) for one in numbers)
        return PlaceValues(measure, values, rows.reindex_like(values), 0.0, max(1.0, len(words) - 1.0), words)

    def _drift(self, known: _Known, measure: Measure, by: str, period: str, periods: list[str]) -> PlaceValues:
        by = "" if by == self._place.total else by  # a total is a row a period; how it moved, its parts tell
        if (period, by) not in known.drift:
            known.drift[period, by] = drift_of_places(self._use_case, self._place, period, by)
        shares = known.drift[period, by]
        values = pd.DataFrame({one: shares if one == period else np.nan for one in periods}, index=shares.index)
        _, rows = self._means(known, ROWS, by, periods)
        return PlaceValues(measure, values, rows.reindex_like(values))

    def _cells(self, known: _Known) -> Shapes:
        """The cells with the most rows, from south-west to north-east."""
        if known.cells is None:
            rows = self._rows(known)
            counted = [] if rows is None else list(map(str, rows[PLACE].value_counts().index[:MOST_CELLS]))
            ordered = sorted(counted, key=lambda one: tuple(map(int, one.split(","))))
            known.cells = cells_of(ordered, float(self._place.cell or 1))
        return known.cells

    def _fresh(self) -> _Known:
        """What is known, or nothing where the tables have changed since."""
        versions = versions_of(self._use_case)
        if versions != self._known.versions:
            self._known = _Known(versions)
        return self._known

    def _rows(self, known: _Known) -> pd.DataFrame | None:
        if known.rows is None:
            known.rows = delivered_rows(self._use_case, self._place)
        return known.rows

    def _periods(self, rows: pd.DataFrame) -> list[str]:
        names = map(str, rows[PERIOD].dropna().unique())
        return sorted(names, key=self._use_case.contract.period_number)[-MOST_PERIODS:]


def _spanned(measure: Measure, values: pd.DataFrame, rows: pd.DataFrame) -> PlaceValues:
    """With what the colours span: all but the outermost hundredths, so that one place does not take them all."""
    known = values.to_numpy(float)
    known = known[np.isfinite(known)]
    if not len(known):
        raise NotFoundError("no row has a value of it")
    low, high = (float(one) for one in np.quantile(known, (0.01, 0.99)))
    if measure.signed:
        high = max(abs(low), abs(high))
        low = -high
    return PlaceValues(measure, values, rows, low, high if high > low else low + 1.0)


def _is(ids: pd.Series, place: int, several: bool) -> pd.Series:
    """Whether the label of this place is the row's, or one of its several."""
    numbers = ids.to_numpy(np.int64)
    found = (numbers >> place) & 1 == 1 if several else numbers == place
    return pd.Series(found.astype(float), ids.index)
