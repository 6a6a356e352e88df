"""Delivered texts of a source as rows in the contract's types, with pandas, of which `operations.joined_rows` says what
they meet. The lake's own `lakehouse.silver.typed_values` says the same.
"""

from collections.abc import Mapping

import pandas as pd

from lakeloop.contract import Column, Contract, EventTime
from lakeloop.contract.join import JoinColumn
from lakeloop.delivered_values import typed_values


def typed_rows(contract: Contract, source: str, texts: pd.DataFrame) -> pd.DataFrame:
    """The source's columns that `texts` has, typed: what is none of its type is missing. The base's event time stays
    the text it is.
    """
    columns, read = contract.columns_of(source), contract.sources[source].read
    found = {}
    for name in (name for name in columns if name in texts):
        column = columns[name]
        if isinstance(column, JoinColumn) and column.time is not None:
            found[name] = _moments_or_periods(texts[name], column, column.time)
        elif name == contract.event_time.column and not isinstance(column, JoinColumn):
            found[name] = texts[name]
        else:
            found[name] = typed_values(texts[name], column, read.spelling(name), contract.event_time.timezone)
    return pd.DataFrame(found, index=texts.index)


def _moments_or_periods(texts: pd.Series, column: JoinColumn, time: EventTime) -> pd.Series:
    """The times that rows of a joined source are met by: moments, or names of periods."""
    if not time.dated:
        return texts.where(texts.map(time.of_kind.is_name, na_action="ignore").fillna(False).astype(bool))
    moments = {text: time.moment(text) for text in texts.dropna().unique()}
    if column.type == "string":
        names = {text: at and time.of_kind.of(at, time.timezone) for text, at in moments.items()}
        return texts.map(names)
    return pd.to_datetime(texts.map(moments), utc=True)


def rows_with_times(contract: Contract, rows: pd.DataFrame) -> pd.DataFrame:
    """Those typed rows of the base, with their index, whose event time can be read: as a moment with the name of its
    period beside it, or as the period's name that it is.
    """
    event = contract.event_time
    times = rows[event.column]
    if not event.dated:
        return rows[times.map(event.of_kind.is_name, na_action="ignore").eq(True)]
    found = rows.assign(**{event.column: times.map(event.moment, na_action="ignore")})
    found = found[found[event.column].notna()]
    names = found[event.column].map(lambda at: event.of_kind.of(at, event.timezone))
    return found.assign(**{contract.period_column: names})


def joinable(contract: Contract, source: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Those typed rows of a joined source that keep the contract, and so can be met."""
    told_apart = rows[list(contract.identity(source))].notna().all(axis="columns")
    return rows[told_apart & are_allowed(rows, contract.joined_features(source))]


def are_allowed(rows: pd.DataFrame, columns: Mapping[str, Column]) -> pd.Series:
    """Whether each row has values that the contract allows in these columns."""
    kept = pd.Series(True, rows.index)
    for name, column in columns.items():
        missing = rows[name].isna()
        good = ~missing
        if column.values is not None:
            good &= rows[name].isin(column.values)
        elif column.limits is not None:
            good &= _true(rows[name].between(*column.limits))
        kept &= good | missing if column.optional else good
    return kept


def _true(found: pd.Series) -> pd.Series:
    """Whether it is so; not where nobody knows."""
    return found.astype("boolean").fillna(False).astype(bool)
