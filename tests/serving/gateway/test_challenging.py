"""A challenger beside the champion, with real servers: it is tried, promoted or aborted by itself, and no client sees
a failure."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lakeloop.challenger_log import ChallengerTail, challenger_log_folder
from lakeloop.contract import ReleasePlan
from lakeloop.model_folders import models_folder
from lakeloop.release_state import Release, ReleaseEntry
from lakeloop.releases import WHO, challenge, pushed_of, read_entries, read_release
from lakeloop.settings import PROJECT, Settings
from lakeloop.use_case import UseCase, open_use_case
from monitoring.challenge_watch import ChallengeWatch, read_counted
from operations.releasing import release_by_contract
from serving.gateway.challenging import Challenging, Trial, is_tried
from serving.gateway.metrics import Metrics
from serving.gateway.own_code import OwnCode
from serving.gateway.process import running_gateway
from serving.model_server.process import stop
from tests.command_line import COMMAND
from tests.serving.gateway.conftest import body, logged
from tests.serving.gateway.test_releases import CASE, following_server, push
from tests.use_case_copies import PATIENT, copy_insurance
from tests.waiting import eventually

PLAN = """
release:
  shadow: 40 requests
  canary: {share: 50 %, lasts: 12 requests}
  abort_if: {errors: 5 %, p99_ms: 1000, agreement: {below: 0.9}}
"""
KEYS = [f"2026-01-{number:04}" for number in range(16)]
ALONE = 4


def test_a_share_of_the_keys_is_always_the_same_and_about_as_large_as_it_should_be() -> None:
    keys = [f"key-{number}" for number in range(5000)]
    tried = {key for key in keys if is_tried("17", key, 0.05)}
    assert tried == {key for key in keys if is_tried("17", key, 0.05)}
    assert 0.04 < len(tried) / len(keys) < 0.06
    assert tried < {key for key in keys if is_tried("17", key, 0.5)}, "a larger share keeps those it had"
    assert len(tried & {key for key in keys if is_tried("18", key, 0.05)}) < 40, "another challenger tries others"
    assert not any(is_tried("17", key, 0.0) for key in keys) and all(is_tried("17", key, 1.0) for key in keys)


def test_a_challenger_that_fails_leaves_the_champion_the_rest_of_the_budget(use_case: UseCase) -> None:
    plain = use_case.contract.model_copy(update={"fallback": None})  # no own code, so no process for it
    case = UseCase(use_case.settings, plain)
    trying = Challenging(case, OwnCode(case, 0.25), 0.25, Release, Metrics(CASE, 100))
    failed = [Trial("2", (), took, "no answer") for took in (40.0, 100.0)]
    assert trying.rest(failed) == 0.15 and trying.rest([]) == 0.25
    assert trying.rest([Trial("2", (), 400.0, "it came late")]) == 0.125


def test_one_that_is_stopped_while_a_challenge_begins_leaves_no_writer_behind(use_case: UseCase) -> None:
    def writers() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "request-log"}

    before, begun = writers(), ReleaseEntry(1, "challenge", "2", "1", WHO, "a test", "2026-01-01T00:00:00+00:00")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a model server that does not answer
        server = {"model_server_url": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        terms = {"release": ReleasePlan(shadow="24 h"), "fallback": None}
        case = UseCase(use_case.settings.model_copy(update=server), use_case.contract.model_copy(update=terms))
        state = Release(CASE, champion="1", challenge=begun)

        async def started_and_stopped() -> bool:
            trying = Challenging(case, OwnCode(case, 0.25), 0.25, lambda: state, Metrics(CASE, 100))
            await trying.start()
            while not writers() - before:
                await asyncio.sleep(0.01)
            has_begun = trying.now is not None
            await trying.stop()
            return has_begun

        assert not asyncio.run(started_and_stopped()) and writers() == before


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, saved_models: Path) -> Iterator[Settings]:
    """A home with one pushed version, whose contract has a release, and a model server that follows it."""
    folder = tmp_path_factory.mktemp("challenging")
    use_cases = copy_insurance(folder / "use_cases", PATIENT)
    with (use_cases / CASE / "contract.yaml").open("a") as contract:
        contract.write(PLAN)
    settings = Settings(home=folder / "home", use_case=CASE, use_cases=use_cases)
    push(settings, saved_models, "1")
    with following_server(settings) as (url, _):
        yield settings.model_copy(update={"model_server_url": url})


class Trying:
    """Challenges with one version after the other, and asks."""

    def __init__(self, settings: Settings, saved_models: Path, url: str) -> None:
        self.use_case: UseCase = open_use_case(settings, CASE)
        self._settings, self._saved_models = settings, saved_models
        self._client = httpx.Client(base_url=url, timeout=60)
        eventually(lambda: set(self.ask().values()) == {self.state.champion})

    def begin(self, model: str) -> str:
        """Push a model as a challenger; its version."""
        version = str(int(pushed_of(self._settings, CASE)[-1]) + 1)
        assert challenge(self._settings, CASE, version, "a test") == ""
        folder = models_folder(self._settings, CASE)
        shutil.copytree(self._saved_models / model / "1", folder / f".{version}")
        (folder / f".{version}").rename(folder / version)
        return version

    def ask(self, **changes: Any) -> dict[str, str | None]:
        """One round over all keys, some by themselves and the others at once; the version that answered each."""
        requests = [{**body(**changes), "key": key} for key in KEYS]
        posted = [self._client.post("/predict/", json=request) for request in requests[:ALONE]]
        posted.append(self._client.post("/predict/batch", json={"requests": requests[ALONE:]}))
        assert [answer.status_code for answer in posted] == [200] * len(posted)
        answers = [*(answer.json() for answer in posted[:ALONE]), *posted[ALONE].json()["answers"]]
        assert not [one for one in answers if one["reason"].startswith("model unavailable")]
        return dict(zip(KEYS, (one["model_version"] for one in answers), strict=True))

    def until(self, reached: Callable[[], bool], **changes: Any) -> list[dict[str, str | None]]:
        """Ask until it is so; the rounds."""
        rounds: list[dict[str, str | None]] = []

        def asked() -> bool:
            rounds.append(self.ask(**changes))
            return reached()

        eventually(asked, 120)
        return rounds

    @property
    def state(self) -> Release:
        return read_release(self._settings, CASE)

    @property
    def entries(self) -> list[tuple[str, str, str]]:
        return [(one.action, one.version, one.who) for one in read_entries(self._settings, CASE)]

    @property
    def why(self) -> str:
        return read_entries(self._settings, CASE)[-1].why


@pytest.fixture(scope="module")
def trying(home: Settings, saved_models: Path) -> Iterator[Trying]:
    with running_gateway(home) as gateway:
        yield Trying(home, saved_models, gateway.url)


@pytest.fixture(scope="module")
def monitor(home: Settings) -> Iterator[None]:
    """A monitor as a process: what becomes of a challenger happens by itself from here on."""
    environment = {
        **os.environ, "LAKELOOP_HOME": str(home.home), "LAKELOOP_USE_CASES": str(home.use_cases),
        "LAKELOOP_USE_CASE": CASE, "LAKELOOP_MODEL_SERVER_URL": home.model_server_url,
    }  # fmt: skip
    process = subprocess.Popen([*COMMAND, "monitor", "--port", "0"], text=True, env=environment, cwd=PROJECT)
    yield
    assert process.poll() is None
    stop(process)


def tried_by(version: str, champion: str) -> dict[str, str | None]:
    """Who answers each key while a version is a canary."""
    return {key: version if is_tried(version, key, 0.5) else champion for key in KEYS}


@pytest.mark.long
def test_a_challenger_is_promoted_by_itself_and_no_client_sees_a_failure(trying: Trying) -> None:
    """One as good: in the shadow it answers nobody, as a canary always the same half of the keys, then all."""
    watch = ChallengeWatch(trying.use_case, release_by_contract)

    def looked(reached: Callable[[Release], bool]) -> Callable[[], bool]:
        def look() -> bool:
            watch.look()
            return reached(trying.state)

        return look

    assert trying.begin("drivers") == "2"
    rounds = trying.until(looked(lambda state: state.stage == "canary"))
    assert {version for one in rounds for version in one.values()} == {"1"}
    rounds = trying.until(looked(lambda state: state.champion == "2"))
    tried = tried_by("2", "1")
    assert all(one in (dict.fromkeys(KEYS, "1"), tried, dict.fromkeys(KEYS, "2")) for one in rounds)
    assert tried in rounds
    assert trying.entries == [("challenge", "2", WHO), ("canary", "2", WHO), ("promote", "2", WHO)]
    assert "answers in the canary, 0 errors" in trying.why
    eventually(lambda: set(trying.ask().values()) == {"2"})
    assert (trying.state.previous, trying.state.challenger) == ("1", "")
    found = list(ChallengerTail(challenger_log_folder(trying.use_case, "2")).read())
    assert {one.stage for one in found} == {"shadow", "canary"} and not any(one.error for one in found)
    assert all(one.agrees() for one in found if one.stage == "shadow")
    by_id = {one["request_id"]: one for one in logged(trying.use_case)}
    in_shadow = next(one for one in found if one.stage == "shadow" and one.request_id in by_id)
    assert in_shadow.champion_answer is not None
    assert by_id[in_shadow.request_id]["probabilities"] == in_shadow.champion_answer.probabilities


@pytest.mark.long
@pytest.mark.parametrize(
    ("model", "asked", "why"),
    [
        ("odd_drivers", {"age": 66}, r"\d+ of \d+ rows got no answer from it, more than 5 %"),
        ("turned_drivers", {}, r"[\d.]+ % of \d+ answers were as the champion's, below 90%"),
        ("half_plus", {}, r"version \d+ was trained on x, which the contract has no more"),
        ("renamed_drivers", {}, r"version \d+ answers the classes small, middle, large, the contract has"),
    ],
    ids=["no answers", "other answers", "other columns", "other classes"],
)
def test_a_challenger_is_aborted_by_itself_in_the_shadow(
    trying: Trying, monitor: None, model: str, asked: dict[str, Any], why: str
) -> None:
    champion, version = trying.state.champion, trying.begin(model)
    rounds = trying.until(lambda: trying.entries[-1] != ("challenge", version, WHO), **asked)
    assert trying.entries[-1] == ("abort", version, WHO) and re.search(why, trying.why), trying.why
    assert {by for one in rounds for by in one.values()} == {champion} == {trying.state.champion}


@pytest.mark.long
@pytest.mark.parametrize(
    ("model", "asked", "answered", "why"),
    [
        ("odd_drivers", {"age": 66}, False, r"\d+ of \d+ rows got no answer from it, more than 5 %"),
        ("tardy_drivers", {"miles": 451.3}, True, r"99 of 100 answers took up to \d{4} ms, more than 1000 ms"),
    ],
    ids=["no answers", "late answers"],
)
def test_a_canary_is_aborted_by_itself_and_no_client_sees_a_failure(
    trying: Trying, monitor: None, model: str, asked: dict[str, Any], answered: bool, why: str
) -> None:
    """What the canary does not answer, the champion does; late answers are the canary's until it is aborted."""
    champion, version = trying.state.champion, trying.begin(model)
    tried, untried = tried_by(version, champion), dict.fromkeys(KEYS, champion)
    trying.until(lambda: trying.state.stage == "canary" and trying.state.challenger == version)
    rounds = trying.until(lambda: trying.entries[-1] != ("canary", version, WHO), **asked)
    assert trying.entries[-3:] == [(action, version, WHO) for action in ("challenge", "canary", "abort")]
    assert re.match(why, trying.why), trying.why
    assert (tried in rounds) == answered
    assert {by for one in rounds for by in one.values()} == {champion, *([version] if answered else [])}
    counted = read_counted(trying.use_case, version)
    assert counted is not None and counted.stage == "canary" and bool(counted.errors) != answered
    eventually(lambda: trying.ask() == untried)
    assert [trying.ask() for _ in range(3)] == [untried] * 3
    assert (trying.state.champion, trying.state.challenger) == (champion, "")
