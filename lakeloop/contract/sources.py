"""Where rows come from: files of a kind, and their event time."""

import re
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from lakeloop.contract.section import Name, Section, Text, mistake

MONTH = r"^(19[7-9][0-9]|2[01][0-9]{2})-(0[1-9]|1[0-2])$"
"""The gateway takes events of 1970 to 2199."""
NO_SEPARATORS = "\"'._+-\n\r\0"
ANY_MONTH = "[0-9]{4}-(?:0[1-9]|1[0-2])"
LAST_MONTH = "2199-12"
MOST_MONTHS = 1200
"""Months after its start that a use case may have; what lies later is taken for a mistake."""


class EventTime(Section):
    """The column holding the month an event belongs to, as `YYYY-MM`; `start` is month 0."""

    column: Name
    description: Text
    start: Annotated[str, StringConstraints(pattern=MONTH)]

    def why_impossible(self, month: str) -> str:
        """Why nothing of this use case can belong to `month` (`YYYY-MM`); '' where it can."""
        if month < self.start:
            return f"is before the use case's start, {self.start}"
        return f"is after {LAST_MONTH}, the last month that events are taken of" if month > LAST_MONTH else ""


class Source(Section):
    """Files of one kind. `{month}` in `files` stands for `YYYY-MM`; months above 0 arrive `delay_months` late."""

    description: Text
    files: Text
    columns: tuple[Name, ...] = Field(min_length=2)
    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    delay_months: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _pattern_has_month(self) -> Self:
        if self.files.count("{month}") != 1 or "/" in self.files:
            raise mistake(
                f"`files` is {self.files!r}; write a file name with {{month}} once, e.g. 'rows-{{month}}.csv'"
            )
        if self.files.startswith(".") or self.files.endswith(".part") or len(self.files) > 200:
            raise mistake(
                f"`files` is {self.files!r}; files that begin with a dot or end in .part are not looked at, and a "
                "name may have 200 characters"
            )
        if self.separator.isalnum() or self.separator in NO_SEPARATORS:
            raise mistake(
                f"`separator` is {self.separator!r}, which numbers, months, names or quoted texts are made of; take "
                "one such as ',', ';', '|' or a tab (\"\\t\")"
            )
        if len(set(self.columns)) != len(self.columns):
            raise mistake(f"`columns` names a column twice: {', '.join(self.columns)}; name each once")
        return self

    def file_name(self, month: str) -> str:
        """The name of the file that delivers `month` (`YYYY-MM`)."""
        return self.files.replace("{month}", month)

    @cached_property
    def file_pattern(self) -> re.Pattern[str]:
        """Matches this source's file names, corrections (`policies-2023-01.v2.csv`) included."""
        return self._names(ANY_MONTH)

    def impossible_month(self, file: str) -> str:
        """The month in a file name that is one of this source's but for it, e.g. `2023-13`; '' in any other name."""
        match = self._names(r"\d{4}-\d{2}").match(file)
        return match["month"] if match and not self.file_pattern.match(file) else ""

    def _names(self, month: str) -> re.Pattern[str]:
        before, after = self.files.split("{month}")
        stem, dot, ending = after.rpartition(".")
        return re.compile(
            rf"\A{re.escape(before)}(?P<month>{month}){re.escape(stem)}(\.[\w-]+)?{re.escape(dot + ending)}\Z"
        )
