"""Evidently's own report of one window against its model's reference, as one HTML page that loads nothing."""

import os
from typing import TYPE_CHECKING

import pandas as pd

from lakeloop.contract import Contract
from lakeloop.exceptions import NotFoundError
from monitoring.drift.compared_values import compared_columns
from monitoring.drift.reference import NoReference, Reference
from monitoring.drift.sampling import SAMPLE_ROWS, seeded_sample
from monitoring.drift.watched_answers import PREDICTION, watched_answers

if TYPE_CHECKING:
    from evidently.core.report import Snapshot


def evidently_page(reference: Reference | NoReference, rows: pd.DataFrame, contract: Contract) -> str:
    """The report as HTML. Raises NotFoundError as `compared_by_evidently` does."""
    page: str = compared_by_evidently(reference, rows, contract).get_html_str(as_iframe=False)
    return page


def compared_by_evidently(reference: Reference | NoReference, rows: pd.DataFrame, contract: Contract) -> "Snapshot":
    """What Evidently finds by the contract's own tests and thresholds. `rows` as for `detect_drift`.

    What is compared is what `detect_drift` compares: of a time its parts, of a text its words. A column without a value
    in the window or in the reference is left out, for there is nothing to compare.

    Raises:
        NotFoundError: there is no reference, or no row to compare with it.
    """
    if isinstance(reference, NoReference):
        raise NotFoundError(reference.reason)
    if rows.empty:
        raise NotFoundError("the window has no request yet; `lakeloop simulate` sends some")
    os.environ.setdefault("DO_NOT_TRACK", "1")  # read when Evidently is imported
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import DriftedColumnsCount, ValueDrift

    sample = seeded_sample(rows)
    compared = {name: compared_columns(contract, name, reference.features, sample) for name in contract.features}
    tests = {name: feature.drift for name, feature in contract.features.items()}
    if reference.predictions is not None:
        compared[PREDICTION] = reference.predictions, sample[PREDICTION]
        tests[PREDICTION] = contract.monitoring.prediction_drift
    tests = {name: test for name, test in tests.items() if all(part.notna().any() for part in compared[name])}
    numeric = [name for name in tests if name != PREDICTION and contract.features[name].role == "numeric"]
    if PREDICTION in tests and watched_answers(contract).numeric:
        numeric.append(PREDICTION)
    definition = DataDefinition(
        numerical_columns=numeric, categorical_columns=[name for name in tests if name not in numeric]
    )
    before, now = (
        Dataset.from_pandas(_side_by_side({name: compared[name][place] for name in tests}, numeric, rows), definition)
        for place, rows in enumerate((len(reference.features), len(sample)))
    )
    report = Report(
        [
            DriftedColumnsCount(
                columns=[name for name in tests if name != PREDICTION],
                drift_share=contract.monitoring.dataset_drift_share,
                per_column_method={name: test.test for name, test in tests.items()},
                per_column_threshold={name: test.threshold for name, test in tests.items()},
            ),
            *(ValueDrift(column=name, method=test.test, threshold=test.threshold) for name, test in tests.items()),
        ]
    )
    return report.run(now, before)


def _side_by_side(columns: dict[str, pd.Series], numeric: list[str], rows: int) -> pd.DataFrame:
    """Columns of different lengths as one frame, the shorter ones filled up with gaps, which Evidently leaves out.

    Categories are texts, as the drift tests take them, so that 1 and 1.0 are the same. Of very many words or parts a
    sample is taken, so that the frame is no longer than the rows or the largest sample of them.
    """
    most = max(rows, SAMPLE_ROWS)
    typed = {
        name: values.astype(float) if name in numeric else values.map(_text).astype(object)
        for name, values in columns.items()
    }
    return pd.DataFrame({name: seeded_sample(values, most).reset_index(drop=True) for name, values in typed.items()})


def _text(value: object) -> str | None:
    if value is None or value != value:
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
