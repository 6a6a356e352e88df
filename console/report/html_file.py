"""Writes a page: a template in the house's frame, with Plotly inside once, so that it opens without a network."""

from pathlib import Path

import jinja2

from console.report.figure_style import embedded
from console.words import coded, counted
from lakeloop.atomic_file import write_text
from lakeloop.contract import Contract


def write_page(template: str, path: Path, *, contract: Contract, created: str, **values: object) -> Path:
    """Render a template that extends frame.html; readers never see half of the file."""
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("console.report", ""), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["figure"] = embedded
    environment.filters["coded"] = coded
    environment.filters["counted"] = counted
    environment.globals["root"] = ""
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    page = environment.get_template(template).render(
        frame="frame.html", served=False, contract=contract, created=created, plotly=get_plotlyjs(), **values
    )
    return write_text(path, page)
