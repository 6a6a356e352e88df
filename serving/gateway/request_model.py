"""The request as the contract describes it: pydantic models made from its features, and what was asked as plain values.

Features of one `group` are nested under its name, features without a group stand at the top. Beside them stand
`key`, `at` and `request_id`, all three optional.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticCustomError

from lakeloop.contract import Contract, Feature
from lakeloop.contract.columns import DECIMAL_PLACES, TIMES
from lakeloop.contract.periods import moment_of
from lakeloop.ordinary_values import LearntValues, ordinary
from lakeloop.request_record import EARLIEST, LATEST
from serving.exceptions import RefusedRequestError
from serving.gateway.refusal import problems_of
from serving.gateway.request_id import ID_CHARACTERS, LONGEST_ID, new_request_id
from serving.gateway.turns import in_turns

MOST_ROWS = 1000
"""Rows of one batch."""
LONGEST_KEY = 256
DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
YEARS = "^(19[7-9][0-9]|20[0-9][0-9]|21[0-9][0-9])-"
"""The years from EARLIEST to LATEST as a pattern of the text, for OpenAPI, which knows no bounds for times."""
NO_NUL = r"^[^\x00]*$"
"""No text file holds a NUL character."""

_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """One row to answer; `features` is flat, in the contract's order and types, `at` ISO 8601 in UTC.

    As a request has it, it lacks the derived features.
    """

    request_id: str
    key: str | None
    at: str
    features: dict[str, Any]


class RequestModel:
    """Reads request bodies of one contract. `one` and `batch` are the pydantic models behind it.

    `now` is the moment (UTC) of a request that does not say when its event was. Derived features, which requests do not
    have, come later (`OwnCode.completed`).
    """

    def __init__(self, contract: Contract, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._contract, self._now = contract, now
        groups: dict[str | None, dict[str, Feature]] = {}
        for name, feature in contract.given_features.items():
            groups.setdefault(feature.group, {})[name] = feature
        fields: dict[str, Any] = {}
        for group, features in groups.items():
            inner = {_attribute(name): _field(name, feature, contract) for name, feature in features.items()}
            if group is None:
                fields |= inner
            else:
                title = "".join(part.capitalize() for part in group.split("_"))
                nested: Any = create_model(title, __config__=_STRICT, **inner)  # type: ignore[call-overload]
                whole = all(feature.optional for feature in features.values())
                left_out: Any = {"default_factory": nested} if whole else {}
                fields[_attribute(group)] = (nested, Field(alias=group, **left_out))
        self.one: type[BaseModel] = create_model(
            "PredictRequest", __config__=_STRICT, **fields, **_optional_fields(contract)
        )
        rows = Annotated[list[self.one], Field(min_length=1, max_length=MOST_ROWS)]  # type: ignore[name-defined]
        self.batch: type[BaseModel] = create_model("BatchRequest", __config__=_STRICT, requests=(rows, ...))
        self._places = [
            (name, _attribute(feature.group) if feature.group else None, _attribute(name))
            for name, feature in contract.given_features.items()
        ]

    def read_one(self, body: bytes) -> PredictionRequest:
        """The row of a `/predict/` body. Raises RefusedRequestError (422)."""
        return self._as_request(self._validated(self.one, body))

    async def read_batch(self, body: bytes) -> list[PredictionRequest]:
        """The rows of a `/predict/batch` body. Raises RefusedRequestError (422), which names a bad row's position."""
        batch: Any = self._validated(self.batch, body)
        return [self._as_request(row) async for piece in in_turns(batch.requests) for row in piece]

    def example(self, learnt: LearntValues | None = None) -> dict[str, Any]:
        """A body that is valid and, in most use cases, ordinary; `learnt`: by the model that answers."""
        body: dict[str, Any] = {}
        for name, feature in self._contract.given_features.items():
            place = body.setdefault(feature.group, {}) if feature.group else body
            place[name] = ordinary(self._contract, name, learnt)
        return body

    def _validated(self, model: type[BaseModel], body: bytes) -> BaseModel:
        try:
            return model.model_validate_json(body)
        except ValidationError as error:
            raise RefusedRequestError(422, problems_of(error, self._contract, model is self.batch)) from None

    def _as_request(self, request: Any) -> PredictionRequest:
        features = {
            name: getattr(request if group is None else getattr(request, group), attribute)
            for name, group, attribute in self._places
        }
        event = self._contract.event_time.column
        at = request.at or features.get(event) or self._now()
        if event in features and features[event] is None:
            features[event] = at
        return PredictionRequest(request.request_id or new_request_id(), request.key, at.isoformat(), features)


def _attribute(name: str) -> str:
    """The models' attribute of a contract's name; contracts may use names that pydantic keeps for itself."""
    return f"of_{name}"


def _field(name: str, feature: Feature, contract: Contract) -> tuple[Any, Any]:
    about = feature.description + (f", in {feature.unit}" if feature.unit else "")
    zone = contract.event_time.timezone
    if feature.type == "timestamp":
        about += f", ISO 8601; without a zone {zone}"
    event = name == contract.event_time.column
    allowed, limits = _allowed(feature, zone, event)
    if not feature.optional and not event:
        return allowed, Field(alias=name, description=about, **limits)
    allowed = Annotated[allowed, Field(**limits)] | None
    if feature.type in ("string", *TIMES):
        allowed = Annotated[allowed, BeforeValidator(_empty_is_missing)]
    left_out = "left out, that of `at`" if event else "null or left out where it is not known"
    return allowed, Field(None, alias=name, description=f"{about}; {left_out}")


def _allowed(feature: Feature, zone: str, event: bool = False) -> tuple[Any, dict[str, Any]]:
    """The type of a feature's values, and the limits of its field; `event`: it is the event time."""
    if feature.type == "bool":
        return Annotated[bool, BeforeValidator(_truth_value)], {}
    if feature.values is not None:
        allowed: Any = Literal[feature.values]
        return Annotated[allowed, BeforeValidator(_whole)] if feature.type == "int" else allowed, {}
    if feature.type == "string":
        return str, {"min_length": 1, "pattern": NO_NUL}
    if feature.type in TIMES:
        form = {"format": "date" if feature.type == "date" else "date-time"}
        read = AfterValidator(partial(_time_value, feature=feature, zone=zone, event=event))
        return Annotated[str, Field(json_schema_extra=form), read], {}  # type: ignore[arg-type]
    low, high = feature.limits or (None, None)
    if feature.type == "int":
        return Annotated[int, Field(ge=low, le=high), BeforeValidator(_whole)], {}
    if feature.type == "decimal":
        places = Field(ge=low, le=high, allow_inf_nan=False, decimal_places=DECIMAL_PLACES)
        return Annotated[Decimal, Strict(False), places, BeforeValidator(_no_truth_value)], {}
    return float, {"ge": low, "le": high, "allow_inf_nan": False}


def _optional_fields(contract: Contract) -> dict[str, Any]:
    key = Annotated[str, Field(min_length=1, max_length=LONGEST_KEY)]
    request_id = Annotated[str, Field(min_length=1, max_length=LONGEST_ID, pattern=ID_CHARACTERS)]
    zone = contract.event_time.timezone
    about_at = (
        f"Event time, ISO 8601, from {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}; without a zone {zone}; default: now"
    )
    form = {"format": "date-time", "pattern": YEARS}
    in_zone = AfterValidator(partial(_moment, zone=zone))
    moment = Annotated[str, Field(json_schema_extra=form), in_zone]  # type: ignore[arg-type]
    return {
        "key": (key | None, Field(None, description=contract.key.description)),
        "at": (
            moment | None,
            Field(None, description=about_at),
        ),
        "request_id": (
            request_id | None,
            Field(None, description="The same id again gets the same answer and is counted once; default: a UUIDv7"),
        ),
    }


def _whole(value: Any) -> Any:
    """JSON knows one kind of number: 1.0 is 1. `true` is none, though Python takes it for 1."""
    if isinstance(value, bool):
        raise PydanticCustomError("bool", "a truth value is no number")
    return int(value) if type(value) is float and value.is_integer() else value


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("bool", "a truth value is no number")
    return value


def _time_value(text: str, feature: Feature, zone: str, event: bool) -> date:
    found = feature.time(text, zone=zone)
    possible = found is not None and (not event or EARLIEST.year <= found.year <= LATEST.year)
    if found is None or not possible:
        raise PydanticCustomError("time", "must be a date or time in ISO 8601")
    return found


def _truth_value(value: Any) -> Any:
    """1 and 0 are true and false, as in files."""
    return bool(value) if type(value) in (int, float) and value in (0, 1) else value


def _empty_is_missing(value: Any) -> Any:
    """An empty text is no value, as in files."""
    return None if value == "" else value


def _moment(text: str, zone: str) -> datetime:
    """A date and a time, in UTC; without a zone it is of `zone`. Pydantic would take "0" for seconds since 1970."""
    try:
        moment = datetime.fromisoformat(text.upper()) if DATE_AND_TIME.match(text) else None
    except ValueError:
        moment = None
    if moment is None:
        raise PydanticCustomError("iso_8601", "must be a date and a time in ISO 8601, e.g. 2023-03-05T10:00:00Z")
    within = EARLIEST.year <= moment.year <= LATEST.year  # as written, and then in UTC
    if within and moment.tzinfo is None:
        moment = moment_of(moment, zone)
    if not (within and EARLIEST <= moment <= LATEST):
        raise PydanticCustomError(
            "year",
            "{given} lies outside of the years allowed, {low} to {high} in UTC",
            {"given": text, "low": EARLIEST.year, "high": LATEST.year},
        )
    return moment.astimezone(UTC)
