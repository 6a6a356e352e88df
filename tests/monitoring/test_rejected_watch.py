"""The monitor's own look at rejected rows: followed as deliveries come, told as long as they are too many."""

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakeloop.use_case import UseCase
from monitoring import rejected_watch
from monitoring.exporter import Exporter
from monitoring.live import Snapshot
from monitoring.rejected_watch import RejectedWatch


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejected_watch, "FRESH_SECONDS", 0.0)


def deliver(use_case: UseCase, batch: int, rows: int, rejected: int) -> None:
    came = {"source": "policies", "file": f"{batch}", "rows": rows, "batch": batch, "state": "taken"}
    write_deltalake(use_case.table("bronze/deliveries"), pa.Table.from_pylist([came]), mode="append")
    bad = [{"source": "policies", "batch": batch, "reason": "`age` is missing"}] * rejected
    if bad:
        write_deltalake(use_case.table("silver/rejects"), pa.Table.from_pylist(bad), mode="append")


def test_too_many_rejected_rows_are_an_alert_until_a_delivery_is_good_again(
    use_case: UseCase, caplog: pytest.LogCaptureFixture
) -> None:
    watch = RejectedWatch(use_case)
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


def test_the_share_and_its_limit_are_metrics(use_case: UseCase) -> None:
    watch = RejectedWatch(use_case)
    deliver(use_case, 1, 50, 4)
    snapshot = Snapshot(rejects=watch.newest())
    text = Exporter({"insurance": (use_case.contract, lambda: snapshot)}).text().decode()
    assert 'rejected_share{model_version="",source="policies",use_case="insurance"} 0.08' in text
    assert 'rejected_share_threshold{model_version="",use_case="insurance"} 0.01' in text


def test_tables_that_cannot_be_read_leave_what_was_known(use_case: UseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = RejectedWatch(use_case)
    deliver(use_case, 1, 50, 4)
    known = watch.newest()
    monkeypatch.setattr(rejected_watch, "newest_rejected_rows", lambda _: 1 / 0)
    deliver(use_case, 2, 50, 4)
    assert watch.newest() == known
    assert len(watch.alerts()) == 1
