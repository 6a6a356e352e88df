"""Renders the client page, with the values that the model knows; the browser's script does the rest."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2

from lakeloop.contract import Contract, Feature
from lakeloop.contract.columns import TIMES
from lakeloop.contract.periods import local_time
from lakeloop.contract.time_features import value_of
from lakeloop.ordinary_values import LearntValues, ordinary
from serving.gateway.page.texts import GERMAN_PARTICULARS, TEXTS, later_texts

STATIC = Path(__file__).with_name("static")
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "cache-control": "no-cache",
}
SLIDER_BEYOND = 1.5
"""A slider goes this many times beyond what the model answers, so that the rules can be met; the number field goes on
to all that is possible."""


TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(STATIC.parent), autoescape=True, undefined=jinja2.StrictUndefined
)


def render_page(
    contract: Contract,
    learnt: LearntValues | None = None,
    path: str = "",
    titles: Mapping[str, str] | None = None,
    asks_who: bool = False,
) -> str:
    """The page of one use case; `learnt`: what the model that answers knows of features without listed values.

    It asks below `path`. `titles`: of all use cases there are, by their names; of several one can be chosen. Where the
    gateway asks who asks, it shows a way out.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, feature in contract.given_features.items():
        groups.setdefault(feature.group or "", []).append(_field(contract, name, feature, learnt or {}))
    later = later_texts(contract.ahead, contract.period) if contract.ahead else {}
    texts = {language: said | later.get(language, {}) for language, said in TEXTS.items()}
    data = {
        "path": path,
        "asks_who": asks_who,
        "texts": texts,
        "particulars": {"de": list(GERMAN_PARTICULARS.items())},
        "translations": contract.translations,
        "classes": contract.label.class_names,
        "decided": contract.label.class_names[contract.label.positive] if contract.label.decision else "",
        "several": contract.label.several,
        "unit": contract.label.truth.unit,
        "fields": [_without_suggestions(field) for group in groups.values() for field in group],
        "derived": [
            {"name": name, "label": feature.description, "unit": feature.unit}
            for name, feature in contract.features.items()
            if name not in contract.given_features
        ],
    }
    return TEMPLATES.get_template("page.html").render(
        contract=contract, groups=groups, data=data, text=texts["en"], titles=titles or {}, asks_who=asks_who
    )


def _without_suggestions(field: dict[str, Any]) -> dict[str, Any]:
    """A field as the script needs it: what is suggested stands in the page already."""
    return {word: value for word, value in field.items() if word != "suggestions"}


def _number(value: float | int) -> str:
    """A whole number with all its digits, another one with six."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def _shown_time(feature: Feature, text: str, zone: str) -> str:
    """A date or time as the browser's input has it, on the clock of the use case's time zone."""
    seconds = feature.seconds(text, zone=zone) or 0
    value = value_of(feature.type, seconds)
    return local_time(value, zone).isoformat() if isinstance(value, datetime) else value.isoformat()


def _field(contract: Contract, name: str, feature: Feature, learnt: LearntValues) -> dict[str, Any]:
    field: dict[str, Any] = {
        "name": name,
        "group": feature.group,
        "id": f"{feature.group}-{name}" if feature.group else name,
        "label": feature.description,
        "unit": feature.unit,
        "type": feature.type,
        "value": ordinary(contract, name, learnt),
        "optional": feature.optional or name == contract.event_time.column,
        "suggestions": list(learnt.get(name, ())),
    }
    if feature.choices is not None:
        binary = feature.role == "binary"
        values = [False, True] if feature.type == "bool" else [0, 1] if binary else list(feature.choices)
        if binary and not feature.optional:
            return {**field, "kind": "switch", "values": values}
        return {**field, "kind": "select", "values": [*([None] if feature.optional else []), *values]}
    if feature.type in TIMES:
        zone = contract.event_time.timezone
        value = "" if feature.optional and feature.example is None else _shown_time(feature, field["value"], zone)
        event = name == contract.event_time.column
        return {**field, "kind": feature.type, "value": value, "zone": zone, "event": event}
    if feature.type == "string":
        empty = feature.optional and feature.example is None
        return {**field, "kind": "text", "value": "" if empty else field["value"]}
    usual = contract.fallback.ranges.get(name) if contract.fallback else None
    low, high = feature.limits or (0.0, 0.0)
    if feature.valid is None and usual is None:  # no end that a slider could have
        return {
            **field, "kind": "number", "value": _number(field["value"]), "limited": False, "slider": False,
            "low": f"{low:g}", "high": f"{high:g}", "fine": "1" if feature.type == "int" else "any", "usual": None,
        }  # fmt: skip
    furthest = high if usual is None else min(high, usual.below * SLIDER_BEYOND)
    if feature.valid is None and usual is not None:
        low = min(0.0, usual.at_least * SLIDER_BEYOND)
    step = 1 if feature.type == "int" or furthest - low > 50 else round((furthest - low) / 100, 6)
    return {
        **field,
        "kind": "number",
        "value": _number(field["value"]),
        "limited": feature.valid is not None,
        "slider": True,
        "low": f"{low:g}",
        "high": f"{high:g}",
        "furthest": f"{furthest:g}",
        "step": f"{step:g}",
        "fine": "1" if feature.type == "int" else "any",
        "usual": None if usual is None else [f"{usual.at_least:g}", f"{usual.below:g}"],
    }
