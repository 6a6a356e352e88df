"""What all of the pages' figures share: colours, fonts, margins, and how a figure gets into a page."""

from typing import TYPE_CHECKING

from lakeloop.contract import Contract

if TYPE_CHECKING:
    import plotly.graph_objects as go

BLUE, ORANGE, GREEN, RED, GREY = "#2563eb", "#ea7317", "#15803d", "#c2261d", "#64748b"
CLASS_COLOURS = (RED, ORANGE, GREEN, BLUE, GREY)
LINE_COLOURS = (BLUE, ORANGE, GREEN, RED, "#7c3aed", "#0891b2", "#a16207", "#db2777", GREY)


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


def titled(contract: Contract, name: str) -> str:
    """A feature's name with its unit."""
    unit = contract.features[name].unit
    return f"{name} ({unit})" if unit else name


def embedded(figure: "go.Figure") -> str:
    """The figure as HTML that needs the page's own copy of Plotly."""
    config = {"displaylogo": False, "responsive": True, "displayModeBar": False}
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config=config))
