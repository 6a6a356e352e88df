"""The contract's terms of a release: how long its stages last, and what ends them."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lakeloop.contract import Contract, ReleasePlan
from lakeloop.contract.release_plan import Span
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from tests.use_case_copies import USE_CASES


def test_stages_last_so_long_or_so_many_answers() -> None:
    plan = ReleasePlan.model_validate({"shadow": "500 requests", "canary": "5 %", "abort_if": {"errors": "0.5 %"}})
    assert plan.shadow_span == Span(None, 500) and plan.canary is not None
    assert (plan.canary.keys, plan.canary_span) == (0.05, Span(86_400.0, None))
    assert plan.abort_if.most_errors == pytest.approx(0.005)
    plan = ReleasePlan.model_validate({"canary": {"share": "12.5 %", "lasts": "30 min"}})
    assert (plan.shadow_span, plan.canary_span) == (None, Span(1800.0, None))
    assert plan.abort_if.most_errors == 0.01


def test_a_contract_without_a_release_hashes_to_what_it_did(contract: Contract) -> None:
    assert contract.release is None and "release" not in contract.model_dump()


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({}, "has no stage; say `shadow: 24 h`, `canary: 5 %` or both"),
        ({"shadow": "a day"}, "is 'a day'; write how long, such as `30 min`"),
        ({"shadow": "0 h"}, "is '0 h'; write how long"),
        ({"shadow": "1.5 requests"}, "is '1.5 requests'; write how long"),
        ({"canary": 0.05}, "is 0.05; write a share with its sign, such as `5 %`"),
        ({"canary": "0 %"}, "is 0 %, of nothing"),
        ({"canary": "101 %"}, "is '101 %'; write a share"),
        ({"canary": "5 %", "abort_if": {"agreement": {"below": 0.9}}}, "`abort_if.agreement` compares answers"),
    ],
)
def test_terms_that_cannot_be_kept_are_refused(terms: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ReleasePlan.model_validate(terms)
    assert text in str(refused.value)


@pytest.mark.parametrize(
    ("use_case", "terms", "problem"),
    [
        ("insurance", "{shadow: 1 h, abort_if: {p99_ms: 250}}", "release.abort_if.p99_ms: is 250, and no answer"),
        ("insurance", "{shadow: 1 h, canary: {part: 5 %}}", "release.canary.part: is not a key of a contract"),
        (
            "insurance",
            "{shadow: 1 h, abort_if: {agreement: {below: 0.9, within: 5}}}",
            "release.abort_if.agreement.within: is for numbers",
        ),
        (
            "insurance",
            "{shadow: 1 h, abort_if: {drift: {test: ks, threshold: 0.1}}}",
            "release.abort_if.drift.test: ks compares numbers",
        ),
        ("rentals", "{shadow: 1 h, abort_if: {agreement: {below: 0.9}}}", "release.abort_if.agreement: two models"),
    ],
)
def test_what_does_not_fit_the_rest_of_the_contract_is_told_with_its_place(
    tmp_path: Path, use_case: str, terms: str, problem: str
) -> None:
    folder = shutil.copytree(USE_CASES[use_case] / use_case, tmp_path / use_case)
    with (folder / "contract.yaml").open("r+", encoding="utf-8") as contract:
        lines = len(contract.readlines())
        contract.write(f"release: {terms}\n")
    with pytest.raises(ContractError) as refused:
        load_contract(folder / "contract.yaml")
    assert f"line {lines + 1}, {problem}" in str(refused.value)
