"""The report's pictures, each a Plotly figure made from plain values."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lakeloop.contract import Contract
from lakeloop.report.figure_style import BLUE, CLASS_COLOURS, GREEN, GREY, ORANGE, finish, titled
from tfx_pipeline.run_record import History
from tfx_pipeline.statistics import FeatureStatistics


def class_counts(contract: Contract, frame: pd.DataFrame) -> go.Figure:
    """Rows a class."""
    names = contract.label.class_names
    counts = frame[contract.label.name_column].value_counts().reindex(names, fill_value=0)
    colours = [CLASS_COLOURS[i % len(CLASS_COLOURS)] for i in range(len(names))]
    figure = go.Figure(
        go.Bar(
            x=list(names),
            y=counts.tolist(),
            text=counts.tolist(),
            textfont_color="white",
            marker_color=colours,
        )
    )
    figure.update_xaxes(title=contract.label.name)
    figure.update_yaxes(title="rows")
    return finish(figure, 280, top=15)


def feature_by_class(contract: Contract, frame: pd.DataFrame) -> go.Figure:
    """Every feature's distribution, one colour a class."""
    names = list(contract.features)
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = make_subplots(rows, columns, subplot_titles=[titled(contract, n) for n in names])
    for position, name in enumerate(names):
        at = {"row": position // columns + 1, "col": position % columns + 1}
        for class_id, class_name in enumerate(contract.label.class_names):
            values = frame.loc[frame[contract.label.name] == class_id, name]
            figure.add_trace(
                go.Histogram(
                    x=values.tolist(),
                    name=class_name,
                    legendgroup=class_name,
                    showlegend=position == 0,
                    marker_color=CLASS_COLOURS[class_id % len(CLASS_COLOURS)],
                    opacity=0.6,
                    nbinsx=40,
                ),
                **at,
            )
        if contract.features[name].role != "numeric":
            figure.update_xaxes(type="category", **at)
    return finish(figure, 260 * rows, barmode="overlay")


def statistics_by_split(contract: Contract, statistics: Mapping[str, Mapping[str, FeatureStatistics]]) -> go.Figure:
    """Every numeric feature's histogram as TFDV counted it: train against eval, as shares."""
    names = [n for n in contract.features if any(s[n].counts for s in statistics.values() if n in s)]
    columns = min(3, max(1, len(names)))
    rows = max(1, -(-len(names) // columns))
    figure = make_subplots(rows, columns, subplot_titles=[titled(contract, n) for n in names])
    for position, name in enumerate(names):
        for split, colour in zip(statistics, (BLUE, ORANGE), strict=False):
            found = statistics[split][name]
            middles = [(low + high) / 2 for low, high in zip(found.edges, found.edges[1:], strict=False)]
            total = sum(found.counts) or 1
            figure.add_trace(
                go.Scatter(
                    x=middles,
                    y=[count / total for count in found.counts],
                    name=split,
                    mode="lines",
                    legendgroup=split,
                    showlegend=position == 0,
                    line={"color": colour, "shape": "hvh"},
                ),
                row=position // columns + 1,
                col=position % columns + 1,
            )
    return finish(figure, 250 * rows)


def training_curve(history: History) -> go.Figure:
    """Loss and accuracy by epoch, train and eval."""
    figure = make_subplots(1, 2, subplot_titles=("loss", "accuracy"))
    epochs = list(range(1, len(history.loss) + 1))
    curves = (
        (1, "train", history.loss, BLUE),
        (1, "eval", history.val_loss, ORANGE),
        (2, "train", history.accuracy, BLUE),
        (2, "eval", history.val_accuracy, ORANGE),
    )
    for column, name, values, colour in curves:
        figure.add_trace(
            go.Scatter(
                x=epochs,
                y=list(values),
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                line={"color": colour},
            ),
            row=1,
            col=column,
        )
    figure.update_xaxes(title="epoch")
    return finish(figure, 340)


def accuracy_by_month(
    months: Sequence[str], curves: Mapping[str, Sequence[float]], required: float, names: Mapping[str, str]
) -> go.Figure:
    """Accuracy of model and baselines over the months, with the gate's requirement."""
    figure = go.Figure()
    colours = {"model": BLUE, "rules": ORANGE, "majority": GREY}
    for name, values in curves.items():
        figure.add_trace(
            go.Scatter(
                x=list(months),
                y=list(values),
                name=names.get(name, name),
                line={"color": colours.get(name, GREY), "width": 3 if name == "model" else 1.5},
            )
        )
    figure.add_hline(
        y=required,
        line_dash="dash",
        line_color=GREEN,
        annotation_text=f"gate: {required:g}",
        annotation_position="top right",
    )
    figure.update_yaxes(title="accuracy", range=[0, 1], tickformat=".0%")
    return finish(figure, 380)
