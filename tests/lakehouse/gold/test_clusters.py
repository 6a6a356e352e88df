"""gold/clusters: the same clusters as scikit-learn's, ids that stay, and nothing written where nothing is new."""

from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.preprocessing import StandardScaler

from lakehouse.exceptions import ClusteringError
from lakehouse.gold import clusters
from lakehouse.gold.clustering import MOST_COLUMNS, ThingValues, check_enough, constant_columns, without_gaps
from lakehouse.read.clusters import read_clusters
from lakehouse.storage.layout import CLUSTERS
from lakeloop.contract import Clusters
from lakeloop.exceptions import NotFoundError
from operations.lineage.affected import affected_by
from operations.lineage.trace import trace_file, trace_table, trace_thing
from tests.grouped_shops import SORTS, sales_of, shops_lake

NAMES = [f"s{number:02d}" for number in range(30)]
SORT_OF = {name: list(SORTS)[number % 3] for number, name in enumerate(NAMES)}


@pytest.mark.long
def test_clusters_of_shops_from_their_first_month_to_a_later_one(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = shops_lake(spark, tmp_path, count="[2, 4]")
    lake.deliver("sales", "sales-2024-01.csv", sales_of("2024-01", {**SORT_OF, "t1": ""}))
    report = lake.ingest().clusters
    assert report is not None and (report.things, report.clusters, report.problem) == (30, 3, "")
    assert any(line.startswith("gold/clusters version 1: 30 things in 3 clusters, ") for line in lake.lines)
    assert report.notices == (
        "`staff` is the same for all of `shop`, and tells none apart",
        "1 of `shop` left out: t1, it has no value of `sales of toys`",
    )

    rows = lake.rows(CLUSTERS).set_index("shop")
    assert rows.loc["t1", "left_out"] == "it has no value of `sales of toys`" and np.isnan(rows.loc["t1", "cluster"])
    first = rows.drop(index="t1")
    values = np.array([[one["value"] for one in row] for row in first["values"]])
    scaled = StandardScaler().fit_transform(values)
    theirs = KMeans(3, n_init=10, random_state=0).fit(scaled)
    assert adjusted_rand_score(theirs.labels_, first["cluster"]) == 1.0
    assert adjusted_rand_score([SORT_OF[name] for name in first.index], first["cluster"]) == 1.0
    # Spark's silhouette is by squared distances.
    assert report.silhouette == pytest.approx(silhouette_score(scaled, theirs.labels_, metric="sqeuclidean"), abs=0.01)
    toys = first[first.index.map(SORT_OF) == "toys"]
    assert dict(zip(*_centre(toys), strict=True)) == pytest.approx(
        dict(zip(["area", "staff", "sales of food", "sales of toys"], np.vstack(
            [[one["value"] for one in row] for row in toys["values"]]).mean(axis=0), strict=True))
    )  # fmt: skip
    assert set(toys["name"]) == {"high sales of toys, low sales of food"}

    assert lake.ingest().clusters is None and DeltaTable(lake.table(CLUSTERS)).version() == 1

    moved = {**SORT_OF, "s00": "toys", "s31": "market", "s32": "market"}
    lake.deliver("sales", "sales-2024-02.csv", sales_of("2024-02", dict(reversed(moved.items())), seed=1))
    with monkeypatch.context() as patch:
        patch.setattr(clusters, "replace_rows", _killed)
        with pytest.raises(KeyboardInterrupt):
            lake.ingest()
    assert lake.rows(CLUSTERS).set_index("shop")["cluster"].equals(rows["cluster"])
    again = lake.ingest().clusters
    assert again is not None and again.version == 2
    second = lake.rows(CLUSTERS).set_index("shop")
    assert set(second["first"]) == {"2024-02"} and len(second) == 32
    ids = {SORT_OF[name]: first.loc[name, "cluster"] for name in NAMES[:3]}
    assert second["cluster"].to_dict() == {name: ids[sort] for name, sort in moved.items()}

    at_first = read_clusters(lake, point="2024-01")
    assert (at_first.version, read_clusters(lake).version, at_first.left_out) == (
        1,
        2,
        {"t1": rows.loc["t1", "left_out"]},
    )
    assert {one.number: len(one.things) for one in at_first.clusters} == {0: 10, 1: 10, 2: 10}
    with pytest.raises(NotFoundError, match="there was no version of gold/clusters yet at 2023-12"):
        read_clusters(lake, point="2023-12")

    of_thing, of_table = trace_thing(lake, None, "s00"), trace_table(lake, CLUSTERS, 2)
    assert [item.title for item in of_thing.items if item.kind == "file"] == ["sales/sales-2024-02.csv"]
    assert of_thing.item("gold/clusters@2 s00").facts["cluster"] == f"{ids['toys']:.0f}" and not of_thing.gaps
    assert {item.title for item in of_table.items if item.kind == "file"} == {
        "sales/sales-2024-01.csv", "sales/sales-2024-02.csv"
    }  # fmt: skip
    of_file = {item.id for item in trace_file(lake, "sales-2024-01.csv").items}
    assert "gold/clusters@1" in of_file and "gold/clusters@2" not in of_file
    assert [affected_by(lake, f"sales-2024-0{month}.csv")[0].clusters for month in (1, 2)] == [(1,), (2,)]


def _centre(rows: "np.ndarray") -> tuple[list[str], list[float]]:
    centre = rows["centre"].iloc[0]
    return [one["column"] for one in centre], [one["value"] for one in centre]


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


TERMS = Clusters(of="shop", columns=("area", "sales"), count=2)


def found(*values: tuple[float, float], left_out: dict[str, str] | None = None) -> ThingValues:
    names = tuple("abcdefgh"[: len(values)])
    return ThingValues(names, ("area", "sales"), np.array(values, float), left_out or {}, {})


def test_a_thing_without_a_value_is_left_out_or_gets_the_mean_of_the_others() -> None:
    gaps = found((1, 10), (3, np.nan), (5, 30))
    out = without_gaps(gaps, TERMS)
    assert out.things == ("a", "c") and out.left_out == {"b": "it has no value of `sales`"}
    filled = without_gaps(gaps, TERMS.model_copy(update={"missing": "mean"}))
    assert filled.values.tolist() == [[1, 10], [3, 20], [5, 30]] and filled.imputed == {"b": ("sales",)}
    with pytest.raises(ClusteringError, match="`sales` has no value in the rows that count"):
        without_gaps(found((1, np.nan), (2, np.nan)), TERMS)


def test_too_few_things_are_told_with_how_many_were_needed() -> None:
    with pytest.raises(ClusteringError, match="2 of `shop` are too few for 2 clusters: more than 2 are needed, and 1 "):
        check_enough(found((1, 2), (3, 4), left_out={"c": "…"}), TERMS)
    with pytest.raises(ClusteringError, match="the 4 of `shop` have only 1 different values, too few for 2 clusters"):
        check_enough(found(*[(1, 2)] * 4), TERMS)
    check_enough(found((1, 2), (1, 2), (3, 4)), TERMS)


def test_a_constant_column_is_named() -> None:
    assert constant_columns(found((1, 7), (2, 7), (3, 7))) == ("sales",)
    assert constant_columns(found((1, 7), (2, 8))) == ()
    assert found((1, 7), (2, 7), (3, 7)).standardised(np.array([1.0, 7.0])).tolist() == [-1.0, 0.0]
    assert MOST_COLUMNS > 42
