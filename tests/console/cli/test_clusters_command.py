"""`lakeloop lake clusters` on a table as an ingest writes it."""

from lakeloop.contract import Contract
from lakeloop.settings import Settings
from tests.clustered_garages import clustered_garages
from tests.command_line import Run


def test_clusters_are_told_with_their_centres_and_who_is_left_out(
    settings: Settings, contract: Contract, lakeloop: Run
) -> None:
    clustered_garages(settings, contract)
    said = lakeloop("lake", "clusters").stdout
    assert "1  high age, low power       3   61     75  d, e, f" in said
    assert "gold/clusters version 1: 6 of `garage`, means over 2023-01, silhouette 0.97" in said
    assert "left out: 1 thing, such as g: it has no value of `age`" in said


def test_where_nothing_is_clustered_the_command_says_so(lakeloop: Run) -> None:
    refused = lakeloop("lake", "clusters")
    assert refused.returncode == 1
    assert "there is no gold/clusters in use case insurance: its contract has no `clusters`" in refused.stderr


def test_a_version_and_a_time_are_not_asked_for_together(lakeloop: Run) -> None:
    refused = lakeloop("lake", "clusters", "--version", "1", "--as-of", "0")
    assert refused.returncode == 2 and "leave --as-of out" in refused.stderr
