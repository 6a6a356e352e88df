"""Mistakes of the section `clusters` that span sections of a contract; as `cross_checks`, from the raw document."""

from typing import Any

from lakeloop.contract.raw_document import (
    Found,
    event_columns,
    key_column,
    mapping_at,
    meant,
    names_at,
    several_labels,
    text_at,
    truth_column,
)
from lakeloop.contract.reserved_names import CLUSTERS
from lakeloop.contract.yaml_document import Location

NUMERIC = ("float", "int", "decimal", "bool")
NAMED = ("string", "int", "bool")
"""Types of features that name things or categories."""


def cluster_checks(raw: dict[str, Any], base: str) -> Found:
    """Each mistake and where it is."""
    if not mapping_at(raw, "clusters"):
        return
    yield from _naming(raw, base, "of")
    yield from _naming(raw, base, "pivot", "by")
    of, by = text_at(raw, "clusters", "of"), text_at(raw, "clusters", "pivot", "by")
    if of in CLUSTERS:
        yield ("clusters", "of"), f"`{of}` is a column of gold/clusters itself; give the column another name"
    if of and of == by:
        yield ("clusters", "pivot", "by"), f"`{by}` names the things, and each has one value of it; take another column"
    features = names_at(raw, "features")
    for path in (("columns",), ("pivot", "columns")):
        for place, name in enumerate(names_at(raw, "clusters", *path)):
            at: Location = ("clusters", *path, place)
            kind = text_at(raw, "features", name, "type")
            if name not in features:
                numeric = [one for one in features if text_at(raw, "features", one, "type") in NUMERIC]
                yield at, f"`{name}` is not a feature; {meant(name, numeric, 'numeric features:')}"
            elif kind not in ("", *NUMERIC):
                yield at, f"`{name}` is a {kind}, and means are of numbers; take a feature that is one"


def _naming(raw: dict[str, Any], base: str, *path: str) -> Found:
    """A column that tells things or categories apart: any of the rows that are predicted, but no time and no truth."""
    name, at = text_at(raw, "clusters", *path), ("clusters", *path)
    if not name or not base:
        return
    kind, truths = text_at(raw, "features", name, "type"), {truth_column(raw), *several_labels(raw)}
    known = [*names_at(raw, "sources", base, "columns"), *names_at(raw, "features"), key_column(raw)]
    good = [one for one in dict.fromkeys(known) if one not in (*event_columns(raw), *truths)]
    if name in event_columns(raw):
        yield at, f"`{name}` is the event time; `clusters.periods` says how many count"
    elif name in truths:
        yield at, f"`{name}` is the truth; take another column"
    elif name not in good:
        yield at, f"`{name}` is no column of {base}; {meant(name, good, 'columns:')}"
    elif kind not in ("", *NAMED):
        yield at, f"`{name}` is a {kind}; take a column of texts or whole numbers"
