"""What rows in a frame get beside their delivered columns: the period of their event time, and the label."""

from typing import TYPE_CHECKING

from lakeloop.contract import Contract
from lakeloop.exceptions import WrongUseError
from lakeloop.made_truth import made_truth

if TYPE_CHECKING:
    import pandas as pd


MADE = {"bool": "bool", "int": "int64"}
"""The type of a computed truth in a frame, where it is no float."""


def with_period(contract: Contract, frame: "pd.DataFrame") -> "pd.DataFrame":
    """Rows with the period of their event time, which is written as it is delivered, in a column of its own.

    Raises:
        WrongUseError: an event time cannot be read.
    """
    event_time, texts = contract.event_time, frame[contract.event_time.column].astype(str)
    moments = {text: event_time.moment(text) for text in texts.unique()}
    if wrong := [text for text, moment in moments.items() if moment is None]:
        raise WrongUseError(
            f"`{event_time.column}` is {wrong[0]!r}; by the contract's `event_time` it is {event_time.meaning}"
        )
    names = {text: event_time.of_kind.of(moment, event_time.timezone) for text, moment in moments.items() if moment}
    return frame.assign(**{contract.period_column: texts.map(names)})


def with_label(contract: Contract, frame: "pd.DataFrame") -> "pd.DataFrame":
    """The rows whose truth is known, with the label's columns as gold has them; a truth that is computed is one."""
    truth, made = contract.label.truth_column, contract.label.computed
    if made and not contract.ahead:  # of a later row it was computed there
        frame = frame.assign(**{truth: made_truth(contract, frame)})
    frame = frame[frame[truth].notna()]
    if made:
        frame = frame.astype({truth: MADE.get(contract.label.truth.type, "float64")})
    if contract.label.task == "regression":
        return frame.assign(**{contract.label.name: frame[truth].astype("float64")})
    ids = frame[truth].map(contract.label.class_id)
    return with_class_names(contract, frame.assign(**{contract.label.name: ids}))


def with_class_names(contract: Contract, frame: "pd.DataFrame") -> "pd.DataFrame":
    """Labelled rows with the class' name beside its id; as they are where the label is a number."""
    label = contract.label
    if label.task == "regression":
        return frame
    return frame.assign(**{label.name_column: frame[label.name].map(label.name_of)})
