"""What rows of the base meet in a joined source, with pandas: for replayed files, and for questions without Spark.

The lake's own `lakehouse.silver.joined_features` finds the same.
"""

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.storage.table_rows import rows_at
from lakeloop.contract import Contract
from lakeloop.contract.join import Join
from lakeloop.use_case import UseCase

MET, AT, PLACE, OWN = "_met", "_at", "_place", "_own_at"


def met_rows(contract: Contract, source: str, rows: pd.DataFrame, joined: pd.DataFrame) -> np.ndarray:
    """For each row (n,) the position of the row of `joined` that it meets; -1 for none.

    `rows` have the columns that are met and the event time as a moment or a period's name; of `joined` no two rows are
    met by the same, and `as_of` is such a moment or name, too.
    """
    join = contract.joins[source]
    own = joined[list(join.on)].set_axis(list(join.on.values()), axis="columns").reset_index(drop=True)
    own[MET] = np.arange(len(own))
    base = rows[list(join.on.values())].reset_index(drop=True)
    base[PLACE] = np.arange(len(base))
    if join.as_of is None:
        same = base.merge(own.dropna(), how="left", on=list(join.on.values())).sort_values(PLACE)
        return same[MET].fillna(-1).astype(int).to_numpy()
    base[AT] = moments(contract, rows[contract.event_time.column])
    own[OWN] = own[AT] = moments(contract, joined[join.as_of])
    found = pd.merge_asof(
        base.sort_values(AT, kind="stable"),
        own.dropna().sort_values(AT),
        on=AT,
        by=list(join.on.values()),
        allow_exact_matches=not join.earlier,
    ).sort_values(PLACE)
    met = found[MET].fillna(-1).astype(int).to_numpy()
    return np.where(_too_old(join, found), -1, met) if join.longest is not None else met


def keys_that_met(
    use_case: UseCase, delivery: DeliveryRecord, own_version: int | None, base_version: int | None
) -> pa.Array:
    """The keys of the base's rows that met a row of a joined source's delivery, as both silver tables were (None: are).

    Raises:
        VersionVacuumedError: a version was vacuumed.
    """
    contract, source = use_case.contract, delivery.source
    join, key, base = contract.joins[source], contract.key.column, f"silver/{contract.feature_source}"
    columns = list(dict.fromkeys([key, *join.on.values(), contract.event_time.column]))
    rows = rows_at(use_case, base, base_version, columns)
    joined = rows_at(use_case, f"silver/{source}", own_version, [*join.identity, "_source_file", "_batch"]).to_pandas()
    met = met_rows(contract, source, rows.to_pandas(), joined)
    brought = (joined["_source_file"] == delivery.file) & (joined["_batch"] == delivery.batch)
    found = np.append(brought.to_numpy(), False)[met]  # -1, none met, is the last one
    return rows[key].filter(pa.array(found)).combine_chunks()


def moments(contract: Contract, times: pd.Series) -> np.ndarray:
    """Moments (UTC, microseconds) of times; of a period's name the moment it begins at."""
    event_time = contract.event_time
    begins = {
        one: one if isinstance(one, datetime) else event_time.of_kind.start(one, event_time.timezone)
        for one in times.dropna().unique()
    }
    known = pd.to_datetime(times.map(begins), utc=True)
    return known.dt.tz_localize(None).to_numpy("datetime64[us]")


def _too_old(join: Join, found: pd.DataFrame) -> "pd.Series[bool]":
    number, unit = join.longest or (0, "hour")
    spans: dict[str, Any] = {f"{unit}s": number}
    return found[OWN] < found[AT] - pd.DateOffset(**spans)
