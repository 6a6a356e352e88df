"""A table of clusters as an ingest writes it, made without Spark."""

import numpy as np

from lakehouse.gold.clustering import Clustering, ThingValues
from lakehouse.gold.clusters import cluster_rows, clusters_table
from lakehouse.storage.small_tables import replace_rows
from lakeloop.contract import Clusters, Contract
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase

TERMS = Clusters(of="garage", columns=("age", "power"), count=2)


def clustered_garages(settings: Settings, contract: Contract) -> UseCase:
    """A table of six garages in two clusters and one left out, as the ingest writes it."""
    use_case = UseCase(settings, contract.model_copy(update={"clusters": TERMS}))
    values = np.array([[20.0, 200], [22, 210], [21, 190], [60, 80], [62, 70], [61, 75]])
    found = ThingValues(tuple("abcdef"), TERMS.columns, values, {"g": "it has no value of `age`"}, {})
    scaled = found.standardised(values)
    middles = np.array([scaled[:3].mean(axis=0), scaled[3:].mean(axis=0)])
    made = Clustering(np.array([0, 0, 0, 1, 1, 1]), middles, np.zeros(6), 0.97, {2: 0.97})
    facts = {"clusters": 2, "silhouette": 0.97, "first": "2023-01", "last": "2023-01", "silver_version": 1,
             "contract_sha256": TERMS.sha256}  # fmt: skip
    replace_rows(use_case, clusters_table(contract, TERMS), cluster_rows("garage", found, made, [3, 1], facts))
    return use_case
