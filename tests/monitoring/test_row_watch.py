"""The monitor's own look at rows that do not reach gold: followed as deliveries come, told while they are too many."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakeloop.clock import set_clock
from lakeloop.use_case import UseCase
from monitoring import row_watch
from monitoring.exporter import Exporter
from monitoring.live import Snapshot
from monitoring.row_watch import OVERDUE, REJECTED, RowWatch
from tests.weather_rides import weather_use_case


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_watch, "FRESH_SECONDS", 0.0)


def deliver(use_case: UseCase, batch: int, rows: int, rejected: int) -> None:
    came = {"source": "policies", "file": f"{batch}", "rows": rows, "batch": batch, "state": "taken"}
    write_deltalake(use_case.table("bronze/deliveries"), pa.Table.from_pylist([came]), mode="append")
    bad = [{"source": "policies", "batch": batch, "reason": "`age` is missing"}] * rejected
    if bad:
        write_deltalake(use_case.table("silver/rejects"), pa.Table.from_pylist(bad), mode="append")


def test_too_many_rejected_rows_are_an_alert_until_a_delivery_is_good_again(
    use_case: UseCase, caplog: pytest.LogCaptureFixture
) -> None:
    watch = RowWatch(use_case, REJECTED)
    assert (watch.newest(), watch.alerts()) == ((), [])
    deliver(use_case, 1, 100, 1)
    assert [one.share for one in watch.newest()] == [0.01]
    assert watch.alerts() == []
    deliver(use_case, 2, 100, 8)
    watch.newest()
    (alert,) = watch.alerts()
    assert alert["labels"] == {
        "alertname": "LakeloopRejectedRows", "use_case": "insurance", "source": "policies", "severity": "warning",
    }  # fmt: skip
    assert alert["annotations"]["summary"] == (
        "insurance: of what policies delivered last, 8 of 100 rows (8.0 %) were rejected: `age` is missing 8 (8.0 %)"
    )
    deliver(use_case, 3, 100, 9)
    watch.newest()
    assert [again["startsAt"] for again in watch.alerts()] == [alert["startsAt"]]
    assert [record.message.split()[0] for record in caplog.records] == ["event=rejected_rows"]
    deliver(use_case, 4, 100, 0)
    watch.newest()
    assert watch.alerts() == []


def test_rows_that_wait_in_vain_are_an_alert_when_the_clock_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    use_case = weather_use_case(tmp_path, "areas")
    watch = RowWatch(use_case, OVERDUE)
    waits = [{"ride": f"r{n}", "period": "2024-01-02", "waits_for": "areas"} for n in range(3)]
    write_deltalake(use_case.table("silver/waiting"), pa.Table.from_pylist(waits))
    assert [(one.waiting, one.share) for one in watch.newest()] == [(3, 0.0)]
    assert watch.alerts() == []
    set_clock(use_case, 1)
    snapshot = Snapshot(waiting=watch.newest())
    (alert,) = watch.alerts()
    assert alert["labels"]["alertname"] == "LakeloopOverdueRows" and alert["labels"]["source"] == "areas"
    assert alert["annotations"]["summary"].endswith("; overdue for 3 of them (100.0 % of the rows of 2024-01-02)")
    assert [record.message.split()[0] for record in caplog.records] == ["event=overdue_rows"]
    text = Exporter({"rides": (use_case.contract, lambda: snapshot)}).text().decode()
    assert 'overdue_share{model_version="",source="areas",use_case="rides"} 1.0' in text
    assert 'overdue_share_threshold{model_version="",use_case="rides"} 0.01' in text


def test_the_share_and_its_limit_are_metrics(use_case: UseCase) -> None:
    watch = RowWatch(use_case, REJECTED)
    deliver(use_case, 1, 50, 4)
    snapshot = Snapshot(rejects=watch.newest())
    text = Exporter({"insurance": (use_case.contract, lambda: snapshot)}).text().decode()
    assert 'rejected_share{model_version="",source="policies",use_case="insurance"} 0.08' in text
    assert 'rejected_share_threshold{model_version="",use_case="insurance"} 0.01' in text


def test_tables_that_cannot_be_read_leave_what_was_known(use_case: UseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = RowWatch(use_case, REJECTED)
    deliver(use_case, 1, 50, 4)
    known = watch.newest()
    monkeypatch.setattr(row_watch, "newest_rejected_rows", lambda _: 1 / 0)
    deliver(use_case, 2, 50, 4)
    assert watch.newest() == known
    assert len(watch.alerts()) == 1
