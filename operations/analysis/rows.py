"""The rows an analysis looks at: months as they were delivered or asked, drawn or replayed; and their truth."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import read_lake_table
from lakeloop.use_case import UseCase
from monitoring.drift.sampling import seeded_sample
from operations.evaluation import generated_rows
from operations.period_rows import period_rows, played_periods


@dataclass(frozen=True)
class MonthRows:
    """Features by month number, oldest first, at most 100,000 rows a month; `source` says in words where from."""

    by_month: Mapping[int, pd.DataFrame]
    source: str


def month_rows(use_case: UseCase, month: int, oracle: bool) -> MonthRows:
    """The features of every month there is, with `oracle` of every month up to the analysed or the last served one.

    Raises:
        NotFoundError: the analysed month has no rows; the text names the months that have.
        WrongUseError: `oracle` without generator and history.
    """
    there = _tables_of_months(use_case)
    if oracle:
        last = max([month, *there])
        numbers = played_periods(use_case, range(last + 1))
        if month not in numbers:
            period_rows(use_case, month)  # says why there is none
        return MonthRows({number: period_rows(use_case, number) for number in numbers}, use_case.contract.months_from)
    if month not in there:
        known, period = ", ".join(map(str, sorted(there))) or "none yet", use_case.contract.period
        raise NotFoundError(
            f"{period} {month} ({use_case.contract.period_name(month)}) has no delivered or asked rows in the lake. "
            f"{period.capitalize()}s that have: {known}. `lakeloop lake stream` and `lakeloop lake ingest` bring them "
            "in; --oracle takes those of generator or history"
        )
    found = {number: _read_month(use_case, table, number) for number, table in sorted(there.items())}
    kinds = ["delivered files"] if "silver/predictions" not in there.values() else ["the answered requests"]
    if len(set(there.values())) > 1:
        kinds = ["delivered files", "answered requests"]
    return MonthRows(found, " and ".join(kinds))


def labelled_rows_of(use_case: UseCase, month: int, oracle: bool) -> pd.DataFrame:
    """The month's rows whose truth is known: features, truth, class id; empty where none is."""
    contract = use_case.contract
    if oracle:
        return generated_rows(use_case, month)
    month_is = (contract.period_column, "=", contract.period_name(month))
    names = [*contract.features, contract.label.column, contract.label.name]
    rows = read_lake_table(use_case, "gold/training", names, [month_is])
    return pd.DataFrame(columns=names) if rows is None else rows


def with_truth(use_case: UseCase, exported: pd.DataFrame) -> pd.DataFrame:
    """Exported rows, which carry the class alone, with the ground truth itself where gold has it for all of them."""
    contract = use_case.contract
    key, truth = contract.key.column, contract.label.column
    months = sorted(exported[contract.period_column].unique())
    span = [(contract.period_column, ">=", months[0]), (contract.period_column, "<=", months[-1])]
    known = read_lake_table(use_case, "gold/training", [key, truth], span)
    if known is None:
        return exported
    joined = exported.merge(known.drop_duplicates(key), on=key, how="left")
    return exported if joined[truth].isna().any() else joined


def _tables_of_months(use_case: UseCase) -> dict[int, str]:
    """Month number -> the silver table that has its features; delivered ones win over asked ones."""
    contract = use_case.contract
    column = contract.period_column
    found: dict[int, str] = {}
    for table in ("silver/predictions", f"silver/{contract.feature_source}"):
        rows = read_lake_table(use_case, table, [column])
        if rows is not None:
            found |= {contract.period_number(name): table for name in rows[column].unique()}
    return {number: table for number, table in found.items() if number >= 0}


def _read_month(use_case: UseCase, table: str, month: int) -> pd.DataFrame:
    contract = use_case.contract
    month_is = (contract.period_column, "=", contract.period_name(month))
    rows = read_lake_table(use_case, table, list(contract.features), [month_is])
    return pd.DataFrame(columns=list(contract.features)) if rows is None else seeded_sample(rows)
