"""What moves a model's answers, drawn: bars of all, and a dot for each single answer."""

import numpy as np
import pytest

from console.report.contribution_figures import contribution_figures, contribution_swarm
from console.report.figure_style import GREY
from tfx_pipeline.runs.run_record import FeatureContribution, FeatureContributions


def found(outputs: tuple[str, ...], *features: FeatureContribution) -> FeatureContributions:
    return FeatureContributions(
        what="the probability of each class", outputs=outputs, rows=40, background_rows=50, seconds=1.0,
        features=features,
    )  # fmt: skip


def of_rows(name: str, *points: list[float], levels: list[float | None]) -> FeatureContribution:
    means = tuple(float(np.mean(np.abs(one))) for one in points)
    return FeatureContribution(
        feature=name, by_output=means, points=tuple(map(tuple, points)), levels=tuple(levels)
    )  # fmt: skip


def test_each_answer_is_a_dot_coloured_by_where_the_features_value_lay() -> None:
    usage = of_rows("usage", [0.3, -0.2, 0.1], levels=[0.0, 1.0, None])
    plan = of_rows("plan", [0.05, 0.05, 0.05], levels=[None, None, None])
    figure = contribution_swarm(found(("yes",), usage, plan))
    assert figure is not None
    grey, coloured, of_plan = figure.data
    assert (grey.name, list(grey.x), grey.marker.color) == ("usage", [0.1], GREY)
    assert list(coloured.x) == [0.3, -0.2] and list(coloured.marker.color) == [0.0, 1.0]
    assert (coloured.marker.cmin, coloured.marker.cmax) == (0, 1)
    assert of_plan.name == "plan" and of_plan.marker.color == GREY
    assert list(figure.layout.yaxis.ticktext) == ["usage", "plan"]
    assert len(set(of_plan.y)) == 3 and all(abs(y - 1) < 0.5 for y in of_plan.y), "side by side, and in their line"


def test_many_of_one_value_stay_in_their_line() -> None:
    figure = contribution_swarm(found(("yes",), of_rows("usage", [0.2] * 100, levels=[0.5] * 100)))
    assert figure is not None
    (dots,) = figure.data
    assert len(set(dots.y)) == 100 and np.abs(np.array(dots.y)).max() == pytest.approx(0.4)


def test_every_output_has_a_picture_and_a_record_without_answers_has_bars_alone() -> None:
    usage = of_rows("usage", [0.3, -0.2], [-0.1, 0.1], levels=[0.0, 1.0])
    rest = FeatureContribution(feature="plan", by_output=(0.01, 0.01))
    figures = contribution_figures(found(("high", "low"), usage, rest))
    assert set(figures) == {"contributions", "swarm"}
    assert [title.text for title in figures["swarm"].layout.annotations] == ["high", "low"]
    assert [list(trace.x) for trace in figures["swarm"].data] == [[0.3, -0.2], [-0.1, 0.1]]
    assert set(contribution_figures(found(("high", "low"), rest))) == {"contributions"}
