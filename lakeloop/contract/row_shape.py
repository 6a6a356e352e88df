"""What a row of a use case may look like, as one hash: tables, exports and models of another one do not fit."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

from lakeloop.contract.features import Feature

if TYPE_CHECKING:
    from lakeloop.contract.contract import Contract

SHAPE = {"type", "unit", "valid", "values"}
"""What of a column says how its values may look."""


def row_shape_sha256(contract: "Contract") -> str:
    """What `Contract.schema_sha256` gives. A section that says nothing of itself is left out, so that contracts hash to
    what they did before there was one.
    """
    label = contract.label
    shape = {
        "key": contract.key.shape,
        "event_time": contract.event_time.shape,
        "features": {name: _shape(feature) for name, feature in contract.features.items()},
        "label": label.model_dump(mode="json", include={"name": True, "column": True, "truth": SHAPE, "classes": True})
        | ({} if label.made is None else {"made": label.made})
        | ({} if label.ahead is None else {"ahead": label.ahead})
        | ({"parts": [label.truth.combine, label.truth.part]} if label.truth.in_parts else {}),
    }
    typing = {name: source.read.typing for name, source in contract.sources.items() if source.read.typing}
    if typing:
        shape["read"] = typing
    if summed := {name: source.summed for name, source in contract.sources.items() if source.summed}:
        shape["summed"] = summed
    if contract.group_column:
        shape["group"] = contract.group_column
    if contract.placed_columns:
        shape["placed"] = list(contract.placed_columns)
    if contract.joins:
        shape["joins"] = {
            source: [join.model_dump(mode="json"), list(contract.joined_features(source))]
            for source, join in contract.joins.items()
        }
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()


def _shape(feature: Feature) -> dict[str, Any]:
    shape = feature.model_dump(mode="json", include=SHAPE)
    if feature.format is not None:
        shape["format"] = feature.format
    if feature.derived_from is not None:
        shape["derived_from"] = list(feature.derived_from)
    return shape | {"optional": True} if feature.optional else shape
