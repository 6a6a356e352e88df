"""What of delivered files was read otherwise than it stands there: from the lake's own table, without Spark."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakeloop.lake_tables import read_lake_records
from lakeloop.use_case import UseCase

MENDED = "silver/mended"


@dataclass(frozen=True)
class MendedValue:
    """One kind of mending in a column (`''`: in whole lines) of a source: in how many `rows` of how many `files`.

    `delivered` and `meant` are an example.
    """

    column: str
    mended: str
    rows: int
    files: int
    delivered: str
    meant: str

    @property
    def sentence(self) -> str:
        """E.g. ``town`: zeros in front put back in 9 rows of 2 files (`1001`, read as `01001`)`."""
        what = f"`{self.column}`: {self.mended}" if self.column else self.mended
        files = "1 file" if self.files == 1 else f"{self.files:,} files"
        shown = f"`{self.delivered}`" if self.delivered else "nothing"
        read = f", read as `{self.meant}`" if self.meant else ""
        return f"{what} in {self.rows:,} row{'' if self.rows == 1 else 's'} of {files} ({shown}{read})"


def newest_mended_values(use_case: UseCase) -> Mapping[str, Sequence[MendedValue]]:
    """Source -> what was mended in its last batch that had something to mend, the most frequent first."""
    by_source: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in read_lake_records(use_case, MENDED):
        by_source[row["source"]].append(row)
    return {source: _of_batch(by_source[source]) for source in use_case.contract.sources if source in by_source}


def _of_batch(rows: Sequence[Mapping[str, Any]]) -> Sequence[MendedValue]:
    newest = max(row["batch"] for row in rows)
    kinds: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["batch"] == newest:
            kinds[row["column"], row["mended"]].append(row)
    found = [
        MendedValue(
            column, mended, sum(row["rows"] for row in alike), len({row["file"] for row in alike}),
            alike[0]["delivered"] or "", alike[0]["meant"] or "",
        )
        for (column, mended), alike in kinds.items()
    ]  # fmt: skip
    return sorted(found, key=lambda one: (-one.rows, one.column, one.mended))
