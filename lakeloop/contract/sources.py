"""Where rows come from: files of a kind, their names, and what their columns are called in them."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    field_serializer,
    field_validator,
    model_validator,
)

from lakeloop.contract.elsewhere import TABLE_FILES, TOPIC_FILES, Fetch, ForeignTable, ForeignTopic
from lakeloop.contract.file_names import ENDINGS, FileNames, format_by_ending
from lakeloop.contract.join import Join
from lakeloop.contract.read import SAID_OF, Character, Read
from lakeloop.contract.section import Name, Section, Text, mistake, sequences_as_tuples, unless

NO_SEPARATORS = "\"'._+-\n\r\0"
ANY_FILE = "**/*"
"""Pattern of a source that names no files: all with an ending of the format."""
Format = Literal["csv", "jsonl", "json", "parquet"]
IN_FILE_NAME = re.compile(r"\{(\w+)\}")
"""The name in a file of a column that only the file's name says: `{year}`, as `files` writes it."""


class Source(Section):
    """Files of one kind. `files` is a pattern as of `FileNames`; periods above 0 arrive `delay_periods` late;
    where they are months, `delay_months` is the same. `fetch`: its files are got by a function; `delta`, `topic`: they
    are rows of somebody else's table, or records of somebody else's topic.

    `columns` are the lake's own names; where files have others, a mapping says them: see `delivered`. `join`: its rows
    are no rows of the use case, but have features of those that meet them. `summed`: where `read.columns.….replaced`
    makes several rows of a file one, these columns are their sum, and others what all of them say, if they do.
    """

    description: Text
    files: Text = ANY_FILE
    format: Format | None = None
    read: Read = Read()
    fetch: Fetch | None = None
    delta: ForeignTable | None = None
    topic: ForeignTopic | None = unless(None)
    columns: tuple[Name, ...] = Field(min_length=2)
    separator: Character = ","
    delay_periods: Annotated[int, Field(ge=0)] | None = None
    delay_months: Annotated[int, Field(ge=0)] | None = None
    join: Join | None = Field(None, exclude_if=lambda join: join is None)
    summed: tuple[Name, ...] = unless(())
    _delivered: dict[str, tuple[str, ...]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _columns_and_separator(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """`columns` may be a mapping to the files' own names, and the separator stand in `read`."""
        if not isinstance(values, dict):
            return handler(values)
        values = _as_own_files(sequences_as_tuples(values))
        named, read = values.get("columns"), values.get("read")
        within = read.get("separator") if isinstance(read, dict) else None
        if isinstance(within, str) and len(within) == 1:
            if values.get("separator", within) != within:
                raise mistake("`separator` stands here and in `read`; keep the one in `read`")
            values = {**values, "separator": within}
        if not isinstance(named, dict):
            return handler(values)
        source = handler({**values, "columns": tuple(named)})
        source._delivered = _delivered_names(named, source.read.header)
        for name in source.in_file_names:
            if source.delivered(name)[0] != f"{{{source.names.kind}}}":
                raise mistake(
                    f"`columns` says {name}: {source.delivered(name)[0]!r}, what the file's name says, and `files` is "
                    f"{source.files!r}; write the same one in both, such as 'rows-{{year}}.csv' and '{{year}}'"
                )
        return source

    @field_serializer("columns")
    def _columns_as_given(self, columns: tuple[str, ...]) -> tuple[str, ...] | dict[str, tuple[str, ...] | int | str]:
        """The names in the files too, so that a contract can be read back from its own JSON."""
        if not self._delivered:
            return columns
        if self.read.header:
            return {name: self.delivered(name) for name in columns}
        return {name: _as_given(self.delivered(name)[0]) for name in columns}

    @field_validator("files")
    @classmethod
    def _files_are_names(cls, files: str) -> str:
        if problem := FileNames(files).problem:
            raise mistake(f"`files` is {files!r}: {problem}")
        return files

    @model_validator(mode="after")
    def _columns_are_told_apart(self) -> Self:
        if self.separator.isalnum() or self.separator in NO_SEPARATORS or self.separator == self.read.quote:
            raise mistake(
                f"`separator` is {self.separator!r}, which numbers, months, names or quoted texts are made of; take "
                "one such as ',', ';', '|' or a tab (\"\\t\")"
            )
        if self.separator in (self.read.decimal, self.read.thousands) and not self.read.quote:
            raise mistake(
                f"{self.separator!r} stands between columns and within numbers, and nothing is quoted: no line could "
                "be read; give `separator` or `decimal` and `thousands` as the files have them"
            )
        if len(set(self.columns)) != len(self.columns):
            raise mistake(f"`columns` names a column twice: {', '.join(self.columns)}; name each once")
        named: dict[str, Iterable[str]] = {
            "read.columns": self.read.columns,
            "read.rows": self.read.rows,
            "summed": self.summed,
        }
        for place, names in named.items():
            if unknown := [name for name in names if name not in self.columns]:
                raise mistake(
                    f"`{place}` names {', '.join(unknown)}, and the source has no such column; columns: "
                    f"{', '.join(self.columns)}"
                )
        if self.summed and not self.replaced_columns:
            raise mistake(
                "`summed` says what becomes of rows that `replaced` makes one, and no column has `replaced`; say it in "
                "`read.columns`, or leave `summed` out"
            )
        return self

    @model_validator(mode="after")
    def _read_fits_the_format(self) -> Self:
        written = self.format or format_by_ending(self.files) or ("" if self.files == ANY_FILE else "csv")
        said = [name for name, value in self.read if value != Read.model_fields[name].default]
        said += ["separator"] if self.separator != "," and "separator" not in said else []
        if written and (wrong := [name for name in said if written not in SAID_OF.get(name, (written,))]):
            raise mistake(
                f"`{wrong[0]}` says how {', '.join(SAID_OF[wrong[0]])} files are written, and these are {written}; "
                "leave it out, or say another `format`"
            )
        return self

    @property
    def in_file_names(self) -> tuple[str, ...]:
        """The columns that no file has: the file's name says them."""
        return tuple(name for name in self.columns if IN_FILE_NAME.fullmatch(self.delivered(name)[0]))

    @property
    def in_files(self) -> tuple[str, ...]:
        """The columns that files have."""
        return tuple(name for name in self.columns if name not in self.in_file_names)

    @property
    def replaced_columns(self) -> tuple[str, ...]:
        """The columns in which texts stand for others."""
        return tuple(name for name, column in self.read.columns.items() if column.replaced)

    @property
    def names(self) -> FileNames:
        """The names of its files."""
        return _file_names(self.files, self.format)

    @property
    def files_in_words(self) -> str:
        """The pattern of its files, or their endings where it has none."""
        return self.files if self.files != ANY_FILE else ", ".join(f"*{ending}" for ending in self.names.endings)

    def format_of(self, file: str) -> Format:
        """The format of one of its files: the one the contract says, or its ending's."""
        return self.format or cast(Format, format_by_ending(file) or format_by_ending(self.files) or "csv")

    def delivered(self, column: str) -> tuple[str, ...]:
        """The names that a column may have in a file. A file without header has `column_1`, `column_2`, …"""
        if column in self._delivered:
            return self._delivered[column]
        return (column,) if self.read.header else (f"column_{self.columns.index(column) + 1}",)

    def file_name(self, period: str) -> str:
        """The name of a file that delivers a period, e.g. `2023-01`."""
        return self.names.name(period)

    @property
    def file_pattern(self) -> re.Pattern[str]:
        """Matches this source's file names below its folder, corrections (`policies-2023-01.v2.csv`) included."""
        return self.names.regex

    def period_of_file(self, file: str) -> str:
        """The period of any kind that a file's name says, by its own name, e.g. `2023-01`; '' where it says none."""
        return self.names.period(file)

    @property
    def delay(self) -> int:
        """How many periods after its own a file is delivered."""
        return self.delay_periods or self.delay_months or 0


def _as_own_files(values: dict[str, Any]) -> dict[str, Any]:
    """A source that is another's table or topic, with the names of the files that its rows are delivered as."""
    kinds = [kind for kind in ("fetch", "delta", "topic") if values.get(kind) is not None]
    if len(kinds) > 1:
        raise mistake(
            "`fetch` gets files, `delta` names a table and `topic` a topic; a source is one of them, so keep one of "
            + ", ".join(f"`{kind}`" for kind in kinds)
        )
    if kinds in ([], ["fetch"]):
        return values
    kind = kinds[0]
    files, of_format = {"delta": (TABLE_FILES, "parquet"), "topic": (TOPIC_FILES, "jsonl")}[kind]
    if values.get("files", files) != files or values.get("format") not in (None, of_format):
        raise mistake(f"`files` and `format` say how delivered files are called, and `{kind}` has none; leave them out")
    return {**values, "files": files}


@cache
def _file_names(files: str, of_format: Format | None) -> FileNames:
    if files != ANY_FILE:
        return FileNames(files)
    known = ENDINGS.values() if of_format is None else [ENDINGS[of_format]]
    return FileNames(files, tuple(ending for endings in known for ending in endings))


def _as_given(column: str) -> int | str:
    """A column of files without header as `columns` says it: its position, or what the file's name says."""
    return column if IN_FILE_NAME.fullmatch(column) else int(column.removeprefix("column_"))


def _delivered_names(named: dict[str, Any], header: bool) -> dict[str, tuple[str, ...]]:
    """Own name -> the names in a file, of the mapping `columns`; each is a text, texts, a position or nothing."""
    found: dict[str, tuple[str, ...]] = {}
    for own, given in named.items():
        if given is None:
            given = own
        names = given if isinstance(given, tuple) else (given,)
        if len(names) == 1 and isinstance(given, str) and IN_FILE_NAME.fullmatch(given):
            names = (given,)
        elif not header:
            if len(names) != 1 or type(given) is not int or given < 1:
                raise mistake(
                    f"`columns` says {own}: {given!r}; files without header have no names: say the position of each "
                    f"column, e.g. {own}: 1"
                )
            names = (f"column_{given}",)
        elif not names or not all(isinstance(name, str) and name.strip() for name in names):
            raise mistake(f"`columns` says {own}: {given!r}; write the name or names that the files have, in quotes")
        found[own] = tuple(name.strip() for name in names)
    every = [name for names in found.values() for name in names]
    if doubles := sorted({name for name in every if every.count(name) > 1}):
        raise mistake(f"`columns` takes {', '.join(map(repr, doubles))} for two columns; name each once")
    return found
