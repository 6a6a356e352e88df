"""Drift reports of the lake's windows are replaced month by month, those of the live monitor kept; homes of older
releases go on.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from deltalake import write_deltalake

from lakeloop import drift_store
from lakeloop.contract import Contract
from lakeloop.drift_report import ColumnDrift, DriftReport, DriftState, Window, WindowKind
from lakeloop.drift_rows import reports_of, rows_of
from lakeloop.drift_store import add_live_report, lake_reports, replace_lake_reports
from lakeloop.operational_db import drift_episodes, engine
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from tests.live_reports import live_reports


def report(
    month: str = "", version: str = "7", kind: WindowKind = "month", first: str = "", state: DriftState = "stable"
) -> DriftReport:
    age = ColumnDrift(column="age", test="wasserstein", score=0.1 + 0.2, threshold=0.1, drifted=state == "drift")
    unknown = ColumnDrift(column="training", test="psi", score=None, threshold=0.1, drifted=False, note="nothing there")
    return DriftReport(
        use_case="insurance", model_version=version, state=state, features=(unknown, age), share_threshold=0.5,
        window=Window(kind=kind if month else "tumbling", period=month, first=first or f"{month}-01", last="x", rows=9),
        prediction=age.model_copy(update={"column": "prediction"}),
        confidence=age.model_copy(update={"column": "confidence"}), judged_from="hash" if month else "",
    )  # fmt: skip


def add(settings: Settings, *reports: DriftReport) -> list[int]:
    with engine(settings.operational_db).begin() as connection:
        return [add_live_report(connection, one) for one in reports]


def test_lake_windows_come_in_event_order_and_are_replaced_month_by_month(use_case: UseCase) -> None:
    march, april = report("2023-03"), [report("2023-04", "8"), report("2023-04", "7")]
    small = report("2023-03", kind="tumbling", first="2023-03-02")
    replace_lake_reports(use_case, [*april, march], "month", ["2023-03", "2023-04"])
    replace_lake_reports(use_case, [small], "tumbling", ["2023-03"])
    assert lake_reports(use_case) == (march, april[1], april[0])
    assert lake_reports(use_case, version="8") == (april[0],)
    assert lake_reports(use_case, "tumbling") == (small,)
    other = report("2023-04", "9", state="drift")
    replace_lake_reports(use_case, [other], "month", ["2023-04"])
    assert lake_reports(use_case) == (march, other)
    assert lake_reports(use_case, "tumbling") == (small,)


def test_what_the_live_monitor_found_stays_in_the_order_it_looked(settings: Settings, use_case: UseCase) -> None:
    found = [report(first="b"), report(first="a", state="drift"), report(first="a", state="drift")]
    add(settings, *found)
    assert live_reports(use_case) == tuple(found)
    assert lake_reports(use_case) == ()


def test_very_old_live_reports_go_but_for_those_that_opened_an_episode(
    settings: Settings, use_case: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift_store, "MOST_LIVE", 3)
    numbers = add(settings, *(report(first=str(place)) for place in range(3)))
    with engine(settings.operational_db).begin() as connection:
        opened = {"id": "e", "use_case": settings.use_case, "opened_at": "2026", "report_id": numbers[1]}
        connection.execute(drift_episodes.insert().values(**opened))
    add(settings, *(report(first=str(place)) for place in range(3, 8)))
    assert [one.window.first for one in live_reports(use_case)] == ["1", "5", "6", "7"]


def test_rows_of_gold_and_back(contract: Contract) -> None:
    whole = report("2023-03", state="drift")
    none = DriftReport(
        use_case="insurance", model_version="", state="no reference", reason="gone", share_threshold=0.5,
        window=Window(kind="month", period="2023-02", rows=0),
    )  # fmt: skip
    rows = [*rows_of(whole), *rows_of(none)]
    assert [row["column_kind"] for row in rows] == [
        "dataset",
        "feature",
        "feature",
        "prediction",
        "confidence",
        "dataset",
    ]
    assert (rows[0]["score"], rows[-1]["score"]) == (0.5, None)
    assert reports_of(reversed(rows), contract) == [none, whole]


def test_an_older_homes_table_is_taken_in_once_whoever_asks_first(settings: Settings, use_case: UseCase) -> None:
    known = [
        report("2023-02"),
        report("2023-03", state="drift"),
        report("2023-03", kind="tumbling", first="2023-03-09"),
    ]
    rows = pd.DataFrame([row for one in known for row in rows_of(one)])
    folder = Path(settings.area("lake")) / "gold" / settings.use_case / "drift"
    write_deltalake(str(folder), rows.astype({"sampled_rows": float, "standard_error": float}))
    with ThreadPoolExecutor(8) as askers:
        answers = list(askers.map(lambda _: lake_reports(use_case), range(8)))
    assert lake_reports(use_case) == tuple(known[:2]) and lake_reports(use_case, "tumbling") == (known[2],)
    assert answers == [tuple(known[:2])] * 8
    replace_lake_reports(use_case, [], "month", ["2023-02"])
    assert lake_reports(use_case) == (known[1],)


def test_an_older_monitors_files_are_taken_in_once(settings: Settings, use_case: UseCase) -> None:
    folder = Path(settings.area("logs")) / "verdicts" / settings.use_case
    folder.mkdir(parents=True)
    known = [report(first=str(place), state="drift") for place in range(4)]
    lines = [one.model_dump_json(exclude={"share_threshold", "judged_from"}) for one in known]  # it had neither
    (folder / "2026-01-01.jsonl").write_text("\n".join(lines[:3]) + '\n{"half a li')
    (folder / "2026-01-02.jsonl").write_text(lines[3] + "\n")
    for _ in range(2):
        assert [one.window.first for one in live_reports(use_case)] == ["0", "1", "2", "3"]
    add(settings, report(first="4"))
    assert [one.window.first for one in live_reports(use_case)] == ["0", "1", "2", "3", "4"]
