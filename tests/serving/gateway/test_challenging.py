"""A challenger beside the champion, with real servers: it is tried, promoted or aborted by itself, and no client sees
a failure."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lakeloop.challenger_log import ChallengerTail, challenger_log_folder
from lakeloop.model_folders import models_folder
from lakeloop.releases import WHO, challenge, read_entries, read_release
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from monitoring.challenge_watch import ChallengeWatch, read_counted
from operations.releasing import release_by_contract
from serving.gateway.challenging import is_tried
from serving.gateway.process import running_gateway
from tests.serving.gateway.conftest import body, logged
from tests.serving.gateway.test_releases import CASE, following_server, push
from tests.use_case_copies import PATIENT, copy_insurance
from tests.waiting import eventually

PLAN = """
release:
  shadow: 40 requests
  canary: {share: 50 %, lasts: 20 requests}
  abort_if: {errors: 5 %, agreement: {below: 0.9}}
"""
KEYS = [f"2026-01-{number:04}" for number in range(16)]
ALONE = 6


def test_a_share_of_the_keys_is_always_the_same_and_about_as_large_as_it_should_be() -> None:
    keys = [f"key-{number}" for number in range(5000)]
    tried = {key for key in keys if is_tried("17", key, 0.05)}
    assert tried == {key for key in keys if is_tried("17", key, 0.05)}
    assert 0.04 < len(tried) / len(keys) < 0.06
    assert tried < {key for key in keys if is_tried("17", key, 0.5)}, "a larger share keeps those it had"
    assert len(tried & {key for key in keys if is_tried("18", key, 0.05)}) < 40, "another challenger tries others"
    assert not any(is_tried("17", key, 0.0) for key in keys) and all(is_tried("17", key, 1.0) for key in keys)


@pytest.fixture
def home(tmp_path: Path, saved_models: Path) -> Iterator[Settings]:
    """A home with one pushed version, whose contract has a release, and a model server that follows it."""
    use_cases = copy_insurance(tmp_path / "use_cases", PATIENT)
    with (use_cases / CASE / "contract.yaml").open("a") as contract:
        contract.write(PLAN)
    settings = Settings(home=tmp_path / "home", use_case=CASE, use_cases=use_cases)
    push(settings, saved_models, "1")
    with following_server(settings) as (url, _):
        yield settings.model_copy(update={"model_server_url": url})


class Trying:
    """Challenges with one version after the other, asks, and watches as the monitor does."""

    def __init__(self, settings: Settings, saved_models: Path, url: str) -> None:
        self.use_case: UseCase = open_use_case(settings, CASE)
        self._settings, self._saved_models = settings, saved_models
        self._client = httpx.Client(base_url=url, timeout=60)
        self.watch = ChallengeWatch(self.use_case, release_by_contract)

    def begin(self, version: str, model: str) -> None:
        assert challenge(self._settings, CASE, version, "a test") == ""
        folder = models_folder(self._settings, CASE)
        shutil.copytree(self._saved_models / model / "1", folder / f".{version}")
        (folder / f".{version}").rename(folder / version)

    def ask(self, **changes: Any) -> dict[str, str | None]:
        """One round over all keys, some by themselves and the others at once; the version that answered each."""
        requests = [{**body(**changes), "key": key} for key in KEYS]
        posted = [self._client.post("/predict/", json=request) for request in requests[:ALONE]]
        posted.append(self._client.post("/predict/batch", json={"requests": requests[ALONE:]}))
        assert [answer.status_code for answer in posted] == [200] * len(posted)
        answers = [*(answer.json() for answer in posted[:ALONE]), *posted[ALONE].json()["answers"]]
        assert not [one for one in answers if one["reason"].startswith("model unavailable")]
        self.watch.look()
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
    def entries(self) -> list[tuple[str, str, str]]:
        return [(one.action, one.version, one.who) for one in read_entries(self._settings, CASE)]

    @property
    def why(self) -> str:
        return read_entries(self._settings, CASE)[-1].why

    def aborted(self, version: str) -> Callable[[], bool]:
        return lambda: self.entries[-1] == ("abort", version, WHO)


@pytest.mark.long
def test_a_challenger_is_promoted_or_aborted_by_itself_and_no_client_sees_a_failure(
    home: Settings, saved_models: Path
) -> None:
    with running_gateway(home) as gateway:
        trying = Trying(home, saved_models, gateway.url)

        def state() -> Any:
            return read_release(home, CASE)

        eventually(lambda: set(trying.ask().values()) == {"1"})
        # one as good: in the shadow it answers nobody, as a canary always the same half of the keys, then all
        trying.begin("2", "drivers")
        rounds = trying.until(lambda: state().stage == "canary")
        assert {version for one in rounds for version in one.values()} == {"1"}
        rounds = trying.until(lambda: state().champion == "2")
        tried = {key: "2" if is_tried("2", key, 0.5) else "1" for key in KEYS}
        assert all(one in (dict.fromkeys(KEYS, "1"), tried, dict.fromkeys(KEYS, "2")) for one in rounds)
        assert tried in rounds
        assert trying.entries == [("challenge", "2", WHO), ("canary", "2", WHO), ("promote", "2", WHO)]
        assert "answers in the canary, 0 errors" in trying.why
        eventually(lambda: set(trying.ask().values()) == {"2"})
        found = list(ChallengerTail(challenger_log_folder(trying.use_case, "2")).read())
        assert {one.stage for one in found} == {"shadow", "canary"} and not any(one.error for one in found)
        assert all(one.agrees() for one in found if one.stage == "shadow")
        by_id = {one["request_id"]: one for one in logged(trying.use_case)}
        in_shadow = next(one for one in found if one.stage == "shadow" and one.request_id in by_id)
        assert in_shadow.champion_answer is not None
        assert by_id[in_shadow.request_id]["probabilities"] == in_shadow.champion_answer.probabilities

        # one that gives no numbers at an age, in the shadow
        trying.begin("3", "odd_drivers")
        trying.until(trying.aborted("3"), age=66)
        assert re.match(r"\d+ of \d+ rows got no answer from it, more than 5 %", trying.why)
        # one that answers otherwise
        trying.begin("4", "turned_drivers")
        trying.until(trying.aborted("4"))
        assert re.match(r"[\d.]+ % of \d+ answers were as the champion's, below 90%", trying.why)
        # one that fails as a canary: the champion answers its share
        trying.begin("5", "odd_drivers")
        trying.until(lambda: state().stage == "canary")
        eventually(lambda: "5" in trying.ask().values())
        rounds = trying.until(trying.aborted("5"), age=66)
        assert {version for one in rounds for version in one.values()} == {"2"}
        counted = read_counted(trying.use_case, "5")
        assert counted is not None and counted.stage == "canary" and counted.errors
        # one that takes something else
        trying.begin("6", "half_plus")
        trying.until(trying.aborted("6"))
        assert "version 6 was trained on x, which the contract has no more" in trying.why
        assert (state().champion, state().previous, state().challenger) == ("2", "1", "")
