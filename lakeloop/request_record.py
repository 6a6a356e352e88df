"""One answered request as a line of the request log: what the gateway writes and the lakehouse reads."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from lakeloop.frozen_model import FrozenModel

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, 23, 59, 59, 999999, UTC)
"""Times of a request lie between these: what reads them later cannot tell any time there is."""


def in_json(value: object) -> str:
    """What orjson does not know: a decimal, as a text that keeps every digit.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _is_none(value: object) -> bool:
    return value is None


class RequestRecord(FrozenModel):
    """One answered request. Times are ISO 8601 in UTC; `probabilities` follow the order of the contract's classes.

    Of several labels `prediction` is their names, joined by commas, and `class_id` the number of their set.

    Where a number is predicted there is no class, and `lower` and `upper` are the ends of the model's interval, which
    holds the truth of a share `level` of the rows.
    """

    request_id: str = Field(description="given by the client, or a UUIDv7; the same id is counted once")
    key: str | None = Field(description="the contract's key, by which the ground truth finds it later")
    at: str = Field(description="event time")
    answered_at: str = Field(description="when the gateway answered")
    features: dict[str, Any] = Field(description="the contract's features, flat, in its types")
    prediction: str | float = Field(description="class name, or the number")
    class_id: int | None = Field(None, exclude_if=_is_none)
    probabilities: list[float] | None = Field(None, description="the model's; null where it was not asked")
    threshold: float | None = Field(None, description="the model's, where it has one", exclude_if=_is_none)
    lower: float | None = Field(None, description="where the interval begins", exclude_if=_is_none)
    upper: float | None = Field(None, description="where it ends", exclude_if=_is_none)
    level: float | None = Field(None, description="share of rows whose truth it holds", exclude_if=_is_none)
    predictor_type: Literal["model", "rules"]
    reason: str = Field(description="ok, or why the rules answered")
    rules_sha256: str | None = Field(
        None, description="of the file of the rules that answered, and of what it imports", exclude_if=_is_none
    )
    model_version: str | None = Field(description="version that gave them; null where it was not asked")
    latency_ms: float = Field(description="from request to answer, in the gateway")

    @model_validator(mode="after")
    def _a_class_has_its_id_and_probabilities(self) -> Self:
        if isinstance(self.prediction, str) and not {"class_id", "probabilities"} <= self.model_fields_set:
            raise ValueError("a class needs `class_id` and `probabilities`")
        return self
