"""Feeds the answered requests of the lake to drift detection, period by period of event time, and keeps the reports.

Each window is measured against the rows of the model that answered it; `monitoring.drift.attribution` says whose a
request is. Requests of a period that no model was asked in belong to the one that serves now. The reports go into the
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

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from lakehouse.gold.drift import write_drift
from lakehouse.storage.layout import PREDICTIONS_TABLE
from lakeloop.contract import Contract
from lakeloop.drift_report import DriftReport, Window, WindowKind
from lakeloop.drift_store import lake_reports, replace_lake_reports
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.pushed_models import serving_version_if_any
from lakeloop.threshold import Threshold
from lakeloop.use_case import UseCase
from monitoring.drift.attribution import VERSION, columns_of, requests_of_version, rows_of_version, version_of_unasked
from monitoring.drift.detector import detect_drift
from monitoring.drift.episodes import Episode, episodes
from monitoring.drift.reference import NoReference
from monitoring.drift.windows import Cut, tumbling, window_of
from operations.drift.references import PeriodShare, References

log = logging.getLogger(__name__)
MOST_ROWS = 1_000_000
"""Rows taken out of the lake at once; a period with more is sampled there."""


@dataclass(frozen=True)
class DetectedDrift:
    """All windows asked for, in event order, and how many of them were measured now; the others were known already."""

    reports: tuple[DriftReport, ...]
    episodes: tuple[Episode, ...]
    measured: int


def detect_windows(
    use_case: UseCase,
    periods: tuple[int, int] | None = None,
    kind: WindowKind = "month",
    model: str = "",
    on_period: Callable[[str], None] = lambda period: None,
) -> DetectedDrift:
    """Measure the windows that are new or changed, keep the reports, and give those of all windows asked for.

    `kind` period: one window a period; tumbling: windows of the contract's size within each period. With `model` all
    requests are measured against that version whoever answered them, and nothing is written.

    Raises:
        NotFoundError: no request was answered (in these periods) yet; the text says what to do.
    """
    contract = use_case.contract
    dataset = _predictions(use_case, periods)
    shares = _shares(dataset, use_case, model)
    if not shares:
        raise NotFoundError(nothing_answered(contract, periods))
    known = () if model else lake_reports(use_case, kind)
    stale: set[str] = set()
    fresh: list[DriftReport] = []
    references = References(use_case, _all_shares(use_case, shares, periods, model), lake_reports(use_case))
    for together in references.known_together(shares):
        basis = {share: _basis(share, references, contract, kind) for share in together}
        anew = _stale_periods(basis, known)
        stale |= anew
        wanted = [share for share in together if share.period in anew]
        for share, window, rows in _windows(dataset, contract, wanted, kind, model, references):
            on_period(share.period)
            fresh.append(detect_drift(references.of(share), rows, contract, window, basis[share]))
            references.learn(fresh[-1])
    if not model:
        replace_lake_reports(use_case, fresh, kind, stale)
        write_drift(use_case, lake_reports(use_case, kind), kind)
    kept = [report for report in known if report.window.period in {share.period for share in shares} - stale]
    reports = sorted([*kept, *fresh], key=lambda one: (one.window.period, one.window.first, one.model_version))
    log.info("event=drift_measured kind=%s windows=%d of=%d", kind, len(fresh), len(reports))
    return DetectedDrift(tuple(reports), tuple(episodes(reports, contract.monitoring.episode_closes_after)), len(fresh))


def _windows(
    dataset: ds.Dataset,
    contract: Contract,
    shares: Sequence[PeriodShare],
    kind: WindowKind,
    model: str,
    references: References,
) -> Iterator[tuple[PeriodShare, Window, pd.DataFrame]]:
    """Every share's windows and their rows, as many periods read together as fit."""
    for group in _groups(shares):
        frame = _read(dataset, contract, group)
        for share in group:
            taken = _rows_of(frame, contract, share, model, references.trained(share.version).threshold)
            for window, rows in _cut(taken, contract, kind, share):
                yield share, window, rows


def _predictions(use_case: UseCase, periods: tuple[int, int] | None) -> ds.Dataset:
    contract = use_case.contract
    found = open_lake_table(use_case, PREDICTIONS_TABLE)
    if found is None:
        raise NotFoundError(nothing_answered(contract, periods))
    dataset = dataset_of(found)
    if periods is not None:
        period = ds.field(contract.period_column)
        first, last = (contract.period_name(number) for number in periods)
        dataset = dataset.filter((period >= first) & (period <= last))
    return dataset


def nothing_answered(contract: Contract, periods: tuple[int, int] | None = None) -> str:
    """What is told where there is no request to measure, with what to do."""
    first, last = periods or (0, 0)
    period = contract.period
    during = "" if periods is None else f" in {period} {first}" if first == last else f" in {period}s {first} to {last}"
    played = "" if contract.clock == "wall" else " (`lakeloop simulate --periods 1-36`)"
    return (
        f"no request of use case {contract.use_case} was answered{during} yet: ask some through the gateway{played} "
        "and bring them in with `lakeloop lake stream`"
    )


def _shares(dataset: ds.Dataset, use_case: UseCase, model: str) -> list[PeriodShare]:
    """Who is measured against whom, period by period, from three columns of the table, a piece at a time."""
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
    serving = cache(lambda: serving_version_if_any(use_case))  # asked of the model server, and often not needed
    return [
        share
        for period, group in groupby(rows, key=lambda row: str(row[0]))
        for share in _period_shares(period, [row[1:] for row in group], serving, model)
    ]


def _period_shares(
    period: str, counted: Sequence[tuple[str | None, int, int]], serving: Callable[[], str], model: str
) -> Iterator[PeriodShare]:
    """`counted`: (version or None, rows, last batch). `serving` gives the version that serves."""
    if model:
        total = sum(rows for _, rows, _ in counted)
        unasked = sum(rows for version, rows, _ in counted if version != model)
        yield PeriodShare(period, model, total, unasked, max(batch for *_, batch in counted))
        return
    by_version = {version: (rows, batch) for version, rows, batch in counted if version is not None}
    alone = next(((rows, batch) for version, rows, batch in counted if version is None), (0, 0))
    if not by_version:
        by_version = {serving(): (0, 0)}
    most = version_of_unasked({version: rows for version, (rows, _) in by_version.items()})
    for version, (rows, batch) in sorted(by_version.items()):
        unasked, unasked_batch = alone if version == most else (0, 0)
        yield PeriodShare(period, version, rows + unasked, unasked, max(batch, unasked_batch))


def _all_shares(
    use_case: UseCase, shares: list[PeriodShare], periods: tuple[int, int] | None, model: str
) -> list[PeriodShare]:
    """Those of all periods, where the ones before these are measured against."""
    if periods is None or use_case.contract.monitoring.reference == "train":
        return shares
    return _shares(_predictions(use_case, None), use_case, model)


def _basis(share: PeriodShare, references: References, contract: Contract, kind: WindowKind) -> str:
    """A hash of all that a period's reports depend on."""
    trained = references.trained(share.version)
    if isinstance(trained, NoReference):
        against: list[Any] = [trained.reason]
    else:
        against = [trained.manifest_sha256, trained.predictions is not None, *references.chosen_of(share)]
    tests = {
        name: feature.drift.model_dump()
        | ({"missing": True} if feature.optional else {})
        | ({"parts": feature.parts} if feature.parts else {})
        for name, feature in contract.features.items()
    }
    watched = contract.monitoring.model_dump()
    text = json.dumps([kind, share.__dict__, against, tests, watched], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stale_periods(basis: dict[PeriodShare, str], known: Sequence[DriftReport]) -> set[str]:
    """Periods whose windows were not measured yet, or from something else."""
    there: dict[str, set[tuple[str, str]]] = {}
    for report in known:
        there.setdefault(report.window.period, set()).add((report.model_version, report.judged_from))
    wanted: dict[str, set[tuple[str, str]]] = {}
    for share, judged_from in basis.items():
        wanted.setdefault(share.period, set()).add((share.version, judged_from))
    return {period for period, now in wanted.items() if there.get(period) != now}


def _groups(shares: Sequence[PeriodShare]) -> Iterator[list[PeriodShare]]:
    """Whole periods that are read together: as many as fit."""
    group: list[PeriodShare] = []
    for _, period in groupby(shares, key=lambda share: share.period):
        of_period = list(period)
        if group and sum(share.rows for share in [*group, *of_period]) > MOST_ROWS:
            yield group
            group = []
        group += of_period
    if group:
        yield group


def _read(dataset: ds.Dataset, contract: Contract, group: Sequence[PeriodShare]) -> pd.DataFrame:
    """The columns that windows are measured by: event time, features, answers, version."""
    columns, rows = columns_of(contract), sum(share.rows for share in group)
    wanted = ds.field(contract.period_column).isin(sorted({share.period for share in group}))
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


def _rows_of(
    frame: pd.DataFrame, contract: Contract, share: PeriodShare, model: str, threshold: Threshold | None
) -> pd.DataFrame:
    """The share's rows, with what its model answered; None where it was not asked."""
    period = frame[frame[contract.period_column] == share.period]
    taken = period if model else requests_of_version(period, share.version, share.unasked > 0)
    return rows_of_version(taken, contract, share.version, threshold)


def _cut(rows: pd.DataFrame, contract: Contract, kind: WindowKind, share: PeriodShare) -> Iterator[Cut]:
    """The period as one window, or in windows of the contract's size; a rest too small for one joins the one before."""
    if kind == "month":
        yield window_of(rows, "month", share.period, share.rows), rows
        return
    cuts = [part for _, part in tumbling(rows, contract.monitoring.window)]
    if len(cuts) > 1 and len(cuts[-1]) < contract.monitoring.fewest:
        cuts[-2:] = [pd.concat(cuts[-2:])]
    for part in cuts:
        yield window_of(part, "tumbling", share.period), part
