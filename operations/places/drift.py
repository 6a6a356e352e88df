"""How far the rows of each place moved: a period's against those of the periods that the champion was trained on."""

import pandas as pd

from lakeloop.contract import Place
from lakeloop.exceptions import NotFoundError
from lakeloop.manifest import read_manifest
from lakeloop.model_card import read_model_card
from lakeloop.releases import read_release
from lakeloop.use_case import UseCase
from monitoring.drift.compared_values import category_texts, compared_columns
from monitoring.drift.distances import is_drift, score
from operations.places.rows import PERIOD, PLACE, chosen, delivered_rows

FEWEST_ROWS = 30
"""Of a place, on either side: fewer differ by chance alone."""


def drift_of_places(use_case: UseCase, place: Place, period: str, by: str = "") -> pd.Series:
    """Place -> share of the features that drifted, by the contract's tests; NaN where a place has too few rows.

    Raises:
        NotFoundError: no model serves, its rows are gone, or no place has rows enough; the text says so.
    """
    contract = use_case.contract
    version, periods = trained_periods(use_case)
    rows = delivered_rows(use_case, place, list(contract.features))
    if rows is None:
        raise NotFoundError("no row has a place yet")
    rows = rows[chosen(place, rows, by)]
    known = {name for name in rows[PERIOD].unique()
             if periods is None or periods[0] <= contract.period_number(name) <= periods[1]}  # fmt: skip
    before, now = rows[rows[PERIOD].isin(known)], rows[rows[PERIOD] == period]
    references = dict(tuple(before.groupby(PLACE)))
    found = {
        str(name): _share_of_drifted(use_case, references[name], group)
        for name, group in now.groupby(PLACE)
        if len(group) >= FEWEST_ROWS and len(references.get(name, ())) >= FEWEST_ROWS
    }
    if not found:
        raise NotFoundError(
            f"no place has {FEWEST_ROWS} rows in {period} and as many of those that version {version} was trained on; "
            "fewer say nothing of drift"
        )
    return pd.Series(found, dtype=float)


def trained_periods(use_case: UseCase) -> tuple[str, tuple[int, int] | None]:
    """(champion, the first and last number of the periods that it was trained on; None: all).

    Raises:
        NotFoundError: no model serves.
    """
    version = read_release(use_case.settings, use_case.name).champion
    if not version:
        raise NotFoundError("no model serves, so there are no rows to measure drift from; `lakeloop train` makes one")
    return version, read_manifest(read_model_card(use_case, version).manifest_path(use_case)).periods


def _share_of_drifted(use_case: UseCase, reference: pd.DataFrame, rows: pd.DataFrame) -> float:
    contract, drifted, measured = use_case.contract, 0, 0
    for name, feature in contract.features.items():
        before, now = compared_columns(contract, name, reference, rows)
        numeric = feature.role == "numeric"
        known, now = (pd.to_numeric(side, errors="coerce").dropna() if numeric else category_texts(side)
                      for side in (before, now))  # fmt: skip
        if min(len(known), len(now)) < FEWEST_ROWS // 3:
            continue
        found = score(feature.drift.test, known, now, numeric)
        measured += found == found
        drifted += is_drift(feature.drift.test, found, feature.drift.threshold)
    return drifted / measured if measured else float("nan")
