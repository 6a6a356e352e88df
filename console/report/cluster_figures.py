"""The picture of clusters: how far each centre lies from the mean of all things, column by column."""

import plotly.graph_objects as go

from console.report.figure_style import GREY, LINE_COLOURS, MOST_BARS, finish, legend_height
from lakehouse.read.clusters import FoundClusters

BAR, GAP = 9, 14
"""Pixels: a bar, and what stands between the bars of two columns."""


def cluster_colour(number: int) -> str:
    """The colour of a cluster, the same as long as it keeps its number."""
    return LINE_COLOURS[number % len(LINE_COLOURS)]


def shown_columns(found: FoundClusters) -> list[str]:
    """The columns that are drawn: those in which a centre lies furthest off."""
    furthest = {name: max(abs(one.deviations[name]) for one in found.clusters) for name in found.columns}
    most = sorted(found.columns, key=lambda name: -furthest[name])[:MOST_BARS]
    return [name for name in found.columns if name in most]


def centres(found: FoundClusters) -> go.Figure:
    """Bars side by side: of each column one a cluster, in standard deviations from the mean of all things."""
    columns = shown_columns(found)
    figure = go.Figure(
        [
            go.Bar(
                x=[one.deviations[name] for name in columns],
                y=columns,
                customdata=[one.centre[name] for name in columns],
                name=f"{one.number}: {one.name}",
                orientation="h",
                marker_color=cluster_colour(one.number),
                hovertemplate="%{y}: %{customdata:.4g}, %{x:+.2f} standard deviations<extra>%{fullData.name}</extra>",
            )
            for one in found.clusters
        ]
    )
    figure.add_vline(x=0, line_color=GREY)
    figure.update_xaxes(title="standard deviations from the mean of all")
    figure.update_yaxes(autorange="reversed", automargin=True, type="category")
    top = legend_height([f"{one.number}: {one.name}" for one in found.clusters])
    height = top + 60 + len(columns) * (GAP + BAR * len(found.clusters))
    return finish(figure, height, top=top, barmode="group")
