"""The map's page: what it can show as the page has it, and the numbers that it asks for."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.contract import Place
from lakeloop.exceptions import LakeloopError
from lakeloop.use_case import UseCase
from operations.places.values import PlaceTables, PlaceValues

DIGITS = 5
"""Of a number: a colour does not show more."""


def map_page(use_case: UseCase, tables: PlaceTables) -> dict[str, Any]:
    """The template's values; where shapes or rows are not there, `problems` says why and what to do."""
    contract = use_case.contract
    place = contract.place
    assert place is not None
    problems, names, sha256, without = [], {}, "", list[str]()
    periods, by = tables.choices()
    try:
        shapes = tables.shapes()
        names, sha256 = dict(shapes.names), shapes.sha256
        without = tables.without_shape(shapes) if place.has_shapes else []
    except LakeloopError as problem:
        problems.append(str(problem))
    if not periods:
        problems.append(
            f"no row has a place yet; `lakeloop lake ingest -u {contract.use_case}` brings delivered files in"
        )
    measures = list(tables.measures.values())
    info = {
        "shapes": f"map/shapes.json?{sha256[:16]}" if names else "", "names": names, "periods": periods,
        "period": contract.period, "by": by_choices(place, by), "byName": (place.by or "").replace("_", " "),
        "measures": [{"name": one.name, "title": one.title, "group": one.group} for one in measures],
        "classes": list(contract.label.class_names), "truth": contract.label.truth_is_number,
    }  # fmt: skip
    return {"info": info, "place": place, "problems": problems, "without": without, "measures": measures}


def by_choices(place: Place, values: Sequence[str]) -> list[dict[str, str]]:
    """What can be chosen of a place's rows, first what is shown at first: the contract's total, or all rows. [] where
    rows are not split.
    """
    if not values:
        return []
    word, total = (place.by or "").replace("_", " "), place.total
    whole = [{"value": total, "name": place.by_names.get(total, "all together")}] if total else []
    every = {"value": "", "name": f"every {word}, each the same" if total else "all"}
    named = [{"value": one, "name": place.by_names.get(one, one)} for one in values if one != total]
    return [*whole, every, *sorted(named, key=lambda one: one["name"])]


def values_json(found: PlaceValues) -> str:
    """A measure's values as the page reads them: by place, a number a period, null where there is none."""
    measure = found.measure
    content = {
        "name": measure.name, "title": measure.title, "unit": measure.unit, "kind": measure.kind,
        "signed": measure.signed, "about": measure.about, "low": _short(found.low), "high": _short(found.high),
        "categories": found.categories, "problem": found.problem, "places": [str(one) for one in found.values.index],
        "values": _numbers(found.values), "rows": _numbers(found.rows),
        "raw": None if found.raw is None else _numbers(found.raw),
    }  # fmt: skip
    return json.dumps(content, separators=(",", ":"))


def _numbers(frame: pd.DataFrame) -> list[list[float | None]]:
    return [[_short(one) if np.isfinite(one) else None for one in row] for row in frame.to_numpy(float)]


def _short(number: float) -> float:
    short = float(f"{number:.{DIGITS}g}")
    return int(short) if short.is_integer() else short
