"""What is read from a gateway's counts."""

from collections import Counter

from lakeloop.contract import Contract
from lakeloop.fallback import why_not_ask
from lakeloop.gateway_metrics import GatewayCounts
from operations.deployment import probe_rows

BOUNDS = (0.1, 0.25, 0.5, float("inf"))


def counts(*within: int, answers: int = 0, errors: int = 0) -> GatewayCounts:
    return GatewayCounts("1", answers or within[-1], errors, Counter(dict(zip(BOUNDS, within, strict=True))))


def test_a_percentile_lies_in_its_bucket_as_prometheus_reckons() -> None:
    assert counts(0, 100, 100, 100).quantile_ms(0.99) == 100 + 0.99 * 150
    assert counts(98, 98, 100, 100).quantile_ms(0.99) == 250 + 0.5 * 250
    assert counts(0, 0, 0, 10).quantile_ms(0.99) == 500  # beyond the last bound: at least that
    assert counts(0, 0, 0, 0).quantile_ms(0.99) is None


def test_counts_of_a_gateway_that_was_started_anew_begin_at_zero() -> None:
    before = counts(5, 10, 10, 10, errors=1)
    assert counts(5, 30, 30, 30, errors=3).since(before) == counts(0, 20, 20, 20, errors=2)
    assert counts(2, 4, 4, 4).since(before) == counts(2, 4, 4, 4)


def test_rows_made_from_a_contract_are_ones_the_model_may_answer(contract: Contract, churn: Contract) -> None:
    for each in (contract, churn):
        for row in probe_rows(each):
            assert set(row) == set(each.features)
            assert not why_not_ask(each, row)
