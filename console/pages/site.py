"""Renders the pages: the templates, what they share with the pages that are written into files, and static files."""

import html
import json
from pathlib import Path
from typing import Any

import jinja2
import plotly
import plotly.graph_objects as go

from console.words import coded, counted
from lakeloop.contract import Contract
from lakeloop.interval import wilson_interval
from monitoring.page_place import PagePlace

HERE = Path(__file__).parent
REPORT = HERE.parent / "report"
PLOTLY = Path(plotly.__file__).with_name("package_data") / "plotly.min.js"
STATIC = {
    "frame.css": (REPORT / "frame.css", "text/css"),
    "site.css": (HERE / "static" / "site.css", "text/css"),
    "site.js": (HERE / "static" / "site.js", "text/javascript"),
    "map.css": (HERE / "static" / "map.css", "text/css"),
    "map.js": (HERE / "static" / "map.js", "text/javascript"),
    "map_colours.js": (HERE / "static" / "map_colours.js", "text/javascript"),
    "shape_map.js": (HERE / "static" / "shape_map.js", "text/javascript"),
    "lineage.css": (REPORT / "lineage.css", "text/css"),
    "lineage.js": (REPORT / "lineage.js", "text/javascript"),
    "plotly.min.js": (PLOTLY, "text/javascript"),
}
# Plotly and the lineage's picture set styles on elements; a page may frame another of this site.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = {"content-security-policy": POLICY, "cache-control": "no-cache"}
# Evidently's page is one file with its scripts inside; it may load nothing.
EVIDENTLY_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


class Site:
    """The pages of one use case, at their place. Where services ask who acts (`asks_who`), they show a way out."""

    def __init__(self, contract: Contract, place: PagePlace, asks_who: bool = False) -> None:
        self._contract, self._place = contract, place
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([HERE / "templates", REPORT]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
        )
        self._environment.filters["figure"] = figure_element
        self._environment.filters["coded"] = coded
        self._environment.filters["counted"] = counted
        self._environment.globals["interval"] = wilson_interval
        self._environment.globals["root"] = place.root
        self._environment.globals["asks_who"] = asks_who
        self._environment.policies["json.dumps_kwargs"] = {"sort_keys": False}

    def page(self, template: str, **values: Any) -> str:
        """One page as HTML."""
        return self._environment.get_template(template).render(
            contract=self._contract, others=self._place.others(), **values
        )


def figure_element(figure: go.Figure, name: str = "figure") -> str:
    """A figure as an element that site.js draws into; its JSON stands in a script element, where `</` would end it."""
    text = json.dumps(json.loads(figure.to_json()), separators=(",", ":")).replace("</", "<\\/")
    height = figure.layout.height or 300
    return (
        f'<div class="figure" role="img" aria-label="{html.escape(name)}" data-height="{height}">'
        f'<script type="application/json">{text}</script></div>'
    )
