"""Pictures of what moves a model's answers: how far on average, and which way in single ones."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from console.report.figure_style import BLUE, CLASS_COLOURS, GREY, MOST_BARS, RED, finish, legend_height
from tfx_pipeline.runs.run_record import FeatureContributions

BINS, DOT, ROW = 60, 6, 34
"""Places along a line of dots that make room for one another; pixels of a dot and of a feature's line."""
LOW_TO_HIGH = ((0.0, BLUE), (0.5, "#a78bba"), (1.0, RED))


def contribution_figures(found: FeatureContributions) -> dict[str, go.Figure]:
    """By the names that pages know them by; the swarm of dots where single answers are on record."""
    swarm = contribution_swarm(found)
    return {"contributions": contribution_bars(found)} | ({} if swarm is None else {"swarm": swarm})


def contribution_bars(found: FeatureContributions) -> go.Figure:
    """The mean size of each feature's contributions; of several classes side by side on one bar."""
    listed = found.features[:MOST_BARS]
    single = len(found.outputs) == 1
    figure = go.Figure(
        [
            go.Bar(
                y=[one.feature for one in listed],
                x=[one.by_output[place] for one in listed],
                name=output,
                marker_color=BLUE if single else CLASS_COLOURS[place % len(CLASS_COLOURS)],
                orientation="h",
            )
            for place, output in enumerate(found.outputs)
        ]
    )
    figure.update_yaxes(autorange="reversed", automargin=True, type="category")
    figure.update_xaxes(title="moves it by")
    legend = 10 if single else legend_height(found.outputs)
    return finish(
        figure,
        80 + legend + 30 * len(listed),
        top=legend,
        barmode="stack",
        showlegend=not single,
        legend_traceorder="normal",
    )


def contribution_swarm(found: FeatureContributions) -> go.Figure | None:
    """What each feature contributed to single answers, a dot each, coloured by where the feature's value lay: one
    picture an output, one above the other. None where nobody drew them.
    """
    drawn = [one for one in found.features if one.points]
    if not drawn:
        return None
    several = len(found.outputs) > 1
    figure = make_subplots(
        rows=len(found.outputs), cols=1, subplot_titles=found.outputs if several else None,
        vertical_spacing=0.18 / len(found.outputs),
    )  # fmt: skip
    furthest = max(abs(value) for one in drawn for of_output in one.points for value in of_output) or 1.0
    for place in range(len(found.outputs)):
        for line, one in enumerate(drawn):
            given, levels = np.array(one.points[place]), one.levels
            known = np.array([level is not None for level in levels])
            y = line + _apart(given, furthest)
            for dots, colour in ((~known, GREY), (known, [level for level in levels if level is not None])):
                if not dots.any():
                    continue
                scale = {"colorscale": LOW_TO_HIGH, "cmin": 0, "cmax": 1} if dots is known else {}
                figure.add_trace(
                    go.Scatter(
                        x=given[dots],
                        y=y[dots],
                        mode="markers",
                        name=one.feature,
                        marker={"size": DOT, "opacity": 0.8, "color": colour, **scale},
                        hovertemplate="%{x:+.3g}",
                    ),
                    row=place + 1,
                    col=1,
                )
    names = [one.feature for one in drawn]
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=names,
        range=[len(names) - 0.4, -0.6],
        automargin=True,
        zeroline=False,
    )
    figure.update_xaxes(range=[-1.08 * furthest, 1.08 * furthest], zeroline=True, zerolinecolor=GREY)
    figure.update_xaxes(title="moves the answer by", row=len(found.outputs))
    return finish(figure, len(found.outputs) * (ROW * len(names) + 50) + 40, 34 if several else 10, showlegend=False)


def _apart(values: np.ndarray, furthest: float) -> np.ndarray:
    """How far from its line each dot stands, so that those of about the same value are seen: at most 0.4 of a line."""
    bins = np.round(values / furthest * BINS).astype(int)
    offsets = np.zeros(len(values))
    for one in np.unique(bins):
        (there,) = np.nonzero(bins == one)
        steps = np.arange(len(there))
        offsets[there] = (steps + 1) // 2 * np.where(steps % 2, 1, -1)
    return offsets * min(0.12, 0.4 / max(1.0, np.abs(offsets).max(initial=0.0)))
