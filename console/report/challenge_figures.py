"""The pictures of a challenge: how alike champion and challenger answer over time, and where they differ."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from console.report.figure_style import BLUE, GREY, RED, finish
from lakeloop.release_state import CHALLENGER, CHAMPION
from operations.challenge_comparison import ChallengeComparison

MOST_ANSWERS = 12
"""Of each version, in the picture; the others are in the table."""


def challenge_figures(found: ChallengeComparison, bound: float | None) -> dict[str, go.Figure]:
    """Pictures by name. `bound`: the share of rows answered alike below which the contract ends a challenge."""
    pictures = {}
    if found.pieces:
        pictures["agreement"] = agreement_over_time(found, bound)
    if found.answers is not None:
        pictures["answers"] = answers_beside_answers(found.answers)
    if found.differences is not None:
        pictures["differences"] = differences_of_numbers(found.differences)
    return pictures


def agreement_over_time(found: ChallengeComparison, bound: float | None) -> go.Figure:
    """The share of rows answered alike, in pieces of as many rows, and the contract's bound."""
    figure = go.Figure(
        go.Scatter(
            x=[piece.since for piece in found.pieces],
            y=[piece.alike for piece in found.pieces],
            customdata=[[piece.rows, piece.errors] for piece in found.pieces],
            hovertemplate="%{y:.1%} of %{customdata[0]:,} rows alike, %{customdata[1]} errors<extra></extra>",
            mode="lines+markers",
            line_color=BLUE,
            showlegend=False,
        )
    )
    if bound is not None:
        figure.add_hline(y=bound, line_dash="dash", line_color=RED, annotation_text=f"ends below {bound:.0%}")
    known = [piece.alike for piece in found.pieces if piece.alike is not None]
    lowest = min([*known, 1.0 if bound is None else bound])
    figure.update_yaxes(title="answered alike", tickformat=".0%", range=[max(0.0, lowest - 0.1), 1.02])
    return finish(figure, 300, top=30)


def answers_beside_answers(answers: pd.DataFrame) -> go.Figure:
    """Rows by both answers; what lies off the diagonal, the challenger would have answered otherwise."""
    names = sorted({*answers.index, *answers.columns}, key=lambda name: -_rows_of(answers, name))[:MOST_ANSWERS]
    square = answers.reindex(index=names, columns=names, fill_value=0)
    shares = square.div(square.sum(axis=1).replace(0, 1), axis=0)
    figure = go.Figure(
        go.Heatmap(
            z=shares.to_numpy().tolist(),
            x=names,
            y=names,
            text=square.to_numpy().tolist(),
            texttemplate="%{text:,}",
            hovertemplate="champion %{y}, challenger %{x}: %{text:,} rows, %{z:.1%} of the champion's<extra></extra>",
            colorscale=[[0, "#ffffff"], [1, BLUE]],
            zmin=0,
            zmax=1,
            showscale=False,
        )
    )
    figure.update_xaxes(title=CHALLENGER, type="category")
    figure.update_yaxes(title=CHAMPION, type="category", autorange="reversed", automargin=True)
    return finish(figure, 160 + 46 * len(names), top=20)


def differences_of_numbers(differences: np.ndarray) -> go.Figure:
    """How much more or less the challenger answers than the champion."""
    figure = go.Figure(go.Histogram(x=differences.tolist(), nbinsx=60, histnorm="probability", marker_color=BLUE))
    figure.add_vline(x=0, line_color=GREY)
    figure.update_xaxes(title="challenger less champion")
    figure.update_yaxes(title="share of the rows", tickformat=".0%")
    return finish(figure, 300, top=20)


def _rows_of(answers: pd.DataFrame, name: str) -> int:
    sides = (answers, answers.T)
    return sum(int(side.loc[name].to_numpy().sum()) for side in sides if name in side.index)
