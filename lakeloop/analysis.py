"""Gathers what the analysis of a month needs, compares, and writes the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from lakeloop.analysis_rows import MonthRows, labelled_rows_of, month_rows, with_truth
from lakeloop.champion import champion_facts
from lakeloop.contract import Contract
from lakeloop.errors import NotFound
from lakeloop.evaluation import exported_rows, whose_truth
from lakeloop.fallback import why_not_ask
from lakeloop.report import analysis_figures as figures
from lakeloop.report.page_file import write_page
from lakeloop.scoring import probabilities_of
from lakeloop.settings import Settings
from monitoring.analysis.comparison import Comparison, compare
from monitoring.analysis.distances import METHODS
from monitoring.analysis.words import headline, sentences
from monitoring.drift import judge
from monitoring.reference import Reference, likeliest, load_reference
from monitoring.sampling import seeded_sample
from monitoring.verdict import Verdict, Window
from tfx_pipeline.validate import model_folder

TARGET = " (target)"


@dataclass(frozen=True)
class Analysed:
    """The report's file and what it says in words."""

    path: Path
    headline: str
    sentences: tuple[str, ...]


def analyse(settings: Settings, contract: Contract, month: int, version: str = "", oracle: bool = False) -> Analysed:
    """Compare a month with the reference of a pushed model, by default the serving one; write the report.

    Raises:
        NotFound: no such version, its export is gone, or the month has no rows; the text says which months have.
        WrongUse: `oracle` without a generator.
    """
    facts = champion_facts(settings, version)
    reference = load_reference(settings, contract, facts.version, ask=_ask_pushed_model)
    if not isinstance(reference, Reference):
        raise NotFound(reference.reason)
    known = with_truth(settings, contract, exported_rows(contract, facts.manifest_path(settings)))
    rows = month_rows(settings, contract, month, oracle)
    labelled = labelled_rows_of(settings, contract, month, oracle)
    found = compare(
        contract, facts.version, month, known, rows.by_month, _verdicts(contract, reference, rows.by_month), labelled,
        _predictions(settings, contract, reference, rows.by_month[month]),
    )  # fmt: skip
    name = f"analysis-{month:03d}-{facts.version}{'-oracle' if oracle else ''}.html"
    path = _write(settings, found, known, rows, labelled, oracle, settings.folder("reports") / name)
    return Analysed(path, headline(found), tuple(sentences(found)))


def _truth_note(settings: Settings, found: Comparison, reference: pd.DataFrame, oracle: bool) -> str:
    contract = found.contract
    told = []
    if contract.month_name(found.month) in set(reference[contract.event_time.column]):
        told.append(
            f"Model {found.model_version} was made from rows of month {found.month} too: in part they are compared "
            "with themselves."
        )
    if found.labelled_rows:
        told.append(whose_truth(settings, contract, found.month, oracle, found.labelled_rows))
    return " ".join(told)


def _verdicts(contract: Contract, reference: Reference, by_month: Mapping[int, pd.DataFrame]) -> dict[int, Verdict]:
    names = list(contract.features)
    return {
        number: judge(
            reference, rows[names], contract, Window(kind="month", rows=len(rows), month=contract.month_name(number))
        )
        for number, rows in by_month.items()
    }


def _predictions(
    settings: Settings, contract: Contract, reference: Reference, rows: pd.DataFrame
) -> tuple[pd.Series, pd.Series] | None:
    """The model's answers on its reference and on the month's rows it may be asked about; None where one is unknown."""
    if reference.predictions is None:
        return None
    sample = seeded_sample(rows[list(contract.features)].dropna())
    allowed = [
        not why_not_ask(contract, {str(key): value for key, value in row.items()}) for row in sample.to_dict("records")
    ]
    if not any(allowed):
        return None
    given = likeliest(contract, _ask_pushed_model(settings, contract, reference.model_version, sample[allowed]))
    return reference.predictions, pd.Series(given, dtype=object).dropna()


def _ask_pushed_model(settings: Settings, contract: Contract, version: str, features: pd.DataFrame) -> np.ndarray:
    """The pushed model in this process: no server need run."""
    return probabilities_of(contract, model_folder(settings, version), features)


def _write(
    settings: Settings,
    found: Comparison,
    reference: pd.DataFrame,
    rows: MonthRows,
    labelled: pd.DataFrame,
    oracle: bool,
    path: Path,
) -> Path:
    contract, label = found.contract, found.contract.label
    months = list(rows.by_month)
    table = dict(found.distances)
    if found.target_distances:
        number = label.column in reference and label.truth.type != "string"
        table[(label.column if number else label.name) + TARGET] = found.target_distances
    return write_page(
        "analysis.html",
        path,
        contract=contract,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        found=found,
        headline=headline(found),
        sentences=sentences(found),
        source=rows.source,
        oracle=oracle,
        truth_note=_truth_note(settings, found, reference, oracle),
        months_note=f"{len(months)} months, {months[0]} to {months[-1]}, from {rows.source}.",
        methods=METHODS,
        table=table,
        own={name: feature.drift.test for name, feature in contract.features.items()},
        target=label.column,
        has_correlation=any(one.correlation is not None for one in found.before),
        pictures={
            "distributions": figures.distributions(contract, reference, rows.by_month[found.month]),
            "months": figures.drift_by_month(contract, found.verdicts, found.month),
            "correlation": figures.correlation(found.before, found.after),
            "explained": figures.explained(found.before, found.after),
            "classes": figures.class_shares(found),
            "truth": figures.truth_distribution(contract, reference, labelled),
        },
    )
