"""How a source's files are written, and how their texts become values."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from lakeloop.contract.section import Name, Section, Text, mistake, unless

NO_MARKS = '+-"\n\r\0\t'
Character = Annotated[str, StringConstraints(min_length=1, max_length=1)]
SAID_OF = {
    **dict.fromkeys(
        ("separator", "quote", "escape", "decimal", "thousands", "comment", "skip_lines", "header", "until"), ("csv",)
    ),
    "encoding": ("csv", "jsonl", "json"),
    "records": ("json",),
}
"""The formats whose writing a word says."""
TYPING = ("decimal", "thousands", "missing", "trim", "columns", "rows")
"""The words of `read` that say how texts become values."""
LONGEST_UNIT = 20
ANY_LINES = "any"
"""How many lines stand above the header where each file has another number of them."""


@dataclass(frozen=True)
class Spelling:
    """How the texts of one column become values. `unit`: a text that may stand before or behind each number."""

    decimal: str = "."
    thousands: str = ""
    missing: tuple[str, ...] = ()
    trim: bool = False
    unit: str = ""

    def is_missing(self, text: str) -> bool:
        """Whether a text is one that means no value."""
        return text.strip(" ") in self.missing


class ReadColumn(Section):
    """What is special in the texts of one column: the unit beside its numbers, and texts that mean no value in it.

    `digits`: how many digits a code has; where files lost zeros in front, they are put back. `replaced`: texts that
    stand for others, such as codes that are no more, each with the one that is meant.
    """

    unit: str = unless("")
    missing: tuple[Text, ...] = unless(())
    digits: Annotated[int, Field(ge=2, le=30)] | None = unless(None)
    replaced: dict[Text, Text] = unless({})

    @property
    def mends(self) -> bool:
        """Whether texts become other texts."""
        return self.digits is not None or bool(self.replaced)

    @field_validator("replaced")
    @classmethod
    def _what_is_meant_stays(cls, replaced: dict[str, str]) -> dict[str, str]:
        if again := [text for text in replaced.values() if text in replaced]:
            raise mistake(
                f"`replaced` has {again[0]!r} on both sides; write beside each text the one that is meant in the end"
            )
        return replaced

    @field_validator("unit")
    @classmethod
    def _unit_is_no_number(cls, unit: str) -> str:
        if unit != unit.strip() or re.search(r"[0-9+\-]", unit) or len(unit) > LONGEST_UNIT:
            raise mistake(
                f"`unit` is {unit!r}; take the text that stands beside the numbers, such as '$', '%' or 'EUR', without "
                "digits, signs and blanks around it"
            )
        return unit


class Read(Section):
    """How a source's files are written; what is left out is as in a usual CSV file. `columns`: what is special in one,
    by its own name.

    `skip_lines`: lines above the header; `any`: as many as there are above the first line that names the columns.
    `until`: how the line begins that ends the table; it and what is below are no rows. `rows`: patterns by column; a
    line whose text there does not match is no row, such as a total.
    """

    encoding: Text = "utf-8"
    separator: Character | None = None
    quote: Annotated[str, StringConstraints(max_length=1)] = '"'
    escape: Character | None = None
    decimal: Character = "."
    thousands: Annotated[str, StringConstraints(max_length=1)] = ""
    comment: str = ""
    skip_lines: Annotated[int, Field(ge=0, le=10_000)] | Literal["any"] = 0
    header: bool = True
    missing: tuple[Text, ...] = ()
    trim: bool = False
    records: Text | None = None
    columns: dict[Name, ReadColumn] = unless({})
    until: str = unless("")
    rows: dict[Name, Text] = unless({})

    @field_validator("rows")
    @classmethod
    def _rows_are_patterns(cls, rows: dict[str, str]) -> dict[str, str]:
        for name, pattern in rows.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise mistake(f"`{name}` has {pattern!r}, which is no regular expression ({error})") from None
        return rows

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except (LookupError, UnicodeError, ValueError):
            raise mistake(
                f"is {encoding!r}, which is no encoding that Python knows; write one such as utf-8, latin-1, cp1252 or "
                "utf-16"
            ) from None
        return encoding

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        for name, mark in (("decimal", self.decimal), ("thousands", self.thousands)):
            if mark and (mark.isalnum() or mark in NO_MARKS):
                raise mistake(f"`{name}` is {mark!r}, which numbers are made of; take one such as '.', ',' or ' '")
        if self.decimal == self.thousands:
            raise mistake(f"`decimal` and `thousands` are both {self.decimal!r}; 1.234 could be read in two ways")
        if self.quote and (self.quote.isalnum() or self.quote in "\n\r\0"):
            raise mistake(f"`quote` is {self.quote!r}; take one such as '\"' or \"'\", or '' where nothing is quoted")
        if self.escape and (self.escape == self.quote or self.escape.isalnum() or self.escape in "\n\r\0"):
            raise mistake(
                f"`escape` is {self.escape!r}; take one such as '\\', or leave it out where a quote inside a text is "
                "doubled"
            )
        if self.skip_lines == ANY_LINES and not self.header:
            raise mistake(
                "`skip_lines` is any, which needs a header to look for; say how many lines, or `header: true`"
            )
        if self.comment and (self.comment != self.comment.strip() or self.comment.startswith(self.quote or "\0")):
            raise mistake(f"`comment` is {self.comment!r}; take a text such as '#' that no row begins with")
        return self

    @property
    def typing(self) -> dict[str, object]:
        """What of it says how texts become values; {} where all is as usual."""
        return self.model_dump(mode="json", include=set(TYPING), exclude_defaults=True)

    def spelling(self, column: str) -> Spelling:
        """How the texts of a column, by its own name, become values."""
        own = self.columns.get(column) or ReadColumn()
        return Spelling(self.decimal, self.thousands, (*self.missing, *own.missing), self.trim, own.unit)
