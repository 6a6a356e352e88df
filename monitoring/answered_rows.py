"""The rows of silver/predictions that a window is judged by, and one window of them read without Spark."""

import pandas as pd

from lakeloop.contract import Contract
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.lake_tables import Filter, read_lake_table
from lakeloop.settings import Settings
from monitoring.reference import PREDICTION, likeliest
from monitoring.windows import AT

PREDICTIONS = "silver/predictions"
VERSION = "model_version"


def columns_of(contract: Contract) -> list[str]:
    """The columns of silver/predictions that `rows_of_version` needs."""
    probabilities = [f"probability_{name}" for name in contract.label.class_names]
    return [contract.event_time.column, AT, VERSION, *contract.features, *probabilities]


def rows_of_version(frame: pd.DataFrame, contract: Contract, version: str) -> pd.DataFrame:
    """Features, event time and the class this version thought likeliest; None where it was not asked.

    `frame` has the columns of `columns_of`, one row an answered request.
    """
    probabilities = frame[[f"probability_{name}" for name in contract.label.class_names]].to_numpy(float)
    predicted = likeliest(contract, probabilities)
    predicted[(frame[VERSION] != version).to_numpy()] = None
    return frame[[AT, *contract.features]].assign(**{PREDICTION: predicted})


def read_window(
    settings: Settings, contract: Contract, version: str, month: str, first: str = "", last: str = ""
) -> pd.DataFrame:
    """The requests of a month that are judged against a version, as `rows_of_version` gives them.

    Those that rules answered without asking a model belong to the model that answered most of the month. With `first`
    and `last` (ISO 8601) only requests between them count.

    Raises:
        NotFoundError: there are none; the text says what to do.
        WrongUseError: `first` or `last` is no moment, or stands alone.
    """
    bounds = _bounds(first, last)
    filters: list[Filter] = [(contract.event_time.column, "=", month)]
    frame = read_lake_table(settings, PREDICTIONS, columns_of(contract), filters)
    if frame is not None:
        answered = frame[VERSION].value_counts()
        alone = answered.empty or version == max(answered.index, key=lambda known: (answered[known], known))
        frame = frame[(frame[VERSION] == version) | (frame[VERSION].isna() & alone)]
    if frame is not None and bounds is not None:
        frame = frame[pd.to_datetime(frame[AT], utc=True, format="ISO8601").between(*bounds)]
    if frame is None or frame.empty:
        raise NotFoundError(
            f"silver/predictions has no request of {month} that version {version} answered; "
            "`lakeloop lake stream` brings the requests into the lake"
        )
    return rows_of_version(frame, contract, version)


def _bounds(first: str, last: str) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """Both ends of a window in UTC; None: the whole month."""
    if not first and not last:
        return None
    wrong = f"a window goes from `first` to `last`, both as 2024-01-01T00:00:00Z; given: {first!r}, {last!r}"
    if not first or not last:
        raise WrongUseError(wrong)
    try:
        begin, end = (pd.to_datetime(text, utc=True, format="ISO8601") for text in (first, last))
    except ValueError:
        raise WrongUseError(wrong) from None
    return begin, end
