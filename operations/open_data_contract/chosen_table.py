"""The table of somebody else's ODCS document that a use case is drafted of, and what its columns are."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject, SchemaProperty

from lakeloop.contract.expression import columns_in, read_expression
from lakeloop.contract.section import some
from lakeloop.exceptions import ExpressionError, WrongUseError
from operations.new_use_case.names import own_names
from operations.open_data_contract.words import column_words

NESTED = ("object", "array", "map", "vector")


@dataclass(frozen=True)
class Wishes:
    """What somebody says of a document instead of having it assumed; columns by the document's names or own ones."""

    name: str
    label: str
    table: str = ""
    key: tuple[str, ...] = ()
    time: str = ""
    classes: tuple[str, ...] = ()


@dataclass
class TableDraft:
    """A table and what its columns are; they are by own names, `doubts` are said where the contract is read.

    `truth`: the label's column, or those that an expression, `made`, computes it of. `problems`: what no draft can do
    without.
    """

    table: SchemaObject
    columns: dict[str, SchemaProperty]
    key: tuple[str, ...] = ()
    time: str = ""
    made: str = ""
    truth: tuple[str, ...] = ()
    doubts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def own(self, name: str) -> str:
        """A column's own name; '' where there is none such."""
        if name in self.columns:
            return name
        return next((own for own, given in self.columns.items() if name in (given.name, given.physicalName)), "")

    def asked(self, names: Sequence[str], option: str) -> tuple[str, ...]:
        """Own names of columns that somebody named; those that are not there are a problem."""
        for name in names:
            if not self.own(name):
                self.problems.append(f"{option} {name}: there is no such column; columns: {some(self.columns, 20)}")
        return tuple(own for name in names if (own := self.own(name)))

    @property
    def features(self) -> list[str]:
        """The columns that are left for a model to learn from."""
        taken = {*self.key, self.time, *self.truth[:1]}
        return [own for own, given in self.columns.items() if own not in taken and not why_no_feature(given)]


def chosen_table(document: OpenDataContractStandard, wishes: Wishes) -> TableDraft:
    """The table with the label, and which of its columns are key, time and truth.

    Raises:
        WrongUseError: no table, or more than one, can be meant.
    """
    tables = document.schema_ or []
    if not tables:
        raise WrongUseError(f"{document.id}: has no `schema`, so nothing says which columns there are")
    drafts = [TableDraft(table, _own_columns(table)) for table in tables]
    named = [draft for draft in drafts if wishes.table in (draft.table.name, draft.table.physicalName)]
    if wishes.table and not named:
        raise WrongUseError(f"--table {wishes.table}: there is no such table; tables: {some(_names(tables), 20)}")
    fitting = named or [draft for draft in drafts if draft.own(wishes.label) or _parts(draft, wishes.label)]
    if len(fitting) > 1 or (not fitting and len(drafts) > 1):
        raise WrongUseError(
            f"{document.id}: --label {wishes.label} is in {'several' if fitting else 'none'} of its tables; say which "
            f"with --table: {some(_names(tables), 20)}"
        )
    chosen = fitting[0] if fitting else drafts[0]
    if others := [name for name in _names(tables) if name != chosen.table.name]:
        chosen.doubts.append(f"tables: {chosen.table.name} is taken, with the label; left out: {some(others, 20)}")
    _key(chosen, wishes)
    _time(chosen, wishes)
    _truth(chosen, wishes)
    return chosen


def _names(tables: Sequence[SchemaObject]) -> list[str]:
    return [table.name or "" for table in tables]


def _own_columns(table: SchemaObject) -> dict[str, SchemaProperty]:
    given = {one.name or f"column_{place}": one for place, one in enumerate(table.properties or [], 1)}
    return {own: given[name] for name, own in own_names(given).items()}


def _parts(draft: TableDraft, label: str) -> list[str]:
    """The columns of a label that is an expression; [] where it is none, or of other columns."""
    types = {own: str(column_words(given)["type"]) for own, given in draft.columns.items()}
    try:
        found = list(dict.fromkeys(named.column for named in columns_in(read_expression(label, types))))
    except ExpressionError:
        return []
    return found if set(found) <= set(draft.columns) else []


def _key(draft: TableDraft, wishes: Wishes) -> None:
    draft.key = draft.asked(wishes.key, "--key")
    if wishes.key:
        return
    primary = {own: given for own, given in draft.columns.items() if given.primaryKey}
    draft.key = tuple(sorted(primary, key=lambda own: primary[own].primaryKeyPosition or 0))
    unique = [own for own, given in draft.columns.items() if given.unique]
    if not draft.key and unique:
        draft.key = (unique[0],)
        draft.doubts.append(
            f"key: no column is a primary key; `{unique[0]}` is unique and taken for it. Another: --key"
        )
    elif not draft.key:
        draft.doubts.append("key: no column names a row, so a hash over all its values does. Another: --key")


def _time(draft: TableDraft, wishes: Wishes) -> None:
    found = [own for own, given in draft.columns.items() if given.logicalType in ("timestamp", "date")]
    found.sort(key=lambda own: not draft.columns[own].partitioned)
    asked = draft.asked((wishes.time,) if wishes.time else (), "--time")
    draft.time = asked[0] if asked else found[0] if found and not wishes.time else ""
    if not draft.time and not wishes.time:
        draft.problems.append(
            f"table {draft.table.name}: no column is a date or timestamp, so nothing says when a row happened; name "
            "one with --time"
        )
    elif not wishes.time and len(found) > 1:
        draft.doubts.append(f"time: `{draft.time}` says when; {some(found[1:])} could as well. Another: --time")


def _truth(draft: TableDraft, wishes: Wishes) -> None:
    own = draft.own(wishes.label)
    parts = [] if own else _parts(draft, wishes.label)
    if not own and not parts:
        draft.problems.append(
            f"--label {wishes.label}: is neither a column nor an expression of columns; columns: "
            f"{some(draft.columns, 20)}"
        )
        return
    draft.truth, draft.made = (own,) if own else tuple(parts), "" if own else wishes.label


def why_no_feature(given: SchemaProperty) -> str:
    """Why a column is no model input, whatever it is; '' where it can be one."""
    logical = given.logicalType or "string"
    if given.deprecated:
        return "is deprecated"
    if logical in NESTED:
        return f"is of type {logical}, which is no value of a column; name its parts as columns of their own"
    if logical == "time":
        return "is a time of day, which is no input as it is"
    return "is unique, so it names a row" if given.unique or given.primaryKey else ""
