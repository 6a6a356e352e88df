"""Puts the report's figures and tables on one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from console.report import figures
from console.report.contribution_figures import contribution_figures
from console.report.html_file import write_page
from lakeloop.contract import Contract
from tfx_pipeline.data_checks.statistics import FeatureStatistics
from tfx_pipeline.runs.run_record import RunRecord


@dataclass(frozen=True)
class Served:
    """One question asked over REST and what came back: the answer in words, and the numbers `given` with it by name."""

    question: Mapping[str, object]
    truth: str
    given: Mapping[str, float]
    answer: str
    milliseconds: float


@dataclass(frozen=True)
class Report:
    """Everything the page shows. `scores` maps a curve's name to one value a period of `periods`, of the metric that
    is told first: the accuracy, the mean cost, or of numbers the one that decides.
    """

    contract: Contract
    created: str
    frame: pd.DataFrame
    manifest: str
    runs: Sequence[RunRecord]
    statistics: Mapping[str, Mapping[str, FeatureStatistics]]
    periods: Sequence[str]
    scores: Mapping[str, Sequence[float]]
    served: Sequence[Served]
    url: str
    rejects: Mapping[str, int] = field(default_factory=dict)

    @property
    def champion_run(self) -> RunRecord:
        """The newest run whose model was pushed; the newest of all if none was."""
        pushed = [run for run in self.runs if run.pushed_version]
        return (pushed or list(self.runs))[-1]


def write_report(report: Report, path: Path) -> Path:
    """Write the page; it opens without a network and readers never see half of it."""
    pictures = {
        "label": figures.label_counts(report.contract, report.frame),
        "features": figures.feature_by_label(report.contract, report.frame),
        "statistics": figures.statistics_by_split(report.contract, report.statistics),
        "training": figures.training_curve(report.champion_run.history, report.champion_run.parameters.model.step),
        "periods": figures.score_by_period(
            report.periods,
            report.scores,
            report.contract.gate.bound_shown,
            {"model": f"model {report.champion_run.pushed_version}"},
            report.contract.gate.shown,
        ),
    }
    importance = report.champion_run.importance
    if importance is not None:
        pictures["importance"] = figures.importance_bars(importance)
    contributions = report.champion_run.contributions
    if contributions is not None:
        pictures |= contribution_figures(contributions)
    return write_page(
        "page.html",
        path,
        contract=report.contract,
        created=report.created,
        report=report,
        run=report.champion_run,
        pictures=pictures,
    )
