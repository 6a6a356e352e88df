"""Switches that make the rules answer for the whole model or a segment: with who, why, from when and to when."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError
from sqlalchemy import insert, select, update

from lakeloop.contract import Contract, Segment
from lakeloop.contract.production import condition_problem
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.fallback import WHOLE_MODEL
from lakeloop.operational_db import engine, fallback_switches
from lakeloop.use_case import UseCase


@dataclass(frozen=True)
class Switch:
    """One switch; `segment` is '' for the whole model, `until` is '' while it is on. Times are ISO 8601 in UTC."""

    id: int
    segment: str
    who: str
    why: str
    since: str
    until: str = ""
    removed_by: str = ""


def parse_segment(contract: Contract, text: str) -> Segment:
    """The segment that `text` describes.

    Raises:
        WrongUseError: it cannot be read, names no feature, or compares a feature with a value of another type.
    """
    try:
        segment = Segment(text=text)
    except ValidationError as error:
        raise WrongUseError(f"the segment {text!r}: {error.errors()[0]['msg']}") from None
    for name, comparison, value in segment.written:
        feature = contract.features.get(name)
        if feature is None:
            raise WrongUseError(
                f"the segment {text!r}: `{name}` is no feature; features: {', '.join(contract.features)}"
            )
        if problem := condition_problem(name, feature.type, comparison, value):
            raise WrongUseError(f"the segment {text!r}: {problem}")
    return segment


def add_switch(use_case: UseCase, segment: str, who: str, why: str) -> Switch:
    """Switch the model off for a segment ('' for all rows); effective in running gateways within a second.

    Raises:
        WrongUseError: the segment is wrong, it is switched off already, or the use case has no rules to answer instead.
    """
    contract = use_case.contract
    if contract.fallback is None:
        raise WrongUseError(f"use case {use_case.name} has no `fallback` in its contract: nothing could answer instead")
    if segment != WHOLE_MODEL:
        parse_segment(contract, segment)
    if any(switch.segment == segment for switch in active_switches(use_case)):
        raise WrongUseError(f"{segment or 'the whole model'} is switched off already; see `lakeloop fallback list`")
    values = {"use_case": use_case.name, "segment": segment, "who": who, "why": why, "since": _now()}
    with engine(use_case.settings.operational_db).begin() as connection:
        key = connection.execute(insert(fallback_switches).values(**values)).inserted_primary_key
    return Switch(key[0] if key else 0, segment, who, why, values["since"])


def remove_switch(use_case: UseCase, number: int, who: str) -> Switch:
    """Switch the model on again; the switch stays on record.

    Raises:
        NotFoundError: no active switch has this number.
    """
    found = next((switch for switch in active_switches(use_case) if switch.id == number), None)
    if found is None:
        raise NotFoundError(f"no active switch has number {number}; `lakeloop fallback list` shows them")
    until = _now()
    change = update(fallback_switches).where(fallback_switches.c.id == number).values(until=until, removed_by=who)
    with engine(use_case.settings.operational_db).begin() as connection:
        connection.execute(change)
    return Switch(found.id, found.segment, found.who, found.why, found.since, until, who)


def active_switches(use_case: UseCase) -> tuple[Switch, ...]:
    """What is switched off now, the oldest first."""
    return tuple(switch for switch in all_switches(use_case) if not switch.until)


def all_switches(use_case: UseCase) -> tuple[Switch, ...]:
    """Every switch there ever was, the oldest first."""
    columns = [column for column in fallback_switches.c if column.name != "use_case"]
    query = select(*columns).where(fallback_switches.c.use_case == use_case.name).order_by(fallback_switches.c.id)
    with engine(use_case.settings.operational_db).connect() as connection:
        return tuple(
            Switch(r.id, r.segment, r.who, r.why, r.since, r.until or "", r.removed_by or "")
            for r in connection.execute(query)
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
