"""What identifies a row across sources: a delivered column, several of them, or what is made of the row itself."""

from typing import Any, Literal, Self

from pydantic import model_validator

from lakeloop.contract.section import Name, Section, Text, mistake, sequences_as_tuples

ROW_KEY = "row_key"
"""The column of a key that no file has as it is."""
JOINT = "|"
"""Stands between the parts of a compound key."""
Made = Literal["row_hash", "file_line"]
MADE_FROM = {
    "row_hash": "Hash over the delivered values of the row",
    "file_line": "File and line in which the row was delivered",
}


class Key(Section):
    """What identifies a row across sources; always a text in `column`.

    `columns`: a compound key of these, joined by `|`. `made`: of the row's own values (`row_hash`), or of where it was
    delivered (`file_line`). Either is made when rows come into bronze, so what comes after sees one column.
    """

    column: Name
    description: Text
    columns: tuple[Name, ...] = ()
    made: Made | None = None

    @model_validator(mode="before")
    @classmethod
    def _made_keys_describe_themselves(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        given = sequences_as_tuples(given)
        columns, made = given.get("columns"), given.get("made")
        if isinstance(columns, tuple) and columns:
            return {"column": ROW_KEY, "description": f"{' and '.join(map(str, columns))}, joined by {JOINT}", **given}
        if isinstance(made, str) and made in MADE_FROM:
            return {"column": ROW_KEY, "description": MADE_FROM[made], **given}
        return given

    @model_validator(mode="after")
    def _made_in_one_way(self) -> Self:
        if self.columns and self.made:
            raise mistake("says `columns` and `made`; a key is either joined from columns or made, so leave one out")
        if len(self.columns) == 1:
            raise mistake(f"`columns` has one column only; write `column: {self.columns[0]}` instead")
        if len(set(self.columns)) != len(self.columns):
            raise mistake(f"`columns` names a column twice: {', '.join(self.columns)}; name each once")
        return self

    @property
    def delivered(self) -> bool:
        """Whether files have the key as it is."""
        return not self.columns and self.made is None

    @property
    def origin(self) -> str:
        """How a key that is not delivered is made, as the contract says it: `columns: district, year`; else ''."""
        if self.columns:
            return f"columns: {', '.join(self.columns)}"
        return f"made: {self.made}" if self.made else ""

    @property
    def shape(self) -> Any:
        """What of it changes the rows of tables: its column, and how a key that is not delivered is made."""
        return self.column if self.delivered else [self.column, list(self.columns), self.made]
