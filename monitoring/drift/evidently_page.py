"""Evidently's own report of one window against its model's reference, as one HTML page that loads nothing."""

import os

import pandas as pd

from lakeloop.contract import Contract
from lakeloop.contract.features import MANY_A_ROW
from lakeloop.exceptions import NotFoundError
from monitoring.drift.reference import PREDICTION, NoReference, Reference
from monitoring.drift.sampling import seeded_sample


def evidently_page(reference: Reference | NoReference, rows: pd.DataFrame, contract: Contract) -> str:
    """The report as HTML, with the contract's own tests and thresholds. `rows` as for `detect_drift`.

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

    # Evidently compares row by row; of the words of a text and the parts of a time it would want one in each.
    tests = {name: feature.drift for name, feature in contract.features.items() if feature.role not in MANY_A_ROW}
    features = list(tests)
    numeric = [name for name, feature in contract.features.items() if feature.role == "numeric"]
    known, sample = reference.features, seeded_sample(rows)
    if reference.predictions is not None and sample[PREDICTION].notna().any():
        tests[PREDICTION] = contract.monitoring.prediction_drift
        known = known.assign(**{PREDICTION: _as_long(reference.predictions, len(known))})
    columns = list(tests)
    definition = DataDefinition(
        numerical_columns=numeric, categorical_columns=[name for name in columns if name not in numeric]
    )
    report = Report(
        [
            DriftedColumnsCount(
                columns=features,
                drift_share=contract.monitoring.dataset_drift_share,
                per_column_method={name: test.test for name, test in tests.items()},
                per_column_threshold={name: test.threshold for name, test in tests.items()},
            ),
            *(ValueDrift(column=name, method=test.test, threshold=test.threshold) for name, test in tests.items()),
        ]
    )
    current, before = (
        Dataset.from_pandas(_typed(frame[columns], numeric), data_definition=definition) for frame in (sample, known)
    )
    page: str = report.run(current, before).get_html_str(as_iframe=False)
    return page


def _typed(frame: pd.DataFrame, numeric: list[str]) -> pd.DataFrame:
    """Categories as text, like the drift tests take them, so that 1 and 1.0 are the same."""
    columns = {str(name): frame[name] for name in frame}
    return pd.DataFrame(
        {
            name: values.astype(float) if name in numeric else values.map(_text).astype(object)
            for name, values in columns.items()
        }
    )


def _text(value: object) -> str | None:
    if value is None or value != value:
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _as_long(values: pd.Series, rows: int) -> pd.Series:
    """The reference's answers beside its rows; what was not asked about is empty."""
    return values.reset_index(drop=True).reindex(range(rows))
