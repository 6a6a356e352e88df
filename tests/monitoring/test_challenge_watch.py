"""The watch of a challenger: what it reads, keeps and goes on with."""

import pytest

from lakeloop.contract import ReleasePlan
from lakeloop.model_folders import SAVED_MODEL
from lakeloop.release_state import Action
from lakeloop.releases import challenge
from lakeloop.use_case import UseCase
from monitoring.challenge_watch import ChallengeWatch, read_counted
from tests.challenges import asked, class_answer, write_log


@pytest.fixture
def challenged(use_case: UseCase) -> UseCase:
    """Version 2 challenges version 1."""
    plan = ReleasePlan.model_validate({"shadow": "100 requests", "canary": "5 %"})
    for version in ("1", "2"):
        if version == "2":
            challenge(use_case.settings, use_case.name, version, "new truth")
        folder = use_case.folder("models") / version
        folder.mkdir(parents=True)
        (folder / SAVED_MODEL).touch()
    return UseCase(use_case.settings, use_case.contract.model_copy(update={"release": plan}))


def test_a_long_log_is_counted_piece_by_piece_and_once(challenged: UseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.challenge_watch.MOST_AT_ONCE", 4)
    low, done = class_answer(challenged.contract.label.class_names, "low"), list[tuple[Action, str]]()
    watch = ChallengeWatch(challenged, lambda _, action, version, why: done.append((action, version)))
    write_log(challenged, (asked(number, low, low) for number in range(30)))
    assert watch.look() is not None and watch.counted is not None
    assert (watch.counted.asked, watch.counted.agreed, done) == (30, 30, [])
    write_log(challenged, (asked(number, low, low) for number in range(101)))
    anew = ChallengeWatch(challenged, lambda _, action, version, why: done.append((action, version)))
    anew.look()
    assert anew.counted is not None and (anew.counted.asked, done) == (101, [("canary", "2")])
    assert read_counted(challenged, "2") == anew.counted
