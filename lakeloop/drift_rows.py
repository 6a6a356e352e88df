"""A drift report as rows of gold/drift, and back: a row for the window as a whole, then one a column."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from lakeloop.contract import Contract
from lakeloop.drift_report import ColumnDrift, DriftReport, Window

FEATURE, MISSING, PREDICTION, CONFIDENCE, DATASET = "feature", "missing share", "prediction", "confidence", "dataset"
SHARE = "share of drifted features"
COPIED = ("model_version", "state", "reason", "sampled_rows", "standard_error", "judged_from")
BETWEEN = ", "
WINDOW = tuple(field.alias or name for name, field in Window.model_fields.items())
Row = Mapping[str, Any]
"""Column of gold/drift -> value."""


def rows_of(report: DriftReport) -> list[Row]:
    """The report's rows. The data set's has the share as its score; without columns it is the only one."""
    whole = {
        "column": DATASET, "test": SHARE, "score": report.share if report.features else None,
        "threshold": report.share_threshold, "drifted": report.dataset_drift, "note": "",
    }  # fmt: skip
    parts = [(DATASET, whole), *((FEATURE, column.model_dump()) for column in report.features)]
    parts += [(MISSING, column.model_dump()) for column in report.missing]
    for kind, answers in ((PREDICTION, report.prediction), (CONFIDENCE, report.confidence)):
        if answers is not None:
            parts.append((kind, answers.model_dump()))
    window = report.window
    return [
        {
            **{name: getattr(report, name) for name in COPIED},
            "kind": window.kind, "month": window.period, "first": window.first,
            "last": window.last, "rows": window.rows, "column_kind": kind, **column,
            "drifted_columns": len(report.drifted), "columns": len(report.features),
            "reference": report.reference, "reference_periods": BETWEEN.join(report.reference_periods),
            "reference_rows": report.reference_rows, "reference_note": report.reference_note,
        }
        for kind, column in parts
    ]  # fmt: skip


def reports_of(rows: Iterable[Row], contract: Contract) -> list[DriftReport]:
    """The reports that rows came from, in event order; features in the contract's order."""
    ordered = sorted(rows, key=_window)
    return [_report(list(group), contract) for _, group in groupby(ordered, key=_window)]


def _window(row: Row) -> tuple[str, str, str, str]:
    return row["kind"], row["month"], row["first"], row["model_version"]


def _report(rows: list[Row], contract: Contract) -> DriftReport:
    head = rows[0]
    whole = next((row for row in rows if row["column_kind"] == DATASET), head)
    names = list(contract.features)

    def place(found: ColumnDrift) -> int:
        return names.index(found.column) if found.column in names else len(names)

    return DriftReport(
        use_case=contract.use_case,
        window=Window.model_validate({name: head[name] for name in WINDOW}),
        features=tuple(sorted(_columns(rows, FEATURE), key=place)),
        missing=tuple(sorted(_columns(rows, MISSING), key=place)),
        prediction=next(_columns(rows, PREDICTION), None),
        confidence=next(_columns(rows, CONFIDENCE), None),
        share_threshold=whole["threshold"],
        reference=head.get("reference") or "train",  # a table of an older release has none of these
        reference_periods=tuple(filter(None, (head.get("reference_periods") or "").split(BETWEEN))),
        reference_rows=head.get("reference_rows"),
        reference_note=head.get("reference_note") or "",
        **{name: head[name] for name in COPIED},
    )


def _columns(rows: list[Row], kind: str) -> Iterator[ColumnDrift]:
    for row in rows:
        if row["column_kind"] == kind:
            known = {name: row[name] for name in ColumnDrift.model_fields}
            yield ColumnDrift.model_validate(known | {"threshold": row["threshold"] or 0.0})
