"""The analysis of a period as a page that opens without a network."""

from datetime import UTC, datetime
from pathlib import Path

from console.report import analysis_figures as figures
from console.report.html_file import write_page
from lakeloop.use_case import UseCase
from monitoring.analysis.side_by_side import METHODS
from monitoring.analysis.words import headline, sentences
from operations.analysis.period_comparison import Analysis

TARGET = " (target)"


def write_analysis(use_case: UseCase, analysis: Analysis) -> Path:
    """Write the page into the reports; its name says the period, the model and whose truth it is."""
    found, reference, rows = analysis.comparison, analysis.reference, analysis.rows
    contract, label, periods = found.contract, found.contract.label, list(rows.by_period)
    table = dict(found.distances)
    if found.target_distances:
        number = label.classes and label.truth_column in reference and label.truth_is_number
        table[(label.truth_column if number else label.name) + TARGET] = found.target_distances
    name = f"analysis-{found.period:03d}-{found.model_version}{'-oracle' if analysis.oracle else ''}.html"
    return write_page(
        "analysis.html",
        use_case.folder("reports") / name,
        contract=contract,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        found=found,
        headline=headline(found),
        sentences=sentences(found),
        source=rows.source,
        oracle=analysis.oracle,
        truth_note=analysis.truth_note,
        periods_note=f"{len(periods)} {contract.period}s, {periods[0]} to {periods[-1]}, from {rows.source}.",
        methods=METHODS,
        table=table,
        own={name: feature.drift.test for name, feature in contract.features.items()},
        target=label.truth_column,
        has_correlation=any(one.correlation is not None for one in found.before),
        pictures={
            "distributions": figures.distributions(contract, reference, rows.by_period[found.period]),
            "periods": figures.drift_by_period(contract, found.reports, found.period),
            "correlation": figures.correlation(found.before, found.after),
            "explained": figures.explained(found.before, found.after),
            "classes": figures.class_shares(found),
            "truth": figures.truth_distribution(contract, reference, analysis.labelled),
        },
    )
