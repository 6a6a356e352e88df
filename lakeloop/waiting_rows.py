"""Which rows wait for their row of a joined source: from the lake's own table, without Spark."""

from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.use_case import UseCase

WAITING = "silver/waiting"
WAITS_FOR = "waits_for"


def waiting_rows(use_case: UseCase) -> tuple[str, ...]:
    """A sentence for each source that rows wait for; () where none waits."""
    table = open_lake_table(use_case, WAITING) if use_case.contract.joins else None
    if table is None:
        return ()
    counted = dataset_of(table).to_table(columns=[WAITS_FOR])[WAITS_FOR].value_counts().to_pylist()
    base = use_case.contract.feature_source
    return tuple(
        f"{one['counts']:,} row{'s wait' if one['counts'] > 1 else ' waits'} for a row of {one['values']}, which has a "
        f"feature that {base} must have; taken up when it comes (`lakeloop lake show {WAITING}`)"
        for one in counted
    )
