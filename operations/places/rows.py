"""The rows of a use case by place, read without Spark: where each is, what its truth is, and what a model answered."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lakeloop.contract import Contract, Place
from lakeloop.contract.key import JOINT
from lakeloop.lake_tables import dataset_of, open_lake_table, read_lake_table
from lakeloop.use_case import UseCase

PLACE, BY, PERIOD = "_place", "_by", "_period"
NONE = "(none)"
REQUESTS, TRAINING, SCORES, CLUSTERS = "silver/predictions", "gold/training", "gold/scores", "gold/clusters"


def versions_of(use_case: UseCase) -> tuple[int, ...]:
    """The versions of the tables that the map is drawn from, -1 where there is none: what is kept is of these."""
    base = f"silver/{use_case.contract.feature_source}"
    found = [open_lake_table(use_case, table) for table in (base, REQUESTS, TRAINING, SCORES, CLUSTERS)]
    return tuple(-1 if table is None else table.version() for table in found)


def located(contract: Contract, place: Place, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with `_place`, `_by` ('' where rows are not split) and `_period`; rows without a place are left out.

    A part of a compound key is read from the key where the frame has no column of it.
    """
    by = _texts(contract, frame, place.by).fillna(NONE) if place.by else pd.Series("", frame.index)
    found = frame.assign(**{
        PLACE: _texts(contract, frame, place.column) if place.column else _cells(place, frame),
        BY: by,
        PERIOD: frame[contract.period_column],
    })  # fmt: skip
    return found[found[PLACE].notna()]


def delivered_rows(use_case: UseCase, place: Place, wanted: Sequence[str] = ()) -> pd.DataFrame | None:
    """Key, place, by, period and some features: of rows as delivered, and of requests whose row nobody delivered.

    None while nothing is in silver.
    """
    contract = use_case.contract
    key, base = contract.key.column, f"silver/{contract.feature_source}"
    parts: list[pd.DataFrame] = []
    for table in (base, REQUESTS):
        found = open_lake_table(use_case, table)
        if found is None:
            continue
        there = {field.name for field in found.schema().fields}
        columns = [name for name in dict.fromkeys((key, contract.period_column, *place.columns, *wanted))
                   if name in there]  # fmt: skip
        if not _has_place(contract, place, columns) or not set(wanted) <= there:
            continue
        rows = read_lake_table(use_case, table, [*columns, *(["at"] if table == REQUESTS else [])])
        assert rows is not None  # it was there a moment ago
        if table == REQUESTS:
            rows = rows.sort_values("at", kind="stable").drop(columns="at")
            rows = rows[rows[key].notna()].drop_duplicates(key, keep="last")
            rows = rows[~rows[key].isin(parts[0][key])] if parts else rows
        parts.append(located(contract, place, rows)[[key, PLACE, BY, PERIOD, *wanted]])
    return pd.concat(parts, ignore_index=True) if parts else None


def chosen(place: Place, frame: pd.DataFrame, by: str) -> pd.Series:
    """Which rows of a located frame are of `by`; '' is all, without the total, which are the others once more."""
    if by:
        return frame[BY] == by
    return frame[BY] != place.total if place.total else pd.Series(True, frame.index)


def truths(use_case: UseCase, wanted: Sequence[str]) -> pd.DataFrame | None:
    """Key and some columns of gold/training; None while there is no such table."""
    return read_lake_table(use_case, TRAINING, [use_case.contract.key.column, *wanted])


def answers(use_case: UseCase) -> pd.DataFrame | None:
    """The newest model's answer to each row that a model was asked about: key, `prediction`, `version`, and of classes
    `probability_<class>`. Of scorings and of requests; None where neither has any.
    """
    found = [rows for rows in (_scored(use_case), _asked(use_case)) if rows is not None and len(rows)]
    if not found:
        return None
    both = pd.concat(found, ignore_index=True)
    both["_number"] = pd.to_numeric(both["version"], errors="coerce").fillna(-1)
    key = use_case.contract.key.column
    newest = both.sort_values(["_number", "_at"], kind="stable").drop_duplicates(key, keep="last")
    return newest.drop(columns=["_number", "_at"]).reset_index(drop=True)


def _scored(use_case: UseCase) -> pd.DataFrame | None:
    contract, found = use_case.contract, open_lake_table(use_case, SCORES)
    if found is None:
        return None
    key, classes = contract.key.column, contract.label.class_names
    wanted = [key, "prediction", "model", "scored_at", *(["probabilities"] if classes else [])]
    rows = dataset_of(found).to_table(columns=wanted, filter=ds.field("predictor_type") == "model")
    given = rows.select(wanted[:4]).to_pandas().rename(columns={"model": "version", "scored_at": "_at"})
    return given.assign(
        _at=pd.to_datetime(given["_at"], utc=True),
        **{f"probability_{name}": _of_class(rows["probabilities"], name) for name in classes},
    )


def _of_class(probabilities: pa.ChunkedArray, name: str) -> np.ndarray:
    """What maps of probabilities (rows,) say of a class; NaN where they do not."""
    return np.asarray(pc.map_lookup(probabilities, pa.scalar(name), "first").to_pandas(), float)


def _asked(use_case: UseCase) -> pd.DataFrame | None:
    contract, key = use_case.contract, use_case.contract.key.column
    found = open_lake_table(use_case, REQUESTS)
    if found is None:
        return None
    probabilities = [f"probability_{name}" for name in contract.label.class_names]
    wanted = [key, "prediction", "model_version", "answered_at", "predictor_type", *probabilities]
    if not set(wanted) <= {field.name for field in found.schema().fields}:
        return None
    rows = read_lake_table(use_case, REQUESTS, wanted, [("predictor_type", "=", "model")])
    assert rows is not None
    rows = rows[rows[key].notna()].rename(columns={"model_version": "version", "answered_at": "_at"})
    return rows.assign(_at=pd.to_datetime(rows["_at"], utc=True)).drop(columns="predictor_type")


def _has_place(contract: Contract, place: Place, columns: Sequence[str]) -> bool:
    return all(name in columns or name in contract.key.columns for name in place.columns)


def _texts(contract: Contract, frame: pd.DataFrame, column: str) -> pd.Series:
    """A column's values as texts, whole numbers without a point; missing ones stay missing."""
    if column not in frame:
        return frame[contract.key.column].str.split(JOINT, regex=False).str[contract.key.columns.index(column)]
    values = frame[column]
    if column in contract.features and contract.features[column].role == "binary":
        return values.map({0: "no", 1: "yes"})
    if values.dtype.kind == "f":
        values = values.astype("Int64")
    return values.astype("string").astype(object).where(values.notna(), None)


def _cells(place: Place, frame: pd.DataFrame) -> pd.Series:
    """`row,column` of the cell that each row lies in; None without coordinates that are degrees."""
    size = float(place.cell or 1)
    east, north = (pd.to_numeric(frame[name], errors="coerce") for name in (place.longitude, place.latitude))
    good = east.between(-180, 180) & north.between(-90, 90)
    texts = pd.Series(None, frame.index, dtype=object)
    row, column = (np.floor(part[good] / size).astype(int).astype(str) for part in (north, east))
    texts[good] = row + "," + column
    return texts
