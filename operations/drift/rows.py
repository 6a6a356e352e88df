"""Verdicts as rows of gold/drift, and back."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from lakeloop.contract import Contract
from lakeloop.drift_row import DATASET, FEATURE, PREDICTION, DriftRow
from monitoring.verdict import ColumnDrift, Verdict, Window

SHARE = "share of drifted features"


def rows_of(verdict: Verdict, contract: Contract, judged_from: str) -> list[DriftRow]:
    """A row for the window as a whole, then one a feature and one for the prediction, as far as they were judged."""
    whole = ColumnDrift(
        column=DATASET,
        test=SHARE,
        score=verdict.share if verdict.features else None,
        threshold=contract.monitoring.dataset_drift_share,
        drifted=verdict.dataset_drift,
    )
    parts = [(DATASET, whole), *((FEATURE, column) for column in verdict.features)]
    if verdict.prediction is not None:
        parts.append((PREDICTION, verdict.prediction))
    window = verdict.window
    return [
        DriftRow(
            model_version=verdict.model_version,
            kind=window.kind,
            month=window.month,
            first=window.first,
            last=window.last,
            rows=window.rows,
            column_kind=kind,  # type: ignore[arg-type]
            column=column.column,
            test=column.test,
            score=column.score,
            threshold=column.threshold,
            drifted=column.drifted,
            note=column.note,
            state=verdict.state,
            reason=verdict.reason,
            drifted_columns=len(verdict.drifted),
            columns=len(verdict.features),
            sampled_rows=verdict.sampled_rows,
            standard_error=verdict.standard_error,
            judged_from=judged_from,
        )
        for kind, column in parts
    ]


def verdicts_of(rows: Iterable[DriftRow], contract: Contract) -> list[Verdict]:
    """The verdicts that rows of gold/drift came from, in event order; features in the contract's order."""
    ordered = sorted(rows, key=_window)
    return [_verdict(list(group), contract) for _, group in groupby(ordered, key=_window)]


def _window(row: DriftRow) -> tuple[str, str, str]:
    return row.month, row.first, row.model_version


def _verdict(rows: list[DriftRow], contract: Contract) -> Verdict:
    head = rows[0]
    window = {"kind": head.kind, "first": head.first, "last": head.last, "rows": head.rows, "month": head.month}
    return Verdict(
        use_case=contract.use_case,
        model_version=head.model_version,
        window=Window.model_validate(window),
        state=head.state,  # type: ignore[arg-type]
        reason=head.reason,
        features=tuple(sorted(_columns(rows, FEATURE), key=lambda column: _position(contract, column.column))),
        prediction=next(_columns(rows, PREDICTION), None),
        sampled_rows=head.sampled_rows,
        standard_error=head.standard_error,
    )


def _columns(rows: Iterable[DriftRow], kind: str) -> Iterator[ColumnDrift]:
    for row in rows:
        if row.column_kind == kind:
            yield ColumnDrift(
                column=row.column, test=row.test, score=row.score, threshold=row.threshold or 0.0,
                drifted=row.drifted, note=row.note,
            )  # fmt: skip


def _position(contract: Contract, name: str) -> int:
    names = list(contract.features)
    return names.index(name) if name in names else len(names)
