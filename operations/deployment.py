"""Looks after a pushed version until it is trusted: available, asked, watched in production, or taken back."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from lakeloop.contract import Contract
from lakeloop.contract.columns import TIMES
from lakeloop.exceptions import LakeloopError
from lakeloop.fallback import given_by, wanted_of, why_not_take
from lakeloop.gateway_metrics import GatewayCounts, read_counts
from lakeloop.model_input import predict_body
from lakeloop.releases import read_release
from lakeloop.use_case import UseCase
from operations.exceptions import ModelFailsError, RolledBackError
from operations.releasing import release

log = logging.getLogger(__name__)

WAIT_SECONDS, SWITCH_SECONDS = 120.0, 10.0
WATCH_SECONDS, WATCH_ANSWERS = 30.0, 200
MOST_ERRORS = 0.01
"""Share of the watched answers that the rules may give because the model failed."""
FEWEST_FOR_P99 = 100
"""Of fewer answers, the slowest one alone would be the 99th percentile."""
WHO = "lakeloop deploy"
"""Who takes a version back by itself."""
_LOOK_SECONDS, _ASK_SECONDS = 0.25, 10.0
_POSITIONS = (0.5, 0.25, 0.75)
UNKNOWN = "text"
"""A text that no vocabulary need hold; every model must answer such."""
PROBED_TIMES = (946_684_800, 1_893_456_000)
"""2000 to 2030, in seconds since 1970."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Watched:
    """What the gateway counted while it was watched; `p99_ms` is None where too few were answered to tell."""

    seconds: float
    answers: int
    model_errors: int
    p99_ms: float | None


def wait_until_available(use_case: UseCase, version: str, seconds: float = WAIT_SECONDS) -> None:
    """Wait until the model server says that the version is AVAILABLE.

    Raises:
        LakeloopError: the server is away, cannot load the version, or takes too long; what served before goes on.
    """
    deadline = time.monotonic() + seconds
    while True:
        state, problem = _state(use_case, version)
        if state == "AVAILABLE":
            return
        if state == "END" and problem:
            raise LakeloopError(
                f"the model server cannot load version {version}: {problem}; what served before goes on"
            )
        if time.monotonic() > deadline:
            raise LakeloopError(
                f"version {version} of {use_case.name} is not available after {seconds:g} s "
                f"({problem or state or 'the server does not know it'}); is the model server at "
                f"{use_case.settings.model_server} running on these models? What served before goes on"
            )
        time.sleep(_LOOK_SECONDS)


def probe_rows(contract: Contract) -> list[dict[str, Any]]:
    """Rows made from the contract alone, inside what the model may be asked: the middle of each range and beside it."""
    ranges = contract.fallback.ranges if contract.fallback else {}
    rows = []
    for number, position in enumerate(_POSITIONS):
        row: dict[str, Any] = {}
        for name, feature in contract.features.items():
            if feature.choices is not None:
                row[name] = feature.choices[number % len(feature.choices)]
                continue
            if feature.type == "string":
                row[name] = UNKNOWN
                continue
            low, high = (ranges[name].at_least, ranges[name].below) if name in ranges else feature.valid or (0.0, 1.0)
            if feature.type in TIMES:
                low, high = PROBED_TIMES
            value = low + position * (high - low)
            row[name] = int(value) if feature.carried_as == "int" else value
        rows.append(row)
    return rows


def ask(use_case: UseCase, version: str) -> None:
    """Ask the version itself, over REST, as the gateway does. Raises ModelFailsError."""
    contract = use_case.contract
    rows = probe_rows(contract)
    address = f"{use_case.settings.model_server}/v1/models/{use_case.name}/versions/{version}:predict"
    body = predict_body(contract.features, {name: [row[name] for row in rows] for name in contract.features})
    kind = {"Content-Type": "application/json"}
    try:
        answer = httpx.post(address, content=body, headers=kind, timeout=_ASK_SECONDS, trust_env=False)
        content = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise ModelFailsError(f"it gave no answer ({type(error).__name__}: {error})") from error
    if answer.status_code != httpx.codes.OK:
        status = " ".join(str(content.get("error", content)).split())
        raise ModelFailsError(f"it answered {answer.status_code}: {status[:300]}")
    given = given_by(contract, content.get("outputs"), len(rows))
    if given is None or any(map(why_not_take, given)):
        raise ModelFailsError(f"its answer is not {wanted_of(contract)}: {str(content)[:300]}")


def watch(
    use_case: UseCase, version: str, seconds: float = WATCH_SECONDS, answers: int = WATCH_ANSWERS
) -> Watched | None:
    """Watch what the gateway answers until enough was answered or time is up; None where no gateway runs.

    Ends early when so many of `answers` failed that the rest cannot make it good. Raises ModelFailsError.
    """
    first = _counts_of(use_case, version)
    if first is None:
        return None
    began = time.monotonic()
    while True:
        time.sleep(_LOOK_SECONDS)
        now = read_counts(use_case)
        elapsed = time.monotonic() - began
        if now is not None:
            seen = _watched(now.since(first), elapsed)
            if seen.model_errors > MOST_ERRORS * max(answers, seen.answers) or seen.answers >= answers:
                break
        if elapsed >= seconds:
            if now is None:
                return None
            break
    _check_answers(seen, use_case.contract)
    return seen


def deploy(
    use_case: UseCase,
    version: str,
    seconds: float = WATCH_SECONDS,
    answers: int = WATCH_ANSWERS,
    say: Say = lambda line: None,
) -> Watched | None:
    """Ask and watch an available version; what was watched, or None where no gateway runs.

    Raises:
        RolledBackError: it failed, and was retired.
        LakeloopError: it failed and is pinned, or the model server went away; nothing was taken back.
    """
    try:
        ask(use_case, version)
        say(f"version {version} answers {len(_POSITIONS)} rows made from the contract")
        seen = watch(use_case, version, seconds, answers)
    except ModelFailsError as failure:
        state, problem = _state(use_case, version)
        if state != "AVAILABLE":
            raise LakeloopError(
                f"the model server went away while version {version} was looked after ({problem or state}); nothing "
                "was taken back, for that says nothing of the model: start the server and deploy again"
            ) from failure
        pinned = read_release(use_case.settings, use_case.name)
        if version == pinned.champion == pinned.pinned_version:
            raise LakeloopError(
                f"version {version} fails ({failure}), and {pinned.pin_words}, so it was not taken back; "
                f"{pinned.command('unpin')} and {pinned.command('rollback')} do"
            ) from failure
        before = _take_back(use_case, version, str(failure))
        now = f"version {before} serves again" if before else "no model is left: the rules answer"
        raise RolledBackError(f"version {version} was taken back: {failure}; {now}") from failure
    return seen


def _counts_of(use_case: UseCase, version: str) -> GatewayCounts | None:
    """The gateway's counts as soon as it asks the version; it looks for a new one each second."""
    deadline = time.monotonic() + SWITCH_SECONDS
    while True:
        counts = read_counts(use_case)
        if counts is None or counts.version == version or time.monotonic() > deadline:
            return counts
        time.sleep(_LOOK_SECONDS)


def _take_back(use_case: UseCase, version: str, why: str) -> str:
    """Retire the version; the one that serves then, or ''."""
    _, after = release(use_case, "retire", version, WHO, why)
    if after.champion:
        try:
            wait_until_available(use_case, after.champion, WATCH_SECONDS)
        except LakeloopError:
            log.exception("event=previous_version_not_available version=%s", after.champion)
    return after.champion


def _state(use_case: UseCase, version: str) -> tuple[str, str]:
    """The version's state in the server's words, and what is wrong."""
    try:
        address = f"{use_case.settings.model_server}/v1/models/{use_case.name}/versions/{version}"
        answer = httpx.get(address, timeout=_ASK_SECONDS, trust_env=False)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return "", ""
        (state,) = answer.json()["model_version_status"]
        status = state.get("status", {})
        return str(state["state"]), "" if status.get("error_code", "OK") == "OK" else str(
            status.get("error_message", "")
        )
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return "", f"{type(error).__name__}: {error}"


def _watched(counts: GatewayCounts, seconds: float) -> Watched:
    p99 = counts.quantile_ms(0.99) if counts.answers >= FEWEST_FOR_P99 else None
    return Watched(round(seconds, 1), counts.answers, counts.model_errors, p99)


def _check_answers(seen: Watched, contract: Contract) -> None:
    if seen.model_errors > MOST_ERRORS * seen.answers:
        raise ModelFailsError(
            f"{seen.model_errors} of {seen.answers} answers came from the rules because it failed "
            f"(at most {MOST_ERRORS:.0%} may)"
        )
    budget = contract.requests.budget_ms if contract.requests else None
    if budget is not None and seen.p99_ms is not None and seen.p99_ms > budget:
        raise ModelFailsError(
            f"the 99th percentile of the time to answer was {seen.p99_ms:.0f} ms over {seen.answers} answers; "
            f"the contract allows {budget} ms"
        )


def as_result(version: str, seen: Watched | None) -> Mapping[str, Any]:
    """What a command gives its caller."""
    return {"version": version, "watched": None if seen is None else asdict(seen)}
