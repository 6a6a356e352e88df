"""How sure a share of few rows is."""

import pytest

from console.cli.performance import _counted
from lakeloop.interval import says_little, wilson_interval


def test_of_one_row_next_to_nothing_follows() -> None:
    # statsmodels.stats.proportion.proportion_confint(0, 1, method="wilson")
    assert wilson_interval(0.0, 1) == pytest.approx((0.0, 0.7935), abs=1e-4)
    assert says_little(0.0, 1) and says_little(0.8, 50) and not says_little(0.8, 100)


@pytest.mark.parametrize(
    ("share", "rows", "told"),
    [
        (0.0, 1, "0.000 (0.00 to 0.79)"),
        (0.8, 1_500, "0.800"),
        (float("nan"), 0, ""),
        (None, None, ""),
        (0.5, None, "0.500"),
    ],
)
def test_the_command_line_shows_the_interval_of_few_rows_only(share: object, rows: object, told: str) -> None:
    assert _counted(share, rows) == told
