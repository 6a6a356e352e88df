"""The rows an analysis looks at: periods as they were delivered or asked, drawn or replayed; and their truth."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from lakehouse.storage.layout import PREDICTIONS_TABLE, TRAINING_TABLE
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import read_lake_table
from lakeloop.model_input import as_carried
from lakeloop.use_case import UseCase
from monitoring.drift.sampling import seeded_sample
from operations.evaluation import generated_rows
from operations.period_rows import period_rows, played_periods


@dataclass(frozen=True)
class PeriodRows:
    """Features by period number, oldest first, at most 100,000 rows a period; `source` says in words where from."""

    by_period: Mapping[int, pd.DataFrame]
    source: str


def rows_by_period(use_case: UseCase, period: int, oracle: bool) -> PeriodRows:
    """The features of every period there is, with `oracle` of every period up to the analysed or the last served one.

    Raises:
        NotFoundError: the analysed period has no rows; the text names the periods that have.
        WrongUseError: `oracle` without generator and history.
    """
    there = _tables_of_periods(use_case)
    if oracle:
        last = max([period, *there])
        numbers = played_periods(use_case, range(last + 1))
        if period not in numbers:
            period_rows(use_case, period)  # says why there is none
        return PeriodRows({number: period_rows(use_case, number) for number in numbers}, use_case.contract.periods_from)
    if period not in there:
        known, kind = ", ".join(map(str, sorted(there))) or "none yet", use_case.contract.period
        raise NotFoundError(
            f"{kind} {period} ({use_case.contract.period_name(period)}) has no delivered or asked rows in the lake. "
            f"{kind.capitalize()}s that have: {known}. `lakeloop lake stream` and `lakeloop lake ingest` bring them "
            "in; --oracle takes those of generator or history"
        )
    found = {number: _read_period(use_case, table, number) for number, table in sorted(there.items())}
    kinds = ["delivered files"] if PREDICTIONS_TABLE not in there.values() else ["the answered requests"]
    if len(set(there.values())) > 1:
        kinds = ["delivered files", "answered requests"]
    return PeriodRows(found, " and ".join(kinds))


def labelled_rows_of(use_case: UseCase, period: int, oracle: bool) -> pd.DataFrame:
    """The period's rows whose truth is known: key, features, truth, class id; empty where none is."""
    contract = use_case.contract
    if oracle:
        return generated_rows(use_case, period)
    of_period = (contract.period_column, "=", contract.period_name(period))
    names = [contract.key.column, *contract.features, contract.label.truth_column, contract.label.name]
    rows = read_lake_table(use_case, TRAINING_TABLE, names, [of_period])
    return pd.DataFrame(columns=names) if rows is None else as_carried(contract.features, rows)


def with_truth(use_case: UseCase, exported: pd.DataFrame) -> pd.DataFrame:
    """Exported rows, which carry the class alone, with the ground truth itself where gold has it for all of them."""
    contract = use_case.contract
    key, truth = contract.key.column, contract.label.truth_column
    periods = sorted(exported[contract.period_column].unique())
    span = [(contract.period_column, ">=", periods[0]), (contract.period_column, "<=", periods[-1])]
    known = read_lake_table(use_case, TRAINING_TABLE, [key, truth], span)
    if known is None:
        return exported
    joined = exported.merge(known.drop_duplicates(key), on=key, how="left")
    return exported if joined[truth].isna().any() else joined


def _tables_of_periods(use_case: UseCase) -> dict[int, str]:
    """Period number -> the silver table that has its features; delivered ones win over asked ones."""
    contract = use_case.contract
    column = contract.period_column
    found: dict[int, str] = {}
    for table in (PREDICTIONS_TABLE, f"silver/{contract.feature_source}"):
        rows = read_lake_table(use_case, table, [column])
        if rows is not None:
            found |= {contract.period_number(name): table for name in rows[column].unique()}
    return {number: table for number, table in found.items() if number >= 0}


def _read_period(use_case: UseCase, table: str, period: int) -> pd.DataFrame:
    contract = use_case.contract
    of_period = (contract.period_column, "=", contract.period_name(period))
    rows = read_lake_table(use_case, table, list(contract.features), [of_period])
    found = pd.DataFrame(columns=list(contract.features)) if rows is None else seeded_sample(rows)
    return as_carried(contract.features, found)
