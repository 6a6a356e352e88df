"""The columns of a delivered file in the contract's words, and what of it the contract does not name."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lakehouse.exceptions import FileRefusedError
from lakeloop.contract import Source


@dataclass(frozen=True)
class Content:
    """What a file holds. `header` are its columns: the contract's by their own names, others as delivered.

    `quoted`: some record has line breaks inside its fields, and LINE_BREAK stands for each in its parts. `split`: its
    parts are rows, not lines. `renamed`: own name -> the file's, where the contract says another one first.
    """

    header: tuple[str, ...] = ()
    rows: int = 0
    quoted: bool = False
    split: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)


def in_own_names(delivered: Sequence[str], source: Source) -> tuple[str, ...]:
    """The contract's columns by their own names, the others as delivered."""
    own = {}
    for column in source.columns:
        found = next((name for name in source.delivered(column) if name in delivered), None)
        if found is not None:
            own[found] = column
    return tuple(own.get(name) or _told_apart(name, source) for name in delivered)


def renamed_columns(delivered: Sequence[str], source: Source) -> dict[str, str]:
    """Own name -> the one that a file has, of columns that the contract knows by several and by another one first."""
    found = {}
    for column in source.in_files:
        first, *others = source.delivered(column)
        name = next((name for name in others if name in delivered), None)
        if name is not None and first not in delivered:
            found[column] = name
    return found


def _told_apart(name: str, source: Source) -> str:
    """A column that the contract does not take, but whose name it uses for another."""
    return f"{name} (delivered)" if name in source.columns else name


def check_columns(delivered: Sequence[str], source: Source, may_lack: Collection[str], where: str) -> None:
    """Raises FileRefusedError where a column is missing that no file may lack, or one is named twice."""
    lacking = lacking_columns(in_own_names(delivered, source), source)
    missing = [" or ".join(source.delivered(column)) for column in lacking if column not in may_lack]
    if missing:
        raise FileRefusedError(f"lacks {listed(missing)}; {where}")
    if doubles := sorted({name for name in delivered if delivered.count(name) > 1}):
        raise FileRefusedError(f"names {listed(doubles)} more than once in its header; name each column once")


def lacking_columns(header: Sequence[str], source: Source) -> tuple[str, ...]:
    """Columns of the contract that a header in own names does not have, and should."""
    return tuple(column for column in source.in_files if column not in header)


def listed(names: Sequence[str]) -> str:
    """`column `a`` or `columns `a`, `b``."""
    return ("column " if len(names) == 1 else "columns ") + ", ".join(f"`{name}`" for name in names)


def extra_columns(header: Sequence[str], source: Source) -> tuple[str, ...]:
    """Columns of a header in own names that the contract does not name."""
    return tuple(name for name in header if name not in source.columns)


def extra_text(extra: Iterable[tuple[str, str | None]]) -> str | None:
    """Values of columns that the contract does not name as JSON; None where there are none."""
    found = {name: value or None for name, value in extra}
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")) if found else None
