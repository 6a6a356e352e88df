"""The report's pictures, each a Plotly figure made from plain values."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from console.report.figure_style import (
    BLUE,
    CLASS_COLOURS,
    GREEN,
    GREY,
    MOST_BARS,
    ORANGE,
    RED,
    finish,
    legend_height,
    line_style,
    titled,
)
from console.report.label_groups import LabelGroup, label_groups
from lakeloop.contract import Contract, Feature
from lakeloop.contract.columns import TIMES
from lakeloop.contract.metrics import METRICS
from lakeloop.contract.time_features import value_of
from lakeloop.drift_report import DriftReport
from monitoring.drift.compared_values import OTHERS, category_texts
from tfx_pipeline.data_checks.statistics import FeatureStatistics
from tfx_pipeline.runs.run_record import (
    Evaluation,
    History,
    PermutationImportance,
    RunRecord,
)

BINS, MOST_CATEGORIES = 40, 10
"""Bars of a number's distribution, and categories that are drawn by themselves."""
LONGEST_NAME = 14
READABLE, FURTHEST = 15, 8
"""Lines that can be told apart, and how many of more are drawn at first."""


def label_counts(contract: Contract, frame: pd.DataFrame) -> go.Figure:
    """Rows a class, or the distribution of numbers, its three thirds in colours of their own."""
    groups, label = label_groups(contract, frame), contract.label
    colours = [CLASS_COLOURS[i % len(CLASS_COLOURS)] for i in range(len(groups))]
    figure = go.Figure()
    if label.classes:
        counts = [int(rows.sum()) for _, rows in groups]
        names = [name for name, _ in groups]
        figure.add_trace(go.Bar(x=names, y=counts, text=counts, textfont_color="white", marker_color=colours))
    else:
        values = frame[label.name]
        edges = np.histogram_bin_edges(values, BINS)
        for (name, rows), colour in zip(groups, colours, strict=True):
            counted = np.histogram(values[rows], edges)[0].tolist()
            places = ((edges[:-1] + edges[1:]) / 2).tolist()
            figure.add_trace(
                go.Bar(x=places, y=counted, width=float(edges[1] - edges[0]), name=name, marker_color=colour)
            )
    figure.update_xaxes(title=label.name)
    figure.update_yaxes(title="rows")
    return finish(figure, 280, top=15 if label.classes else 30, barmode="stack")


def feature_by_label(contract: Contract, frame: pd.DataFrame) -> go.Figure:
    """Every feature's distribution, one colour a class, or a third of the numbers; but no text's, nearly every one of
    which stands there once.

    Rows are counted here, so that a page is as large for a million of them as for a thousand.
    """
    names = [name for name, feature in contract.features.items() if feature.role != "text"]
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = make_subplots(rows, columns, subplot_titles=[titled(contract, n) for n in names])
    groups = label_groups(contract, frame)
    for position, name in enumerate(names):
        at = {"row": position // columns + 1, "col": position % columns + 1}
        feature = contract.features[name]
        counted = (_histograms if feature.role in ("numeric", "time") else _commonest)(feature, frame[name], groups)
        for number, ((group, _), bars) in enumerate(zip(groups, counted, strict=True)):
            look = {"name": group, "legendgroup": group, "showlegend": position == 0, "opacity": 0.6}
            figure.add_trace(go.Bar(**bars, **look, marker_color=CLASS_COLOURS[number % len(CLASS_COLOURS)]), **at)
        if feature.role not in ("numeric", "time"):
            figure.update_xaxes(**_categories(counted[0]["x"]), **at)
    return finish(figure, 260 * rows, barmode="overlay")


def _histograms(feature: Feature, given: pd.Series, groups: Sequence[LabelGroup]) -> list[dict[str, Any]]:
    """Rows of each group by value, as the places, heights and widths of bars."""
    values = pd.to_numeric(given, errors="coerce").astype(float)
    values = values[np.isfinite(values)]
    edges = np.histogram_bin_edges(values, BINS) if len(values) else np.array([0.0, 1.0])
    places = _on_axis(feature, (edges[:-1] + edges[1:]) / 2)
    width = float(edges[1] - edges[0]) * (1000 if feature.type in TIMES else 1)  # an axis of time counts milliseconds
    counted = (np.histogram(values[rows[values.index]], edges)[0] for _, rows in groups)
    return [{"x": places, "y": counts.tolist(), "width": width} for counts in counted]


def _commonest(_: Feature, given: pd.Series, groups: Sequence[LabelGroup]) -> list[dict[str, Any]]:
    """Rows of each group by category, the commonest ones by themselves."""
    values = category_texts(given)
    common = values.value_counts().index[:MOST_CATEGORIES]
    values = values.where(values.isin(common), OTHERS)
    names = [*common, *([OTHERS] if OTHERS in values.values and OTHERS not in common else [])]
    counted = (values[rows[values.index]].value_counts() for _, rows in groups)
    return [{"x": names, "y": counts.reindex(names, fill_value=0).tolist()} for counts in counted]


def _categories(names: Sequence[str]) -> dict[str, Any]:
    """An axis of categories, long names cut: they would take the picture's room."""
    cut = [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in names]
    return {"type": "category", "tickmode": "array", "tickvals": list(names), "ticktext": cut}


def _on_axis(feature: Feature, values: Iterable[Any]) -> list[Any]:
    """Values as plotly draws them: seconds since 1970 as ISO 8601, which makes an axis one of time."""
    found = [float(value) for value in values]
    if feature.type not in TIMES:
        return found
    return [value_of(feature.type, int(value)).isoformat() if value == value else None for value in found]


def statistics_by_split(contract: Contract, statistics: Mapping[str, Mapping[str, FeatureStatistics]]) -> go.Figure:
    """Every feature as TFDV counted it, one colour a split: density of numbers, shares of the commonest values."""
    names = [n for n in contract.features if any(s[n].counts or s[n].top for s in statistics.values() if n in s)]
    columns = min(3, max(1, len(names)))
    rows = max(1, -(-len(names) // columns))
    figure = make_subplots(rows, columns, subplot_titles=[titled(contract, n) for n in names])
    for position, name in enumerate(names):
        for split, colour in zip(statistics, (BLUE, ORANGE, GREEN), strict=False):
            if name in statistics[split]:
                trace = _distribution(statistics[split][name])
                at = {"row": position // columns + 1, "col": position % columns + 1}
                if trace.type == "scatter":
                    trace.update(x=_on_axis(contract.features[name], trace.x))
                elif split == next(iter(statistics)):
                    figure.update_xaxes(**_categories(trace.x), **at)
                trace.update(name=split, legendgroup=split, showlegend=position == 0)
                trace.update({"line_color": colour} if trace.type == "scatter" else {"marker_color": colour})
                figure.add_trace(trace, **at)
    return finish(figure, 250 * rows)


def _distribution(found: FeatureStatistics) -> go.Scatter | go.Bar:
    """Splits have buckets of different widths: as densities they can be compared."""
    if not found.counts:
        top = found.top[:MOST_CATEGORIES]
        return go.Bar(x=[value for value, _ in top], y=[n / (found.rows or 1) for _, n in top])
    total = sum(found.counts) or 1
    buckets = list(zip(found.edges, found.edges[1:], found.counts, strict=False))
    return go.Scatter(
        x=[(low + high) / 2 for low, high, _ in buckets],
        y=[count / total / ((high - low) or 1) for low, high, count in buckets],
        mode="lines",
        line={"shape": "hvh"},
    )


def training_curve(history: History, step: str) -> go.Figure:
    """Loss and what was measured beside it by `step`, such as epoch, train and eval."""
    measured, on_train, on_eval = history.metric
    figure = make_subplots(1, 2, subplot_titles=("loss", measured))
    steps = list(range(1, len(history.loss) + 1))
    curves = (
        (1, "train", history.loss, BLUE),
        (1, "eval", history.val_loss, ORANGE),
        (2, "train", on_train, BLUE),
        (2, "eval", on_eval, ORANGE),
    )
    for column, name, values, colour in curves:
        figure.add_trace(
            go.Scatter(
                x=steps,
                y=list(values),
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                line={"color": colour},
            ),
            row=1,
            col=column,
        )
    figure.update_xaxes(title=step)
    return finish(figure, 340)


def score_by_period(
    periods: Sequence[str],
    curves: Mapping[str, Sequence[float]],
    required: float | None,
    names: Mapping[str, str],
    metric: str,
) -> go.Figure:
    """A metric of model and baselines over the periods, with the gate's requirement where it has one."""
    figure = go.Figure()
    colours = {"model": BLUE, "rules": ORANGE, "majority": GREY, "cheapest": GREY, "constant": GREY}
    for name, values in curves.items():
        figure.add_trace(
            go.Scatter(
                x=list(periods),
                y=list(values),
                name=names.get(name, name),
                line={"color": colours.get(name, GREY), "width": 3 if name == "model" else 1.5},
            )
        )
    _add_requirement(figure, required)
    axis: dict[str, Any] = {"range": [0, 1], "tickformat": ".0%"} if METRICS[metric].highest == 1 else {}
    figure.update_yaxes(title=metric.replace("_", " "), **axis)
    return finish(figure, 380)


def score_by_slice(evaluation: Evaluation) -> go.Figure:
    """TFMA's metric of every slice, the champion's beside it, and the bounds it has to lie between."""
    names = [f"{one.feature} = {one.value}" if one.feature else "all rows" for one in evaluation.slices]
    figure = go.Figure()
    curves: list[tuple[str, list[float | None], str]] = [("this model", [s.score for s in evaluation.slices], BLUE)]
    if any(one.champion_score is not None for one in evaluation.slices):
        curves.append(("champion", [one.champion_score for one in evaluation.slices], GREY))
    if any(one.persistence_score is not None for one in evaluation.slices):
        curves.append(("what the rows have now", [one.persistence_score for one in evaluation.slices], ORANGE))
    for name, values, colour in curves:
        figure.add_trace(go.Bar(y=names, x=values, name=name, marker_color=colour, orientation="h"))
    for bound in (evaluation.above, evaluation.below):
        if bound is not None and bound >= 0:
            figure.add_vline(x=bound, line_dash="dash", line_color=GREEN)
    figure.update_yaxes(autorange="reversed", automargin=True)
    is_share = METRICS[evaluation.metric].highest == 1
    axis: dict[str, Any] = {"range": [0, 1], "tickformat": ".0%"} if is_share else {"rangemode": "tozero"}
    figure.update_xaxes(title=f"{evaluation.shown} on eval rows; dashed: bounds", **axis)
    return finish(figure, 110 + 34 * len(curves) * len(names), barmode="group")


def importance_bars(found: PermutationImportance) -> go.Figure:
    """How much worse the model is without each feature, with the spread over the repeats; noise is grey."""
    listed = found.features[:MOST_BARS]
    figure = go.Figure(
        go.Bar(
            y=[one.feature for one in listed],
            x=[one.mean for one in listed],
            error_x={"type": "data", "array": [one.spread for one in listed], "color": GREY},
            marker_color=[GREY if one.is_noise else BLUE for one in listed],
            orientation="h",
        )
    )
    figure.update_yaxes(autorange="reversed", automargin=True, type="category")
    figure.update_xaxes(title=f"{found.metric.replace('_', ' ')} is worse by")
    return finish(figure, 90 + 30 * len(listed), top=10)


def drift_by_period(reports: Sequence[DriftReport]) -> go.Figure:
    """Each column's way to drift over the periods; from 1 on it has drifted. Missing shares where they ever have.

    Of more lines than can be told apart the furthest are drawn, the others when their names are clicked.
    """
    figure = go.Figure()
    drifted = {column.label for one in reports for column in one.missing if column.drifted}
    lines: dict[str, dict[str, float | None]] = {}
    for one in reports:
        for column in one.signals:
            if column in one.columns or column.label in drifted:
                lines.setdefault(column.label, {})[one.window.period] = column.towards_drift
    furthest = sorted(lines, key=lambda name: max((value or 0.0) for value in lines[name].values()), reverse=True)
    shown = furthest if len(furthest) <= READABLE else furthest[:FURTHEST]
    for position, (name, known) in enumerate(lines.items()):
        figure.add_trace(
            go.Scatter(
                x=list(known),
                y=list(known.values()),
                name=name,
                mode="lines+markers",
                line=line_style(position),
                visible=True if name in shown else "legendonly",
            )
        )
    figure.add_hline(y=1, line_dash="dash", line_color=RED)
    figure.update_yaxes(title="score / threshold", rangemode="tozero")
    figure.update_xaxes(type="category")
    legend = legend_height(list(lines))
    return finish(figure, 320 + legend, top=legend)


def score_by_version(runs: Sequence[RunRecord], metric: str, required: float | None) -> go.Figure:
    """A metric of every pushed version on its own train and eval rows, in the order they were pushed."""
    checked = [(run.pushed_version, run.gate.by_set) for run in runs if run.gate is not None]
    figure = go.Figure()
    for split, colour in (("train", BLUE), ("eval", ORANGE)):
        figure.add_trace(
            go.Scatter(
                x=[version for version, _ in checked],
                y=[by_set.get(split) for _, by_set in checked],
                name=split,
                mode="lines+markers",
                line_color=colour,
            )
        )
    _add_requirement(figure, required)
    figure.update_yaxes(title=metric, tickformat=".0%" if METRICS[metric].highest == 1 else "")
    figure.update_xaxes(type="category", title="version")
    return finish(figure, 320)


def _add_requirement(figure: go.Figure, required: float | None) -> None:
    if required is not None:
        figure.add_hline(
            y=required, line_dash="dash", line_color=GREEN, annotation_text=f"gate: {required:g}",
            annotation_position="top right",
        )  # fmt: skip
