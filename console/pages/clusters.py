"""What the page of clusters shows: the newest ones, drawn and as numbers."""

from typing import Any

from console.report.cluster_figures import centres, shown_columns
from lakehouse.read.clusters import read_clusters
from lakeloop.use_case import UseCase

MOST_THINGS = 1_000
"""Of a cluster, by their names; the others are in the table of the lake."""


def clusters_values(use_case: UseCase) -> dict[str, Any]:
    """The template's values. Raises NotFoundError where there are no clusters."""
    found = read_clusters(use_case)
    return {
        "found": found,
        "things": sum(len(one.things) for one in found.clusters),
        "pictures": {"centres": centres(found)},
        "hidden": len(found.columns) - len(shown_columns(found)),
        "most": MOST_THINGS,
    }
