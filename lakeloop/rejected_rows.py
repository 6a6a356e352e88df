"""How many delivered rows were put aside, and why: from the lake's own tables, without Spark."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lakeloop.lake_tables import dataset_of, open_lake_table, read_lake_records
from lakeloop.use_case import UseCase

DELIVERIES, REJECTS = "bronze/deliveries", "silver/rejects"
SHOWN = 3


@dataclass(frozen=True)
class RejectedRows:
    """Of `rows` that were delivered (of a source, or of all: ''), those put aside, by `reasons` (sentence -> rows)."""

    rows: int
    reasons: Mapping[str, int]
    source: str = ""

    @property
    def rejected(self) -> int:
        """Rows put aside."""
        return sum(self.reasons.values())

    @property
    def share(self) -> float:
        """Rejected / delivered, 0 to 1."""
        return self.rejected / self.rows if self.rows else 0.0

    @property
    def sentence(self) -> str:
        """E.g. `1,203 of 15,002 rows (8.0 %) were rejected: `fare` is missing 1,100 (7.3 %), …`; '' for none."""
        if not self.rejected:
            return ""
        most = Counter(self.reasons).most_common(SHOWN)
        listed = ", ".join(f"{reason} {count:,} ({_percent(count, self.rows)})" for reason, count in most)
        others = f" and {len(self.reasons) - SHOWN:,} reasons more" if len(self.reasons) > SHOWN else ""
        verb = "was" if self.rejected == 1 else "were"
        whole = f"{self.rejected:,} of {self.rows:,} rows ({_percent(self.rejected, self.rows)})"
        return f"{whole} {verb} rejected: {listed}{others}"


def newest_rejected_rows(use_case: UseCase) -> tuple[RejectedRows, ...]:
    """Of each source that delivered rows what came of those of its last batch, in the order of the contract."""
    rows: dict[str, Counter[int]] = {source: Counter() for source in use_case.contract.sources}
    for delivery in read_lake_records(use_case, DELIVERIES, [("state", "==", "taken")]):
        if delivery["source"] in rows and delivery["rows"]:
            rows[delivery["source"]][delivery["batch"]] += delivery["rows"]
    newest = {source: max(batches) for source, batches in rows.items() if batches}
    reasons = _reasons(use_case, newest)
    return tuple(RejectedRows(rows[source][batch], reasons[source], source) for source, batch in newest.items())


def _reasons(use_case: UseCase, newest: Mapping[str, int]) -> Mapping[str, Mapping[str, int]]:
    """Source -> reason -> rows that were rejected of its batch."""
    import pyarrow.dataset as ds

    table = open_lake_table(use_case, REJECTS)
    found: dict[str, dict[str, int]] = {source: {} for source in newest}
    if table is None:
        return found
    dataset = dataset_of(table)
    for source, batch in newest.items():
        wanted = (ds.field("source") == source) & (ds.field("batch") == batch)
        counted = dataset.to_table(columns=["reason"], filter=wanted)["reason"].value_counts().to_pylist()
        found[source] = {str(one["values"]): one["counts"] for one in counted}
    return found


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if part * 1000 >= whole else "under 0.1 %"
