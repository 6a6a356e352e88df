"""Rejected rows as a share by reason, of what each source delivered last."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakeloop.rejected_rows import RejectedRows, newest_rejected_rows
from lakeloop.use_case import UseCase


@pytest.mark.parametrize(
    ("rows", "reasons", "sentence"),
    [
        (15002, {"`fare` is missing": 1100, "`miles` is NaN": 103},
         "1,203 of 15,002 rows (8.0 %) were rejected: `fare` is missing 1,100 (7.3 %), `miles` is NaN 103 (0.7 %)"),
        (20000, {"`fare` is NaN": 1}, "1 of 20,000 rows (under 0.1 %) was rejected: `fare` is NaN 1 (under 0.1 %)"),
        (100, {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5},
         "15 of 100 rows (15.0 %) were rejected: e 5 (5.0 %), d 4 (4.0 %), c 3 (3.0 %) and 2 reasons more"),
        (100, {}, ""),
    ],
)  # fmt: skip
def test_the_share_is_told_by_reason(rows: int, reasons: dict[str, int], sentence: str) -> None:
    assert RejectedRows(rows, reasons).sentence == sentence


def test_only_the_batch_that_a_source_delivered_last_counts(use_case: UseCase) -> None:
    assert newest_rejected_rows(use_case) == ()
    now = datetime.now(UTC)

    def delivery(source: str, file: str, rows: int, batch: int, state: str = "taken") -> dict[str, object]:
        return {"source": source, "file": file, "sha256": "0", "bytes": 1, "rows": rows, "modified_at": now,
                "ingested_at": now, "batch": batch, "state": state, "reason": ""}  # fmt: skip

    delivered = [
        delivery("policies", "a", 100, 1), delivery("policies", "b", 30, 2), delivery("policies", "c", 20, 2),
        delivery("policies", "d", 999, 3, "refused"), delivery("claims", "e", 10, 1), delivery("other", "f", 10, 1),
    ]  # fmt: skip
    write_deltalake(use_case.table("bronze/deliveries"), pa.Table.from_pylist(delivered))
    rejects = [
        *({"source": "policies", "batch": 1, "reason": "old"} for _ in range(9)),
        *({"source": "policies", "batch": 2, "reason": "`age` is missing"} for _ in range(4)),
        {"source": "policies", "batch": 2, "reason": "`age` is NaN"},
        {"source": "requests", "batch": 2, "reason": "`age` is NaN"},
    ]
    write_deltalake(use_case.table("silver/rejects"), pa.Table.from_pylist(rejects))
    policies, claims = newest_rejected_rows(use_case)
    assert (policies.source, policies.rows, policies.reasons) == (
        "policies", 50, {"`age` is missing": 4, "`age` is NaN": 1},
    )  # fmt: skip
    assert policies.share == 0.1
    assert (claims.source, claims.rows, claims.rejected, claims.share) == ("claims", 10, 0, 0.0)
