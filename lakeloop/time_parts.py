"""Dates and times in frames as parts of them, as Transform's graph makes them for the model."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lakeloop.contract import Contract, Feature
from lakeloop.contract.time_features import AGE, DAY_SECONDS, Part, compared_parts, zone_offsets
from lakeloop.model_input import carried

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

AGE_BINS = 10
"""An age is compared by the tenths of the reference's ages."""


def parts_of(contract: Contract, name: str, frame: "pd.DataFrame", parts: Iterable[Part]) -> "dict[Part, pd.Series]":
    """The parts (rows,) of a date or time, floats, NaN where it is missing; the age in days."""
    import pandas as pd

    feature = contract.features[name]
    seconds = carried(feature, frame[name]).astype("float64")
    there = seconds.notna().to_numpy()
    shown = _calendar(_local(feature, seconds.fillna(0).to_numpy("int64"), contract.event_time.timezone))
    found: dict[Part, pd.Series] = {}
    for part in parts:
        if part == AGE:
            at = contract.event_time.column
            found[part] = (carried(contract.features[at], frame[at]) - seconds) / DAY_SECONDS
        else:
            found[part] = pd.Series(shown[part], frame.index, dtype="float64").where(there)
    return found


def part_columns(contract: Contract, frame: "pd.DataFrame", compared: bool = False) -> "pd.DataFrame":
    """The frame with columns of parts in place of each date or time; `compared`: those that come round in a period."""
    times = {name: feature for name, feature in contract.features.items() if feature.role == "time" and name in frame}
    if not times:
        return frame
    made: dict[str, pd.Series] = {}
    for name, feature in times.items():
        parts = feature.parts or ()
        kept = compared_parts(parts, contract.period) if compared else parts
        made |= {f"{name} {part}": values for part, values in parts_of(contract, name, frame, kept).items()}
    return frame.drop(columns=list(times)).assign(**made)


def compared_times(
    contract: Contract, name: str, reference: "pd.DataFrame", current: "pd.DataFrame"
) -> "tuple[pd.Series, pd.Series]":
    """A date or time as it is compared: its parts that come round within a period, each a value; NaN where missing.

    None of both where there is no such part: that time goes on is no drift.
    """
    import numpy as np
    import pandas as pd

    kept = compared_parts(contract.features[name].parts or (), contract.period)
    both = [parts_of(contract, name, frame, kept) for frame in (reference, current)]
    if AGE in kept:
        known = both[0][AGE].dropna().to_numpy()
        edges = np.unique(np.quantile(known, np.linspace(0, 1, AGE_BINS + 1)[1:-1])) if len(known) else np.empty(0)
        for found in both:
            tenths = pd.Series(np.digitize(found[AGE].fillna(0), edges), found[AGE].index, dtype="float64")
            found[AGE] = tenths.where(found[AGE].notna())
    texts = [
        [
            values.map(lambda value, part=part: f"{part} {value:.0f}", na_action="ignore")
            for part, values in found.items()
        ]
        for found in both
    ]
    before, now = (pd.concat(series) if series else pd.Series(dtype=object) for series in texts)
    return before, now


def _local(feature: Feature, seconds: "np.ndarray", zone: str) -> "np.ndarray":
    """What the zone's clock shows, counted as if it were UTC; a date is of no zone."""
    import numpy as np

    if feature.type == "date":
        return seconds
    since, ahead = zone_offsets(zone)
    places = np.maximum(np.searchsorted(np.asarray(since), seconds, side="right") - 1, 0)
    local: np.ndarray = seconds + np.asarray(ahead)[places]
    return local


def _calendar(local: "np.ndarray") -> "Mapping[Part, np.ndarray]":
    days = local // DAY_SECONDS
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    month = months.astype("int64") % 12 + 1
    return {
        "hour": local % DAY_SECONDS // 3600,
        "weekday": (days + 3) % 7,
        "day": (days.astype("datetime64[D]") - months.astype("datetime64[D]")).astype("int64") + 1,
        "month": month,
        "quarter": (month + 2) // 3,
        "year": months.astype("int64") // 12 + 1970,
    }
