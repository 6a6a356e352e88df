"""What of a champion's months is new truth: corrected, late and withdrawn rows, in old months too, and each once."""

import pytest

from lakehouse.gold.decisions import record_decision
from lakehouse.storage.maintenance import optimize, vacuum
from lakeloop.decision import Decision
from operations.retention import versions_in_use
from operations.retraining.context import last_compared_on, rows_changed
from tests.lakehouse.gold.test_decisions import decision
from tests.lakes import HEADER, OwnLake, claims, policy

pytestmark = pytest.mark.long


def test_rows_of_a_champions_months_that_are_others_now(lake: OwnLake) -> None:
    def changed(months: tuple[int, int], before: int, now: int) -> int:
        return rows_changed(lake, months, before, now)

    for month in ("2023-01", "2023-02", "2023-03"):
        rows = "".join(policy(month, number) for number in range(4))
        lake.deliver("policies", f"policies-{month}.csv", HEADER + rows)
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", 4, 2, 0))
    lake.deliver("claims", "claims-2023-03.csv", claims("2023-03", 4, 2))
    first = lake.ingest().gold.version
    lake.deliver("claims", "claims-2023-01.v2.csv", claims("2023-01", 2, 2.5, 0))
    second = lake.ingest().gold.version
    assert changed((0, 2), first, second) == 1, "another class; a risk that leaves the class as it is teaches nothing"
    assert changed((1, 2), first, second) == 0, "its months alone"
    optimize(lake)
    third = lake.versions()["gold/training"]
    assert changed((0, 2), second, third) == 0, "another version with the same rows"
    lake.deliver("claims", "claims-2023-02.csv", claims("2023-02", 4, 4, 4))
    late = lake.ingest().gold.version
    assert changed((0, 2), first, late) == 4 and changed((0, 0), first, late) == 1, "a month that was skipped came late"
    record_decision(lake, decision(1, judged_version=second))
    assert versions_in_use(lake) == {second}
    kept = vacuum(lake, hours=0, referred=versions_in_use(lake))["gold/training"]
    assert kept.kept_versions == (second,) and changed((0, 2), second, late) == 3
    assert changed((0, 2), first, late) == 0, "nobody knows any more"
    assert changed((0, 2), 99, late) == 0


@pytest.mark.parametrize(
    ("made", "version"),
    [
        ([], 3),
        ([decision(1, judged_version=5)], 5),
        ([decision(1, judged_version=5), decision(2, judged_version=4)], 5),
        ([decision(1, judged_version=None)], 3),
        ([decision(1, judged_version=5, champion="16")], 3),
        ([decision(1, judged_version=5, with_truth=False)], 3),
        ([decision(1, judged_version=5, outcome="recommended", version="")], 3),
    ],
    ids=["none", "compared", "twice", "an older release", "another champion", "without truth", "nobody decided yet"],
)
def test_what_a_champion_was_compared_on_is_not_new_again(made: list[Decision], version: int) -> None:
    assert last_compared_on(made, "17", 3) == version
