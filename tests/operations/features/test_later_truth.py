"""The catalogue of a column that is a later row's: where its values come from."""

from pathlib import Path

from operations.features.catalogue import describe_column, known_names
from tests.shops import shops_in


def test_a_later_periods_truth_is_a_column_of_its_own_and_no_request_has_it(tmp_path: Path) -> None:
    shops = shops_in(tmp_path, years=2, shops=3)
    assert "turnover_ahead" in known_names(shops.contract)
    found, own = (describe_column(shops, name) for name in ("turnover_ahead", "turnover"))
    assert (found.kind, found.source, found.gold) == ("truth", "silver/ahead", "gold/training.turnover_ahead")
    assert (own.kind, own.source) == ("feature", "silver/accounts")
    assert found.gaps[-1].startswith("nothing was delivered yet: no accounts-YYYY.csv was taken in")
