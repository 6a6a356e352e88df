"""Whose answers requests are: the one place where answered requests become the rows that a window is measured by.

A request is its model's whose probabilities, or interval, it has. One that rules answered without asking a model
belongs to the version that answered most of the stretch it lies in, for the training rows of that one hold such cases
too. Where
requests of several versions are held against one (the newest requests after a deployment; a what-if), the features
of all count, and of the answers only its own.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.model_input import as_carried
from lakeloop.request_record import RequestRecord
from lakeloop.threshold import Threshold
from monitoring.drift.watched_answers import watched_answers
from monitoring.drift.windows import AT

VERSION, BY_RULES = "model_version", "by_rules"


def columns_of(contract: Contract) -> list[str]:
    """The columns of silver/predictions that windows are measured by."""
    return [contract.period_column, AT, VERSION, *contract.features, *watched_answers(contract).columns]


def row_of_record(record: RequestRecord, contract: Contract) -> dict[str, Any]:
    """A line of the request log as such a row, and whether rules answered it; of one from before the contract changed
    what still fits.
    """
    answers = watched_answers(contract)
    names, given = answers.columns, answers.of_record(record)
    known = given if given is not None and len(given) == len(names) else [None] * len(names)
    return {
        AT: record.at,
        VERSION: record.model_version,
        BY_RULES: record.predictor_type == "rules",
        **{name: record.features.get(name) for name in contract.features},
        **dict(zip(names, known, strict=True)),
    }


def frame_of_records(rows: Iterable[Mapping[str, Any]], contract: Contract) -> pd.DataFrame:
    """Such rows as a frame, which has its columns even without a row."""
    return pd.DataFrame(
        list(rows), columns=[AT, VERSION, BY_RULES, *contract.features, *watched_answers(contract).columns]
    )


def rows_of_version(
    frame: pd.DataFrame, contract: Contract, version: str, threshold: Threshold | None = None
) -> pd.DataFrame:
    """What a window is measured by: event time, features, and what this version answered (`prediction`), of a class
    with its probability (`confidence`); None and NaN where it was not asked. `threshold` is this version's.

    `frame` has a row an answered request and the columns above; `by_rules` is kept where it is there.
    """
    answers = watched_answers(contract, threshold)
    given = frame[list(answers.columns)].to_numpy(float, copy=True)
    given[(frame[VERSION] != version).to_numpy()] = np.nan
    kept = [AT, *contract.features, *(name for name in (BY_RULES,) if name in frame)]
    return as_carried(contract.features, frame[kept]).assign(**answers.watched(given))


def requests_of_version(frame: pd.DataFrame, version: str, with_unasked: bool) -> pd.DataFrame:
    """One version's requests of a stretch, and with them those that no model was asked about if they are its own."""
    mine = frame[VERSION] == version
    return frame[mine | frame[VERSION].isna() if with_unasked else mine]


def version_of_unasked(answered: Mapping[str, int]) -> str:
    """Whose the requests of a stretch are that no model was asked about: of the version that answered most of it.

    `answered`: version -> requests, not empty.
    """
    return max(answered, key=lambda version: (answered[version], version))
