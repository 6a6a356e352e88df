"""What all of the pages' figures share: colours, fonts, margins, and how a figure gets into a page."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakeloop.contract import Contract

if TYPE_CHECKING:
    import plotly.graph_objects as go

BLUE, ORANGE, GREEN, RED, GREY = "#2563eb", "#ea7317", "#15803d", "#c2261d", "#64748b"
CLASS_COLOURS = (RED, ORANGE, GREEN, BLUE, GREY)
LINE_COLOURS = (BLUE, ORANGE, GREEN, RED, "#7c3aed", "#0891b2", "#a16207", "#db2777", GREY)
LEGEND_WIDTH, LEGEND_LINE, LEGEND_MARK, LETTER = 680, 20, 48, 7
"""Pixels: of a legend in the narrowest figure, of a line in it, of a line's mark, of a letter."""
MOST_BARS = 30
"""Features that are drawn with a bar each; the others are in the table."""
DASHES = ("solid", "dot", "dashdot", "longdash")


def finish(figure: "go.Figure", height: int, top: int = 65, **layout: object) -> "go.Figure":
    """The figure in the house's look; `height` and `top` margin in pixels."""
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 50, "r": 20, "t": top, "b": 45},
        font={"family": "system-ui, sans-serif", "size": 13},
        legend={"orientation": "h", "yref": "container", "y": 0.99, "yanchor": "top", "x": 0},
        **layout,
    )
    return figure


def line_style(position: int) -> dict[str, str]:
    """The look of one line of many: a colour, and another dash where the colours come round again."""
    turn, place = divmod(position, len(LINE_COLOURS))
    return {"color": LINE_COLOURS[place], "dash": DASHES[turn % len(DASHES)]}


def legend_height(names: Sequence[str]) -> int:
    """Pixels above a figure for a legend of these names, where the figure is as narrow as pages draw it."""
    lines, used = 1, 0
    for name in names:
        wanted = LEGEND_MARK + LETTER * len(name)
        lines, used = (lines, used + wanted) if used + wanted <= LEGEND_WIDTH else (lines + 1, wanted)
    return 28 + LEGEND_LINE * lines


def titled(contract: Contract, name: str) -> str:
    """A feature's name with its unit."""
    unit = contract.features[name].unit
    return f"{name} ({unit})" if unit else name


def embedded(figure: "go.Figure") -> str:
    """The figure as HTML that needs the page's own copy of Plotly."""
    config = {"displaylogo": False, "responsive": True, "displayModeBar": False}
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config=config))
