"""How rows of a source that is joined to the base find each other: by columns, and as of a time."""

import re
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from lakeloop.contract.columns import Column
from lakeloop.contract.event_time import EventTime
from lakeloop.contract.section import Name, Section, Text, mistake, sequences_as_tuples, unless
from lakeloop.contract.time_formats import format_problem

WITHIN = re.compile(r"([1-9][0-9]{0,5}) (hour|day|week|month|year)s?")


class Join(Section):
    """Every row of the base meets one row of this source at most, and none is a missing value.

    `on`: own column -> column of the base, where both have the same value. `as_of`: of those rows the newest at or
    before the base row's event time, with `earlier` the newest before it; without it there is one row for the values
    of `on`, and a later delivered one replaces it. `format`: how `as_of` is written, or an own column that meets the
    base's period; None: as the event time. `within`: an older one counts as none.
    """

    on: dict[Name, Name] = Field(min_length=1)
    as_of: Name | None = None
    earlier: bool = unless(False)
    format: Text | None = None
    within: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _same_names_may_be_listed(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        given = sequences_as_tuples(given)
        named = given.get("on")
        if isinstance(named, tuple) and all(isinstance(name, str) for name in named):
            if len(set(named)) != len(named):
                raise mistake(f"`on` names a column twice: {', '.join(named)}; name each once")
            return {**given, "on": {name: name for name in named}}
        return given

    @field_validator("format")
    @classmethod
    def _format_is_known(cls, given: str | None) -> str | None:
        if given is not None and (problem := format_problem(given, "year")):
            raise mistake(problem)
        return given

    @field_validator("within")
    @classmethod
    def _within_is_a_time(cls, given: str | None) -> str | None:
        if given is not None and not WITHIN.fullmatch(given):
            raise mistake(f"is {given!r}; write a number and hours, days, weeks, months or years, such as 3 hours")
        return given

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.as_of in self.on:
            raise mistake(f"`{self.as_of}` stands in `on` and is `as_of`; a row is met by the one or by the other")
        if self.within is not None and self.as_of is None:
            raise mistake("`within` says how old a row of `as_of` may be; say `as_of`, or leave it out")
        if self.earlier and self.as_of is None:
            raise mistake("`earlier` says that a row of the same time does not count; say `as_of`, or leave it out")
        if twice := sorted({base for base in self.on.values() if list(self.on.values()).count(base) > 1}):
            raise mistake(f"`on` takes two columns for the base's {', '.join(twice)}; name each once")
        return self

    @property
    def identity(self) -> tuple[str, ...]:
        """The own columns by which one row is told from another."""
        return (*self.on, *([self.as_of] if self.as_of else []))

    @property
    def longest(self) -> tuple[int, str] | None:
        """How old a row of `as_of` may be, as number and unit (hour, day, week, month, year); None: however old."""
        match = WITHIN.fullmatch(self.within or "")
        return (int(match[1]), match[2]) if match else None

    @property
    def in_words(self) -> str:
        """E.g. `area = pickup_area, the newest observed_at at or before the event time, within 3 hours`."""
        said = [own if own == base else f"{own} = {base}" for own, base in self.on.items()]
        if self.as_of:
            said.append(f"the newest {self.as_of} {'' if self.earlier else 'at or '}before the event time")
        return ", ".join([*said, *([f"within {self.within}"] if self.within else [])])


class JoinColumn(Column):
    """A column that a joined source is met by; a row must have it. `time`: how it is written, where it is a time.

    Of a `type` string a time is the name of its period.
    """

    time: EventTime | None = None

    @property
    def may_be_anything(self) -> bool:
        """What is met is what is equal, whatever it is."""
        return True


class LooseColumn(Column):
    """A text of the base that is no feature: what other rows are met by, or what is taken from another source."""

    @property
    def optional(self) -> bool:
        """A row without it is good, and meets nothing."""
        return True
