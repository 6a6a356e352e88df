"""Ids that stay with a cluster when clusters are made anew, and names that say what is special of one."""

import numpy as np

from lakehouse.gold.cluster_identity import cluster_names, stable_ids

THINGS = ("a", "b", "c", "d", "e")


def ids(labels: list[int], number: int, former: dict[str, int], *centres: object) -> list[int]:
    return stable_ids(THINGS[: len(labels)], np.array(labels), number, former, *centres)  # type: ignore[arg-type]


def test_the_first_clusters_are_numbered_by_size() -> None:
    assert ids([0, 1, 1, 1, 2], 3, {}) == [1, 0, 2]


def test_a_cluster_keeps_its_id_whatever_number_k_means_gave_it() -> None:
    former = {"a": 0, "b": 0, "c": 1, "d": 1, "e": 2}
    assert ids([2, 2, 0, 0, 1], 3, former) == [1, 2, 0]
    assert ids([2, 2, 0, 0, 0], 3, former) == [1, 2, 0]  # one that nobody is in takes what is left


def test_a_new_cluster_gets_the_smallest_free_number_and_a_gone_one_leaves_a_gap() -> None:
    former = {"a": 0, "b": 0, "c": 1, "d": 3, "e": 3}
    assert ids([3, 3, 0, 1, 2], 4, former)[3] == 0
    assert sorted(ids([3, 3, 0, 1, 2], 4, former)) == [0, 1, 2, 3]
    assert sorted(ids([1, 1, 1, 0, 0], 2, former)) == [0, 3]


def test_where_no_thing_was_there_before_the_nearest_centre_goes_on() -> None:
    distances = np.array([[5.0, 0.2], [0.1, 4.0]])
    assert ids([0, 0, 1], 2, {"x": 4, "y": 7}, distances, [4, 7]) == [7, 4]
    assert ids([0, 0, 1], 2, {"x": 4, "y": 7}, distances, [7, 4]) == [4, 7]


def test_names_say_the_furthest_columns_and_more_where_two_would_be_the_same() -> None:
    columns = ["rate", "income", "car_stock"]
    assert cluster_names(np.array([[0.7, -1.6, 0.1], [0.1, -0.4, 0.2]]), columns) == [
        "very low income, high rate", "average"
    ]  # fmt: skip
    assert cluster_names(np.array([[1.0, 0.9, 0.6], [1.1, 0.8, -0.7]]), columns) == [
        "high rate, high income, high car stock", "high rate, high income, low car stock"
    ]  # fmt: skip
