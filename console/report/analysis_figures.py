"""The pictures of the analysis of one period."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from console.report.figure_style import (
    BLUE,
    CLASS_COLOURS,
    GREY,
    ORANGE,
    RED,
    finish,
    legend_height,
    line_style,
    titled,
)
from lakeloop.contract import Contract
from lakeloop.drift_report import DriftReport
from monitoring.analysis.association import Association
from monitoring.analysis.comparison import Comparison, TargetDrift
from monitoring.drift.compared_values import category_texts, compared_columns

REFERENCE, NOW = "reference", "now"
MOST_CATEGORIES = 30
"""Bars of one feature; of more the commonest are drawn."""


def distributions(contract: Contract, reference: pd.DataFrame, current: pd.DataFrame) -> go.Figure:
    """Every feature's distribution as shares of the rows: reference against now."""
    names = list(contract.features)
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = make_subplots(rows, columns, subplot_titles=[titled(contract, n) for n in names], vertical_spacing=0.14)
    for position, name in enumerate(names):
        at = {"row": position // columns + 1, "col": position % columns + 1}
        numeric = contract.features[name].role == "numeric"
        both = compared_columns(contract, name, reference, current)
        for column, label, colour in zip(both, (REFERENCE, NOW), (GREY, BLUE), strict=True):
            values = column.dropna()
            common = {"name": label, "legendgroup": label, "showlegend": position == 0, "marker_color": colour}
            if numeric:
                bins = _bins(reference[name], current[name])
                trace = go.Histogram(
                    x=values.tolist(), histnorm="probability", xbins=bins, autobinx=False, opacity=0.55, **common
                )
            else:
                shares = category_texts(values).value_counts(normalize=True)
                shares = shares.head(MOST_CATEGORIES).sort_index()
                trace = go.Bar(x=shares.index.tolist(), y=shares.tolist(), opacity=0.75, **common)
            figure.add_trace(trace, **at)
        if not numeric:
            figure.update_xaxes(type="category", **at)
        figure.update_yaxes(tickformat=".0%", **at)
    # Bars of categories stand side by side, histograms over one another: offsets are drawn by the traces themselves.
    for trace in figure.data:
        if trace.type == "bar":
            trace.update(width=0.36, offset=-0.38 if trace.name == REFERENCE else 0.02)
    return finish(figure, 270 * rows, barmode="overlay")


def _bins(reference: pd.Series, current: pd.Series, count: int = 40) -> dict[str, float]:
    low = float(min(reference.min(), current.min()))
    high = float(max(reference.max(), current.max()))
    return {"start": low, "end": high, "size": (high - low) / count or 1.0}


def drift_by_period(contract: Contract, reports: Mapping[int, DriftReport], analysed: int) -> go.Figure | None:
    """Each feature's score over the periods as multiples of its own threshold; 1 is drift. None: none was measured."""
    periods = [number for number, report in sorted(reports.items()) if report.features]
    if not periods:
        return None
    figure = go.Figure()
    for position, name in enumerate(contract.features):
        found = [next(c for c in reports[number].features if c.column == name) for number in periods]
        figure.add_trace(
            go.Scatter(
                x=periods, y=[c.towards_drift for c in found], name=name, mode="lines+markers", marker={"size": 4},
                line=line_style(position),
                customdata=[[c.score, c.threshold, c.test] for c in found],
                hovertemplate=contract.period
                + " %{x}: %{customdata[0]:.4f} (%{customdata[2]}, threshold %{customdata[1]})",
            )
        )  # fmt: skip
    figure.add_hline(y=1, line_dash="dash", line_color=RED, annotation_text="threshold", annotation_position="top left")
    if len(periods) > 1:
        figure.add_vline(x=analysed, line_dash="dot", line_color=GREY, annotation_text=f"{contract.period} {analysed}")
    figure.update_xaxes(title=contract.period)
    figure.update_yaxes(title="score / threshold", rangemode="tozero")
    legend = legend_height(list(contract.features)) + 15  # the annotations' line
    return finish(figure, 350 + legend, top=legend)


def correlation(before: tuple[Association, ...], after: tuple[Association, ...]) -> go.Figure:
    """Correlation with the target before and after; only features that are numbers have one."""
    names = [one.feature for one in before if one.correlation is not None]
    figure = go.Figure()
    for found, label, colour in ((before, REFERENCE, GREY), (after, NOW, BLUE)):
        values = {one.feature: one.correlation for one in found}
        if found:
            figure.add_trace(
                go.Bar(y=names, x=[values.get(n) for n in names], name=label, marker_color=colour, orientation="h")
            )
    figure.update_xaxes(title="correlation", range=[-1, 1], zeroline=True, zerolinecolor=GREY)
    return _sideways(figure, len(names))


def explained(before: tuple[Association, ...], after: tuple[Association, ...]) -> go.Figure:
    """Share of the target's variance each feature explains, with its standard error."""
    figure = go.Figure()
    for found, label, colour in ((before, REFERENCE, GREY), (after, NOW, BLUE)):
        if found:
            figure.add_trace(
                go.Bar(
                    y=[one.feature for one in found], x=[one.explained for one in found], name=label, orientation="h",
                    marker_color=colour, error_x={"type": "data", "array": [one.error for one in found]},
                )
            )  # fmt: skip
    figure.update_xaxes(title="variance explained", tickformat=".0%", rangemode="tozero")
    return _sideways(figure, len(before))


def _sideways(figure: go.Figure, names: int) -> go.Figure:
    """Grouped bars from left to right, the first name on top: they fit on a phone."""
    figure.update_yaxes(autorange="reversed", automargin=True)
    return finish(figure, 110 + 44 * names, top=40, barmode="group")


def class_shares(comparison: Comparison) -> go.Figure | None:
    """Class shares before and now: by truth and as the model answers, as far as each is known. None of numbers."""
    parts: list[tuple[str, TargetDrift]] = []
    if comparison.target is not None:
        parts.append(("truth", comparison.target))
    if comparison.predicted is not None:
        parts.append(("answers", comparison.predicted))
    if not parts or not comparison.contract.label.classes:
        return None
    rows = [f"{name},<br>{when}" for name, _ in parts for when in (REFERENCE, NOW)]
    shares = [share for _, drift in parts for share in (drift.before, drift.now)]
    figure = go.Figure()
    for position, name in enumerate(comparison.contract.label.class_names):
        values = [share[name] for share in shares]
        figure.add_trace(
            go.Bar(
                y=rows, x=values, name=name, orientation="h", text=[f"{value:.0%}" for value in values],
                textfont_color="white", textangle=0, marker_color=CLASS_COLOURS[position % len(CLASS_COLOURS)],
            )
        )  # fmt: skip
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(legend_traceorder="normal")
    several = comparison.contract.label.several  # whose shares do not add up to 1
    bars = len(comparison.contract.label.classes) if several else 1
    return finish(figure, 120 + 48 * len(rows) * bars, top=40, barmode="group" if several else "stack")


def truth_distribution(contract: Contract, reference: pd.DataFrame, labelled: pd.DataFrame) -> go.Figure | None:
    """The ground truth itself, where it is a number: reference against now."""
    column = contract.label.truth_column if contract.label.classes else contract.label.name
    if (
        contract.label.several
        or (contract.label.classes and contract.label.truth_values is not None)
        or column not in reference
        or column not in labelled
        or labelled.empty
    ):
        return None
    figure = go.Figure()
    bins = _bins(reference[column], labelled[column])
    for frame, label, colour in ((reference, REFERENCE, GREY), (labelled, NOW, ORANGE)):
        figure.add_trace(
            go.Histogram(
                x=frame[column].dropna().tolist(), name=label, histnorm="probability", xbins=bins, autobinx=False,
                opacity=0.55, marker_color=colour,
            )
        )  # fmt: skip
    figure.update_xaxes(title=column)
    figure.update_yaxes(tickformat=".0%", title="share of rows")
    return finish(figure, 300, top=45, barmode="overlay")
