"""What follows for a challenger from what was counted, by the contract."""

import re
from typing import Any

import pytest

from lakeloop.challenger_log import ChallengerRecord, LoggedAnswer
from lakeloop.contract import Contract, ReleasePlan
from monitoring.challenge_rules import LEAST, Counted, Verdict, counted_on, verdict_on

BEGUN = Counted(number=1, challenger="2", stage="shadow")
SHADOW = {"shadow": "200 requests", "canary": {"share": "5 %", "lasts": "1 h"}}


def with_plan(contract: Contract, **plan: Any) -> Contract:
    return contract.model_copy(update={"release": ReleasePlan.model_validate(plan)})


def answer(prediction: str | float) -> LoggedAnswer:
    return LoggedAnswer(prediction=prediction, predictor_type="model", reason="ok")


def records(count: int, **changes: Any) -> list[ChallengerRecord]:
    moment = "2026-01-01T00:00:00+00:00"
    values = {"request_id": "a", "key": None, "at": moment, "answered_at": moment, "stage": "shadow", "champion": "1",
              "challenger": "2", "champion_answer": answer("low"), "challenger_answer": answer("low"),
              "latency_ms": 5.0, **changes}  # fmt: skip
    return [ChallengerRecord(**values) for _ in range(count)]


def failed(count: int, **changes: Any) -> list[ChallengerRecord]:
    return records(count, challenger_answer=None, error="no answer within 250 ms", latency_ms=250.0, **changes)


def followed(
    contract: Contract, found: list[ChallengerRecord], seconds: float = 10.0, begun: Counted = BEGUN
) -> Verdict:
    return verdict_on(contract, counted_on(begun, found, {}, contract), seconds)


def test_a_shadow_passes_after_its_answers_and_a_canary_after_its_time(contract: Contract) -> None:
    contract = with_plan(contract, **SHADOW)
    assert followed(contract, records(199)).action == "wait"
    verdict = followed(contract, records(199) + failed(1) + records(1))
    assert verdict.action == "canary"
    assert verdict.why == "200 answers in the shadow, 1 error, 100 % of 200 as the champion's, 99 of 100 within 5 ms"
    canary = BEGUN.model_copy(update={"stage": "canary"})
    own = records(3, stage="canary", champion_answer=None)
    assert followed(contract, own, 3599.0, canary).action == "wait"
    assert followed(contract, records(500), 3600.0, canary).action == "wait", "none of its own yet"
    assert followed(contract, own, 3600.0, canary).action == "promote"


def test_a_stage_that_the_contract_does_not_have_is_passed_at_once(contract: Contract) -> None:
    assert followed(with_plan(contract, shadow="10 requests"), records(10)).action == "promote"
    assert followed(with_plan(contract, canary="5 %"), []) == Verdict("canary", "the contract has no shadow")
    canary = BEGUN.model_copy(update={"stage": "canary"})  # which somebody took out of the contract meanwhile
    assert followed(with_plan(contract, shadow="10 requests"), [], begun=canary).why == "the contract has no canary"


@pytest.mark.parametrize(
    ("bounds", "found", "why"),
    [
        (
            {},
            failed(2) + records(LEAST - 2),
            "2 of 100 rows got no answer from it, more than 1 %; the newest: no answer",
        ),
        ({"p99_ms": 50}, records(95) + records(5, latency_ms=80.0), "99 of 100 answers took up to 8"),
        (
            {"agreement": {"below": 0.9}},
            records(89) + records(11, challenger_answer=answer("high")),
            "89 % of 100 answers were as the champion's, below 90%",
        ),
        (
            {"drift": {"test": "jensenshannon", "threshold": 0.1}},
            records(80) + records(20, challenger_answer=answer("high")),
            r"its answers lie 0\.\d+ \(jensenshannon\) from the champion's",
        ),
    ],
)
def test_a_broken_bound_aborts(contract: Contract, bounds: dict[str, Any], found: Any, why: str) -> None:
    contract = with_plan(contract, **SHADOW, abort_if=bounds)
    verdict = followed(contract, found)
    assert verdict.action == "abort"
    assert re.match(why, verdict.why), verdict.why
    assert followed(contract, found[1:]).action == "wait", "too few to tell"


def test_few_answers_are_judged_when_the_stage_is_over(contract: Contract) -> None:
    contract = with_plan(contract, shadow="1 h")
    assert followed(contract, failed(3), 3599.0).action == "wait"
    assert followed(contract, failed(3), 3600.0).action == "abort"
    assert followed(contract, [], 7200.0).action == "wait", "nobody has asked"


def test_numbers_agree_within_what_the_contract_says(contract: Contract) -> None:
    bound = {"agreement": {"below": 0.5, "within": 2}}
    contract = with_plan(contract, shadow="100 requests", abort_if=bound)
    near = records(100, champion_answer=answer(10.0), challenger_answer=answer(12.0))
    far = records(100, champion_answer=answer(10.0), challenger_answer=answer(12.5))
    assert (followed(contract, near).action, followed(contract, far).action) == ("promote", "abort")


def test_a_challenger_that_fits_not_and_a_contract_without_a_release_abort(contract: Contract) -> None:
    misfit = records(1, champion_answer=None, challenger_answer=None, error="it answers others", misfit=True)
    assert followed(with_plan(contract, **SHADOW), misfit) == Verdict("abort", "it answers others")
    assert followed(contract, records(1)).action == "abort"


def test_counts_survive_being_written_down(contract: Contract) -> None:
    contract = with_plan(contract, **SHADOW)
    half = counted_on(BEGUN, records(100), {"writer": (1, 10)}, contract)
    kept = Counted.model_validate_json(half.model_dump_json())
    assert kept == half
    assert followed(contract, records(100), begun=kept) == followed(contract, records(200))
