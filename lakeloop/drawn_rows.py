"""Rows that a use case's generator draws, a period at a time."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lakeloop.added_columns import with_period
from lakeloop.contract import Contract
from lakeloop.derived_features import with_derived
from lakeloop.event_times import event_times
from lakeloop.exceptions import WrongUseError
from lakeloop.model_input import as_carried, read_times
from lakeloop.row_keys import row_keys
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def sample_period(use_case: UseCase, period: int, rows: int | None = None, seed: int | None = None) -> "pd.DataFrame":
    """A period drawn by the use case's generator: key (a text, as everywhere), event time, features and truth.

    Features are typed as an export has them, derived ones among them; a row of which they cannot be made is left out.
    Where events have times, the names of their periods stand beside them.

    Raises:
        WrongUseError: the use case has no generator, or it cannot draw this period (its ValueError says why); or a time
            that it draws cannot be read.
    """
    return with_derived(use_case, read_times(use_case.contract, drawn_period(use_case, period, rows, seed)))


def drawn_period(use_case: UseCase, period: int, rows: int | None = None, seed: int | None = None) -> "pd.DataFrame":
    """The same as files have it: without derived features, dates and times as written; raises as `sample_period`."""
    contract = use_case.contract
    if contract.generator is None:
        raise WrongUseError(
            f"use case {use_case.name} has neither `generator` nor `history` in its contract, and not every source has "
            "a `fetch`; deliver real files instead"
        )
    try:
        drawn = use_case.module(contract.generator).sample(period, rows, seed)
    except ValueError as error:
        raise WrongUseError(
            f"the generator of {use_case.name} cannot draw {contract.period} {period}: {error}"
        ) from error
    key, drawn = contract.key, as_carried({n: f for n, f in contract.features.items() if f.role != "time"}, drawn)
    keys = drawn[key.column].astype(str) if key.delivered else _made_keys(contract, drawn, period)
    drawn = drawn.assign(**{key.column: keys}, **_joined_times(contract, drawn))
    return with_period(contract, drawn) if contract.event_time.dated else drawn


def _joined_times(contract: Contract, drawn: "pd.DataFrame") -> "dict[str, list[str]]":
    """The event times that bronze joins of the rows' columns; nothing where files have them as they are."""
    if not contract.event_time.columns:
        return {}
    texts = _texts(drawn, contract.event_time.delivered)
    return {contract.event_time.column: event_times(contract.event_time.columns, texts).to_pylist()}


def _made_keys(contract: Contract, drawn: "pd.DataFrame", period: int) -> list[str]:
    """The keys that bronze makes when the rows are delivered as the period's file of the features' source."""
    import pyarrow as pa

    source = contract.feature_source
    spec = contract.sources[source]
    texts = _texts(drawn, spec.columns)
    lines = pa.array(range(2, len(drawn) + 2))
    keys: list[str] = row_keys(
        contract, source, texts, pa.scalar(spec.file_name(contract.period_name(period))), lines
    ).to_pylist()
    return keys


def _texts(drawn: "pd.DataFrame", names: Iterable[str]) -> "dict[str, pa.Array]":
    """Columns as texts."""
    import pyarrow as pa

    rows = pa.Table.from_pandas(drawn[list(names)], preserve_index=False)
    return {name: rows[name].combine_chunks().cast(pa.string()) for name in rows.column_names}
