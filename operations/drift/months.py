"""Feeds the answered requests of the lake to drift detection, month by month of event time, and keeps the reports.

Each window is measured against the rows of the model that answered it; `monitoring.drift.attribution` says whose a
request is. Requests of a month that no model was asked in belong to the one that serves now. The reports go into the
store (`lakeloop.drift_store`), and from there into gold/drift.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from lakehouse.gold.drift import write_drift
from lakeloop.champion import serving_version
from lakeloop.contract import Contract
from lakeloop.drift_report import DriftReport, Window, WindowKind
from lakeloop.drift_store import lake_reports, replace_lake_reports
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.model_input import model_columns
from lakeloop.use_case import UseCase
from monitoring.drift.attribution import VERSION, columns_of, requests_of_version, rows_of_version, version_of_unasked
from monitoring.drift.detector import detect_drift
from monitoring.drift.episodes import Episode, episodes
from monitoring.drift.reference import NoReference, Reference, load_reference, through_model_server
from monitoring.drift.windows import Cut, tumbling, window_of
from monitoring.exceptions import ModelNotAskedError
from operations.drift.windows import PREDICTIONS

log = logging.getLogger(__name__)
MOST_ROWS = 1_000_000
"""Rows taken out of the lake at once; a month with more is sampled there."""


@dataclass(frozen=True)
class DetectedDrift:
    """All windows asked for, in event order, and how many of them were measured now; the others were known already."""

    reports: tuple[DriftReport, ...]
    episodes: tuple[Episode, ...]
    measured: int


@dataclass(frozen=True)
class MonthShare:
    """The requests of one month that are measured against one version; `unasked`: those that rules answered alone."""

    month: str
    version: str
    rows: int
    unasked: int
    last_batch: int


def detect_windows(
    use_case: UseCase,
    months: tuple[int, int] | None = None,
    kind: WindowKind = "month",
    model: str = "",
    on_month: Callable[[str], None] = lambda month: None,
) -> DetectedDrift:
    """Measure the windows that are new or changed, keep the reports, and give those of all windows asked for.

    `kind` month: one window a month; tumbling: windows of the contract's size within each month. With `model` all
    requests are measured against that version whoever answered them, and nothing is written.

    Raises:
        NotFoundError: no request was answered (in these months) yet; the text says what to do.
    """
    contract = use_case.contract
    dataset = _predictions(use_case, months)
    shares = _shares(dataset, use_case, model)
    if not shares:
        raise NotFoundError(nothing_answered(contract, months))
    references: dict[str, Reference | NoReference] = {}
    for version in dict.fromkeys(share.version for share in shares):
        references[version] = _reference(use_case, version)
    basis = {share: _basis(share, references[share.version], contract, kind) for share in shares}
    known = () if model else lake_reports(use_case, kind)
    stale = _stale_months(basis, known)
    fresh: list[DriftReport] = []
    for share, window, rows in _windows(dataset, contract, [s for s in shares if s.month in stale], kind, model):
        on_month(share.month)
        fresh.append(detect_drift(references[share.version], rows, contract, window, basis[share]))
    if not model:
        replace_lake_reports(use_case, fresh, kind, stale)
        write_drift(use_case, lake_reports(use_case, kind), kind)
    wanted = {share.month for share in shares}
    kept = [report for report in known if report.window.month in wanted - stale]
    reports = sorted([*kept, *fresh], key=lambda one: (one.window.month, one.window.first, one.model_version))
    log.info("event=drift_measured kind=%s windows=%d of=%d", kind, len(fresh), len(reports))
    return DetectedDrift(tuple(reports), tuple(episodes(reports, contract.monitoring.episode_closes_after)), len(fresh))


def _windows(
    dataset: ds.Dataset, contract: Contract, shares: Sequence[MonthShare], kind: WindowKind, model: str
) -> Iterator[tuple[MonthShare, Window, pd.DataFrame]]:
    """Every share's windows and their rows, as many months read together as fit."""
    for group in _groups(shares):
        frame = _read(dataset, contract, group)
        for share in group:
            for window, rows in _cut(_rows_of(frame, contract, share, model), contract, kind, share):
                yield share, window, rows


def _predictions(use_case: UseCase, months: tuple[int, int] | None) -> ds.Dataset:
    contract = use_case.contract
    found = open_lake_table(use_case, PREDICTIONS)
    if found is None:
        raise NotFoundError(nothing_answered(contract, months))
    dataset = dataset_of(found)
    if months is not None:
        month = ds.field(contract.period_column)
        first, last = (contract.period_name(number) for number in months)
        dataset = dataset.filter((month >= first) & (month <= last))
    return dataset


def nothing_answered(contract: Contract, months: tuple[int, int] | None = None) -> str:
    """What is told where there is no request to measure, with what to do."""
    first, last = months or (0, 0)
    period = contract.period
    during = "" if months is None else f" in {period} {first}" if first == last else f" in {period}s {first} to {last}"
    return (
        f"no request of use case {contract.use_case} was answered{during} yet: ask some through the gateway "
        "(`lakeloop simulate --periods 1-36`) and bring them in with `lakeloop lake stream`"
    )


def _shares(dataset: ds.Dataset, use_case: UseCase, model: str) -> list[MonthShare]:
    """Who is measured against whom, month by month, from three columns of the table, a piece at a time."""
    by = [use_case.contract.period_column, VERSION]
    parts = [
        pa.Table.from_batches([batch]).group_by(by).aggregate([([], "count_all"), ("_batch", "max")])
        for batch in dataset.to_batches(columns=[*by, "_batch"])
    ]
    if not parts:
        return []
    counted = pa.concat_tables(parts).group_by(by).aggregate([("count_all", "sum"), ("_batch_max", "max")])
    columns = [counted[name].to_pylist() for name in (*by, "count_all_sum", "_batch_max_max")]
    rows = sorted(zip(*columns, strict=True), key=lambda row: str(row[0]))
    serving = cache(lambda: _serving(use_case))  # asked of the model server, and often not needed
    return [
        share
        for month, group in groupby(rows, key=lambda row: str(row[0]))
        for share in _month_shares(month, [row[1:] for row in group], serving, model)
    ]


def _month_shares(
    month: str, counted: Sequence[tuple[str | None, int, int]], serving: Callable[[], str], model: str
) -> Iterator[MonthShare]:
    """`counted`: (version or None, rows, last batch). `serving` gives the version that serves."""
    if model:
        total = sum(rows for _, rows, _ in counted)
        unasked = sum(rows for version, rows, _ in counted if version != model)
        yield MonthShare(month, model, total, unasked, max(batch for *_, batch in counted))
        return
    by_version = {version: (rows, batch) for version, rows, batch in counted if version is not None}
    alone = next(((rows, batch) for version, rows, batch in counted if version is None), (0, 0))
    if not by_version:
        by_version = {serving(): (0, 0)}
    most = version_of_unasked({version: rows for version, (rows, _) in by_version.items()})
    for version, (rows, batch) in sorted(by_version.items()):
        unasked, unasked_batch = alone if version == most else (0, 0)
        yield MonthShare(month, version, rows + unasked, unasked, max(batch, unasked_batch))


def _serving(use_case: UseCase) -> str:
    """The version that serves; '' where there is none, which then is the reason not to measure."""
    try:
        return serving_version(use_case)
    except NotFoundError:
        return ""


def _reference(use_case: UseCase, version: str) -> Reference | NoReference:
    if not version:
        return NoReference("", "rules answered all requests and no model was pushed yet, so there is no reference")
    return load_reference(use_case, version, ask_model)


def ask_model(use_case: UseCase, version: str, features: pd.DataFrame) -> np.ndarray:
    """The model server's answers; of a version it does not serve any more, those of the pushed model itself."""
    contract = use_case.contract
    try:
        return through_model_server(use_case, version, features)
    except ModelNotAskedError as away:
        log.info("event=asked_from_disk version=%s why=%r", version, str(away))
    from operations.scoring import loaded_model

    served = loaded_model(str(use_case.folder("models").absolute() / version))
    from tfx_pipeline.evaluation.prediction import predict_columns

    return predict_columns(served, model_columns(contract.features, features))


def _basis(share: MonthShare, reference: Reference | NoReference, contract: Contract, kind: WindowKind) -> str:
    """A hash of all that a month's reports depend on."""
    if isinstance(reference, NoReference):
        against: list[Any] = [reference.reason]
    else:
        against = [reference.manifest_sha256, reference.predictions is not None]
    tests = {
        name: feature.drift.model_dump() | ({"missing": True} if feature.optional else {})
        for name, feature in contract.features.items()
    }
    watched = contract.monitoring.model_dump()
    text = json.dumps([kind, share.__dict__, against, tests, watched], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stale_months(basis: dict[MonthShare, str], known: Sequence[DriftReport]) -> set[str]:
    """Months whose windows were not measured yet, or from something else."""
    there: dict[str, set[tuple[str, str]]] = {}
    for report in known:
        there.setdefault(report.window.month, set()).add((report.model_version, report.judged_from))
    wanted: dict[str, set[tuple[str, str]]] = {}
    for share, judged_from in basis.items():
        wanted.setdefault(share.month, set()).add((share.version, judged_from))
    return {month for month, now in wanted.items() if there.get(month) != now}


def _groups(shares: Sequence[MonthShare]) -> Iterator[list[MonthShare]]:
    """Whole months that are read together: as many as fit."""
    group: list[MonthShare] = []
    for _, month in groupby(shares, key=lambda share: share.month):
        of_month = list(month)
        if group and sum(share.rows for share in [*group, *of_month]) > MOST_ROWS:
            yield group
            group = []
        group += of_month
    if group:
        yield group


def _read(dataset: ds.Dataset, contract: Contract, group: Sequence[MonthShare]) -> pd.DataFrame:
    """The columns that windows are measured by: event time, features, probabilities, version."""
    columns, rows = columns_of(contract), sum(share.rows for share in group)
    wanted = ds.field(contract.period_column).isin(sorted({share.month for share in group}))
    if rows <= MOST_ROWS:
        frame: pd.DataFrame = dataset.to_table(columns=columns, filter=wanted).to_pandas()
        return frame
    parts = [
        batch.filter(_taken(batch["request_id"], 1000 * MOST_ROWS // rows))
        for batch in dataset.to_batches(columns=[*columns, "request_id"], filter=wanted)
    ]
    sampled: pd.DataFrame = pa.Table.from_batches(parts).select(columns).to_pandas()
    return sampled


def _taken(request_ids: pa.Array, in_a_thousand: int) -> pa.Array:
    """The same requests each time, whatever else is there: by a hash of their ids."""
    hashes = pd.util.hash_array(request_ids.to_numpy(zero_copy_only=False), categorize=False)
    return pa.array(hashes % 1000 < in_a_thousand)


def _rows_of(frame: pd.DataFrame, contract: Contract, share: MonthShare, model: str) -> pd.DataFrame:
    """The share's rows, with the class its model thought likeliest; None where it was not asked."""
    month = frame[frame[contract.period_column] == share.month]
    taken = month if model else requests_of_version(month, share.version, share.unasked > 0)
    return rows_of_version(taken, contract, share.version)


def _cut(rows: pd.DataFrame, contract: Contract, kind: WindowKind, share: MonthShare) -> Iterator[Cut]:
    """The month as one window, or in windows of the contract's size; a rest too small for one joins the one before."""
    if kind == "month":
        yield window_of(rows, "month", share.month, share.rows), rows
        return
    cuts = [part for _, part in tumbling(rows, contract.monitoring.window)]
    if len(cuts) > 1 and len(cuts[-1]) < contract.monitoring.fewest:
        cuts[-2:] = [pd.concat(cuts[-2:])]
    for part in cuts:
        yield window_of(part, "tumbling", share.month), part
