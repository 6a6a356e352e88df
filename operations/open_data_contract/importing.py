"""An ODCS document that Lakeloop wrote, back as the contract: what was changed in it since counts."""

from typing import Any

import yaml
from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject

from lakeloop.exceptions import WrongUseError
from operations.open_data_contract.words import PREFIX, column_words, own_words

ORDER = ("use_case", "title", "description", "key", "event_time", "clock", "sources", "features", "label")
"""The sections that a contract begins with."""


def is_ours(document: OpenDataContractStandard) -> bool:
    """Whether a document holds everything that a contract needs, since it was made from one."""
    return {"features", "label", "split", "gate"} <= set(own_words(document.customProperties))


def contract_of(document: OpenDataContractStandard) -> str:
    """The contract's text; its wording and limits are the document's own.

    Raises:
        WrongUseError: a feature has no column any more.
    """
    rest = own_words(document.customProperties)
    derived = rest.pop("derived", {})
    tables = {table.name or "": table for table in document.schema_ or []}
    columns = {name: _columns(table) for name, table in tables.items()}
    found: dict[str, Any] = {
        "use_case": document.id,
        "title": document.name,
        "description": document.description.purpose if document.description else None,
        **rest,
        "sources": {
            name: {"description": table.description, "columns": list(columns[name])} | own_words(table.customProperties)
            for name, table in tables.items()
        },
        "features": {name: derived[name] if name in derived else _feature(name, columns) for name in rest["features"]},
    }
    truth = columns.get(found["label"].get("source"), {}).get(found["label"].get("column"))
    if truth is not None and "truth" in found["label"]:
        found["label"] = {**found["label"], "truth": found["label"]["truth"] | truth[0]}
    ordered = {name: found[name] for name in (*ORDER, *found) if name in found}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=118, default_flow_style=None)


Words = tuple[dict[str, Any], dict[str, Any]]
"""What the standard says of a column, and what custom properties do."""


def _columns(table: SchemaObject) -> dict[str, Words]:
    return {
        given.name or "": (column_words(given), own_words(given.customProperties)) for given in table.properties or []
    }


def _feature(name: str, columns: dict[str, dict[str, Words]]) -> dict[str, Any]:
    found = [words for table in columns.values() if (words := table.get(name)) is not None and "role" in words[1]]
    if not found:
        raise WrongUseError(
            f"no table has a column `{name}` with the property `{PREFIX}role` any more, and `{PREFIX}features` names "
            "it; call the column as before, or take it out there, too"
        )
    said, rest = found[0]
    return said | rest
