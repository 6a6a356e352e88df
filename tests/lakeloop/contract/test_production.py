"""The contract's terms of watching: window sizes and which drift test fits which column."""

from typing import Any

import pytest
from pydantic import ValidationError

from lakeloop.contract import Contract, DriftTest, Feature, Monitoring


def test_half_a_window_is_the_fewest_rows_unless_the_contract_says_otherwise(contract: Contract) -> None:
    assert contract.monitoring.fewest == 750
    assert Monitoring(window=15).fewest == 10
    assert Monitoring(window=2000, minimum_window=300).fewest == 300


def test_terms_of_older_contracts_hash_to_what_they_did() -> None:
    """Windows that were measured by them would be measured again otherwise."""
    assert "confidence_drift" not in Monitoring().model_dump()
    changed = Monitoring(confidence_drift=DriftTest(test="ks", threshold=0.05))
    assert changed.model_dump()["confidence_drift"] == {"test": "ks", "threshold": 0.05}


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({"window": 100, "minimum_window": 101}, "`minimum_window` is 101; at most `window`, 100, is allowed"),
    ],
)
def test_terms_that_cannot_be_kept_are_refused(terms: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Monitoring.model_validate(terms)
    assert text in str(refused.value)


@pytest.mark.parametrize("test", ["wasserstein", "ks"])
def test_a_test_for_numbers_is_refused_for_categories(test: Any) -> None:
    drift = DriftTest(test=test, threshold=0.1)
    with pytest.raises(ValidationError, match=f"drift test {test} is for numeric features only"):
        Feature(type="int", description="x", values=(0, 1), role="binary", drift=drift)
    Feature(type="int", description="x", valid=(0, 9), role="numeric", drift=drift)
