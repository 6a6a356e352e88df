"""The event ledger, on SQLite and PostgreSQL: each thing once, taken by one run, whoever asks at the same time."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakeloop.events import (
    all_events,
    open_events,
    record_event,
    release_events,
    take_open_events,
)
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import UseCase, open_use_case
from tests.command_line import Run
from tests.postgresql_server import postgresql_server

OPEN = """
import sys
from lakeloop.events import record_event, take_open_events
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
contract = open_use_case(load_settings(), "insurance").contract
ledger = UseCase(load_settings(), contract.model_copy(update={"use_case": sys.argv[1]}))
"""
RECORDS = """
for n in range(20):
    record_event(ledger, "drift", f"episode-{n}", {"n": n})
"""
TAKES = """
mine = set()
for n in range(15):
    record_event(ledger, "drift", f"{sys.argv[2]}-{n}", {})
    mine |= {e.id for e in take_open_events(ledger, sys.argv[2])}
print(sorted(mine))
"""


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server of its own."""
    with postgresql_server() as server:
        yield server.socket_url


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> UseCase:
    """A use case whose ledger is empty."""
    url = request.getfixturevalue("postgresql") if request.param == "postgresql" else ""
    return named(f"use_case_{abs(hash(request.node.name))}", load_settings(home=tmp_path, database_url=url))


def named(name: str, settings: Settings) -> UseCase:
    """The first use case by another name."""
    contract = open_use_case(settings, "insurance").contract
    return UseCase(settings, contract.model_copy(update={"use_case": name}))


def in_processes(ledger: UseCase, code: str, names: list[str]) -> list[str]:
    """Run the same code in several processes at once; what each printed."""
    environment = {
        **os.environ,
        "LAKELOOP_HOME": str(ledger.settings.home),
        "LAKELOOP_DATABASE_URL": ledger.settings.database_url,
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN + code, ledger.name, name], env=environment, stdout=subprocess.PIPE, text=True
        )
        for name in names
    ]
    outputs = [process.communicate(timeout=400)[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(names)
    return outputs


def test_the_same_key_is_one_event_and_keeps_its_first_payload(ledger: UseCase) -> None:
    first, created = record_event(ledger, "drift", "episode-1", {"scores": {"miles": 0.22}})
    again, created_again = record_event(ledger, "drift", "episode-1", {"scores": {"miles": 0.99}})
    assert created and not created_again and again == first and first.payload == {"scores": {"miles": 0.22}}
    _, other_kind = record_event(ledger, "ground_truth", "episode-1", {})
    _, other_use_case = record_event(named(ledger.name + "x", ledger.settings), "drift", "episode-1", {})
    assert other_kind and other_use_case and len(all_events(ledger)) == 2


def test_a_run_takes_all_open_events_once_and_a_retry_gets_them_again(ledger: UseCase) -> None:
    for key in ("a", "b"):
        record_event(ledger, "drift", key, {})
    taken = take_open_events(ledger, "run-1")
    assert [event.key for event in taken] == ["a", "b"] and {event.handled_by for event in taken} == {"run-1"}
    assert take_open_events(ledger, "run-2") == () and open_events(ledger) == ()
    assert take_open_events(ledger, "run-1") == taken
    record_event(ledger, "drift", "c", {})
    assert [event.key for event in take_open_events(ledger, "run-2")] == ["c"]
    assert release_events(ledger, "run-1") == 2
    assert [event.key for event in open_events(ledger)] == ["a", "b"]


def test_many_processes_record_the_same_events_once(ledger: UseCase) -> None:
    in_processes(ledger, RECORDS, ["a", "b", "c", "d"])
    assert sorted(event.key for event in all_events(ledger)) == sorted(f"episode-{n}" for n in range(20))


def test_runs_that_take_at_the_same_time_share_no_event(ledger: UseCase) -> None:
    taken = [set(json.loads(text)) for text in in_processes(ledger, TAKES, ["a", "b", "c"])]
    assert sum(map(len, taken)) == len(set().union(*taken)) == 45
    assert open_events(ledger) == ()


def test_an_event_without_kind_or_key_is_refused(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, use_case="insurance")
    with pytest.raises(WrongUseError, match="kinds: drift, ground_truth"):
        record_event(open_use_case(settings), "sunshine", "x", {})  # type: ignore[arg-type]
    with pytest.raises(WrongUseError, match="needs a key"):
        record_event(open_use_case(settings), "drift", "", {})


def test_the_command_line_lists_and_shows(lakeloop: Run, use_case: UseCase) -> None:
    assert "no open events" in lakeloop("events", "list").stdout
    event, _ = record_event(use_case, "drift", "episode-1", {"features": ["miles"]})
    listed = lakeloop("events", "list").stdout
    assert "episode-1" in listed and "not told yet" in listed
    shown = json.loads(lakeloop("events", "show", event.id).stdout)
    assert shown["payload"] == {"features": ["miles"]} and shown["asset"] == "insurance/drift"
    take_open_events(use_case, "ann")
    assert "no open events" in lakeloop("events", "list").stdout
    assert "ann" in lakeloop("events", "list", "--all").stdout
    missing = lakeloop("events", "show", 7)
    assert missing.returncode == 1 and "there is no event 7" in missing.stderr
