"""Which version serves, by pushes and by what people decided."""

import re
from pathlib import Path

import pytest
from sqlalchemy import insert

from lakeloop.exceptions import BusyError, NotFoundError, WrongUseError
from lakeloop.model_folders import SAVED_MODEL, models_folder
from lakeloop.operational_db import engine
from lakeloop.operational_db import releases as entries
from lakeloop.release_state import Action, Release, ReleaseEntry, fold
from lakeloop.releases import WHO, challenge, decide, read_entries, read_release
from lakeloop.settings import Settings, load_settings

CASE = "any"


def entry(action: Action, version: str, newest: str, number: int = 1) -> ReleaseEntry:
    return ReleaseEntry(number, action, version, newest, "ann", "it is better", "2026-01-01T00:00:00+00:00")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path)


def push(settings: Settings, *versions: str) -> None:
    for version in versions:
        folder = models_folder(settings, CASE) / version
        folder.mkdir(parents=True)
        (folder / SAVED_MODEL).touch()


@pytest.mark.parametrize(
    ("found", "pushed", "champion", "previous"),
    [
        ([], [], "", ""),
        ([], ["1"], "1", ""),
        ([], ["1", "2", "10"], "10", "2"),
        ([entry("promote", "1", "2")], ["1", "2"], "1", "2"),
        ([entry("promote", "1", "2")], ["1", "2", "3"], "3", "1"),
        ([entry("pin", "1", "2")], ["1", "2", "3", "4"], "1", "2"),
        ([entry("pin", "1", "2"), entry("unpin", "1", "3", 2)], ["1", "2", "3"], "1", "2"),
        ([entry("pin", "1", "2"), entry("unpin", "1", "3", 2)], ["1", "2", "3", "4"], "4", "1"),
        ([entry("pin", "1", "2"), entry("promote", "2", "3", 2)], ["1", "2", "3", "4"], "2", "1"),
        ([entry("rollback", "2", "3")], ["1", "2", "3"], "2", "3"),
        ([entry("retire", "3", "3")], ["1", "2", "3"], "2", "1"),
        ([entry("retire", "3", "3"), entry("restore", "3", "3", 2)], ["1", "2", "3"], "2", "3"),
        ([entry("retire", "3", "3")], ["1", "2", "3", "4"], "4", "2"),
        ([entry("retire", "2", "3"), entry("retire", "3", "3", 2)], ["1", "2", "3"], "1", ""),
        (
            [entry("retire", "2", "3"), entry("retire", "3", "3", 2), entry("restore", "2", "3", 3)],
            ["1", "2", "3"],
            "1",
            "2",
        ),  # to restore one is not to have it serve
        (
            [
                entry("retire", "1", "2"),
                entry("retire", "2", "2", 2),
                entry("restore", "1", "2", 3),
                entry("restore", "2", "2", 4),
            ],
            ["1", "2"],
            "1",
            "2",
        ),
        ([entry("promote", "1", "2")], ["2"], "2", ""),
    ],
)
def test_pushes_and_decisions_make_one_state(
    found: list[ReleaseEntry], pushed: list[str], champion: str, previous: str
) -> None:
    state = fold(found, pushed)
    assert (state.champion, state.previous) == (champion, previous)


def test_a_version_that_should_serve_and_is_gone_is_told() -> None:
    pin = entry("pin", "1", "2")
    state = fold([pin], ["2"])
    assert state == Release(champion="2", pin=pin, gone="1")
    assert (state.standing("2"), state.pin_words) == ("champion", "version 1 is pinned (ann: it is better)")
    assert fold([pin], ["2", "3"]).champion == "2", "a push does not replace it"


def test_who_promotes_another_version_leaves_the_pin_on_that_one() -> None:
    state = fold([entry("pin", "1", "2"), entry("promote", "2", "2", 2)], ["1", "2", "3"])
    assert (state.pinned_version, state.standing("2"), state.standing("3")) == ("2", "champion, pinned", "")


def test_what_is_decided_is_kept_and_told_with_who_and_why(settings: Settings) -> None:
    push(settings, "1", "2")
    assert read_release(settings, CASE).by is None
    state = decide(settings, CASE, "promote", "1", "ann", "the new one is slow")
    assert state == read_release(settings, CASE) and state.champion == "1" and state.by is not None
    assert (state.by.who, state.by.why, state.by.number) == ("ann", "the new one is slow", 1)
    assert decide(settings, CASE, "rollback", "", "bob", "it was not").champion == "2"
    assert decide(settings, CASE, "pin", "champion", "bob", "the year's end").pinned
    push(settings, "3")
    assert read_release(settings, CASE).champion == "2"
    decide(settings, CASE, "unpin", "", "bob", "it is over")
    push(settings, "4")
    assert read_release(settings, CASE).labels == {"champion": "4", "previous": "2"}
    assert [one.action for one in read_entries(settings, CASE)] == ["promote", "rollback", "pin", "unpin"]
    assert read_entries(settings, "another") == []


@pytest.mark.parametrize(
    ("action", "version", "problem"),
    [
        ("promote", "7", "there is no pushed version 7 of any; pushed: 1, 2"),
        ("pin", "7", "there is no pushed version 7"),
        ("promote", "2", "version 2 of any serves already"),
        ("promote", "champion", "version 2 of any serves already"),
        ("unpin", "", "no version of any is pinned"),
        ("restore", "1", "version 1 of any is not retired"),
    ],
)
def test_what_cannot_be_done_is_refused(settings: Settings, action: Action, version: str, problem: str) -> None:
    push(settings, "1", "2")
    with pytest.raises((NotFoundError, WrongUseError), match=problem):
        decide(settings, CASE, action, version, "ann", "")
    assert read_entries(settings, CASE) == []


def test_nothing_to_go_back_to_and_retired_versions_are_told(settings: Settings) -> None:
    push(settings, "1")
    with pytest.raises(NotFoundError, match="no version of any before 1 to go back to"):
        decide(settings, CASE, "rollback", "", "ann", "")
    push(settings, "2")
    decide(settings, CASE, "retire", "1", "ann", "wrong rows")
    for action in ("promote", "pin"):
        with pytest.raises(
            WrongUseError, match="version 1 of any is retired; `lakeloop models restore 1 -u any` first"
        ):
            decide(settings, CASE, action, "1", "ann", "")
    decide(settings, CASE, "pin", "2", "ann", "")
    with pytest.raises(WrongUseError, match="version 2 of any is pinned; `lakeloop models unpin -u any` first"):
        decide(settings, CASE, "retire", "2", "ann", "")


def test_a_version_that_does_not_serve_says_why(settings: Settings) -> None:
    push(settings, "1", "2", "3")
    decide(settings, CASE, "retire", "3", "ann", "wrong rows")
    state = decide(settings, CASE, "pin", "1", "bob", "the year's end")
    assert state.why_not("1") == ""
    promote = "`lakeloop models promote 2 -u any` has it serve"
    assert state.why_not("2") == f"version 1 is pinned (bob: the year's end); {promote}"
    assert state.why_not("3") == "it is retired; `lakeloop models restore 3 -u any` takes that back"
    assert decide(settings, CASE, "unpin", "", "bob", "over").why_not("2").startswith("version 1 does; ")


def test_of_two_who_decide_at_once_one_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    push(settings, "1", "2", "3")
    known = read_entries(settings, CASE)
    with engine(settings.operational_db).begin() as connection:  # another one, after this one has looked
        connection.execute(insert(entries).values(use_case=CASE, **vars(entry("promote", "1", "3"))))
    monkeypatch.setattr("lakeloop.releases.read_entries", lambda settings, name: known)
    with pytest.raises(BusyError, match="somebody else decided of any at the same moment"):
        decide(settings, CASE, "promote", "2", "bob", "")


CHALLENGE, CANARY = entry("challenge", "3", "2"), entry("canary", "3", "3", 2)


@pytest.mark.parametrize(
    ("found", "pushed", "champion", "previous", "challenger"),
    [
        ([CHALLENGE], ["1", "2"], "2", "1", ""),  # it is being pushed
        ([CHALLENGE], ["1", "2", "3"], "2", "1", "3"),
        ([CHALLENGE, CANARY], ["1", "2", "3"], "2", "1", "3"),
        ([CHALLENGE, CANARY, entry("promote", "3", "3", 3)], ["1", "2", "3"], "3", "2", ""),
        ([CHALLENGE, CANARY, entry("promote", "3", "3", 3)], ["1", "2", "3", "4"], "4", "3", ""),
        ([CHALLENGE, entry("abort", "3", "3", 2)], ["1", "2", "3"], "2", "1", ""),
        ([CHALLENGE, entry("abort", "3", "3", 2)], ["1", "3"], "1", "", ""),  # it does not follow the one that is gone
        ([CHALLENGE, entry("abort", "3", "3", 2)], ["3"], "3", "", ""),  # unless nothing else is left
        ([CHALLENGE, entry("abort", "3", "3", 2), entry("promote", "3", "3", 3)], ["1", "2", "3"], "3", "2", ""),
        ([CHALLENGE], ["1", "3"], "1", "", "3"),  # whoever serves in the place of one that is gone
        ([CHALLENGE], ["3"], "3", "", ""),
        ([CHALLENGE, entry("promote", "1", "3", 2)], ["1", "2", "3"], "1", "2", ""),
        ([CHALLENGE, entry("rollback", "1", "3", 2)], ["1", "2", "3"], "1", "2", ""),
        ([CHALLENGE, entry("pin", "2", "3", 2)], ["1", "2", "3"], "2", "1", ""),
        ([CHALLENGE, entry("pin", "3", "3", 2)], ["1", "2", "3"], "3", "2", ""),
        ([CHALLENGE, entry("retire", "3", "3", 2)], ["1", "2", "3"], "2", "1", ""),
        ([CHALLENGE], ["1", "2", "3", "4"], "4", "2", ""),  # pushed straight to serving
        ([CHALLENGE, entry("challenge", "4", "3", 2)], ["1", "2", "3", "4"], "2", "1", "4"),
    ],
)
def test_a_challenger_serves_when_it_is_promoted_and_not_before(
    found: list[ReleaseEntry], pushed: list[str], champion: str, previous: str, challenger: str
) -> None:
    state = fold(found, pushed)
    assert (state.champion, state.previous, state.challenger) == (champion, previous, challenger)


def test_a_challenge_begins_before_the_push_and_goes_through_its_stages(settings: Settings) -> None:
    assert "version 1 does at once" in challenge(settings, CASE, "1", "")
    push(settings, "1")
    assert challenge(settings, CASE, "2", "new truth") == ""
    push(settings, "2")
    state = read_release(settings, CASE)
    assert (state.labels, state.stage) == ({"champion": "1", "challenger": "2"}, "shadow")
    assert re.search(r"it challenges version 1, in the shadow since [\d-]{10} \d\d:\d\d UTC;", state.why_not("2"))
    assert [state.standing(version) for version in "012"] == ["", "champion", "challenger, shadow"]
    assert decide(settings, CASE, "canary", "challenger", WHO, "500 answers").stage == "canary"
    with pytest.raises(WrongUseError, match="is a canary already"):
        decide(settings, CASE, "canary", "2", WHO, "")
    assert challenge(settings, CASE, "3", "newer truth") == ""
    push(settings, "3")
    with pytest.raises(WrongUseError, match="version 2 of any challenges nothing any more"):
        decide(settings, CASE, "promote", "2", WHO, "it was looked at before")
    with pytest.raises(WrongUseError, match="version 2 of any challenges nothing; version 3 does"):
        decide(settings, CASE, "abort", "2", "ann", "")
    assert decide(settings, CASE, "promote", "challenger", WHO, "it is as good").champion == "3"
    with pytest.raises(WrongUseError, match="no version of any challenges version 3"):
        decide(settings, CASE, "abort", "", "ann", "")
    actions = [(one.action, one.version) for one in read_entries(settings, CASE)]
    assert actions == [
        ("challenge", "2"), ("canary", "2"), ("abort", "2"), ("challenge", "3"), ("promote", "3")
    ]  # fmt: skip


def test_beside_a_pinned_version_nothing_challenges_and_an_aborted_one_may_try_again(settings: Settings) -> None:
    push(settings, "1")
    challenge(settings, CASE, "2", "new truth")
    push(settings, "2")
    assert decide(settings, CASE, "abort", "challenger", "ann", "odd answers").challenger == ""
    assert decide(settings, CASE, "challenge", "2", "ann", "they were right").challenger == "2"
    assert decide(settings, CASE, "pin", "champion", "ann", "the year's end").challenger == ""
    assert "version 1 is pinned (ann: the year's end), so version 3" in challenge(settings, CASE, "3", "")
    with pytest.raises(WrongUseError, match=r"is pinned .*; `lakeloop models unpin -u any` first"):
        decide(settings, CASE, "challenge", "2", "ann", "")
