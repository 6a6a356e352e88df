"""The rows of a period that can be had without waiting for it: drawn by a generator, or replayed from a history."""

import pandas as pd

from lakeloop.drawn_rows import sample_period
from lakeloop.use_case import UseCase
from operations.history import history_periods, history_rows


def period_rows(use_case: UseCase, number: int) -> pd.DataFrame:
    """A period's key (a text, as everywhere), event time, features, and the truth, missing where a history lacks it.

    Raises:
        WrongUseError: the use case has neither generator nor history, or they have no rows of this period.
    """
    if use_case.contract.has_history:
        return history_rows(use_case, number)
    return sample_period(use_case, number)


def played_periods(use_case: UseCase, wanted: range) -> list[int]:
    """Those of the periods of which there are rows: a generator draws all, a history has files of some."""
    if not use_case.contract.has_history:
        return list(wanted)
    return sorted(set(wanted).intersection(history_periods(use_case)))
