"""A release by Airflow's form: what was filled in is decided, and what is not possible is a red run."""

import json
from pathlib import Path

import pytest

from lakeloop.model_folders import SAVED_MODEL, models_folder
from lakeloop.releases import decide, read_entries, read_release
from lakeloop.settings import load_settings
from tests.dags.conftest import InAirflow

pytestmark = pytest.mark.long


def test_a_release_is_decided_by_a_form(in_airflow: InAirflow, tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "var")
    for version in ("1", "2"):
        folder = models_folder(settings, "insurance") / version
        folder.mkdir(parents=True)
        (folder / SAVED_MODEL).touch()

    def decided(action: str, version: str | None, why: str | None) -> object:
        conf = {"action": action, "version": version, "why": why}
        return in_airflow("run_dag", "insurance_release", json.dumps(conf))["state"]

    assert decided("pin", "1", "it's $1") == "success"
    assert decided("rollback", None, "slow") == "success"
    assert decided("promote", "9", "new") == "failed"
    entries = read_entries(settings, "insurance")
    assert [(entry.action, entry.version, entry.why) for entry in entries] == [
        ("pin", "1", "it's $1"), ("rollback", "2", "slow"),
    ]  # fmt: skip
    assert all(entry.who for entry in entries) and read_release(settings, "insurance").champion == "2"

    for action, version, champion in (("abort", None, "2"), ("promote", "challenger", "1")):
        decide(settings, "insurance", "challenge", "1", "a test", "a try")
        assert decided(action, version, "we know enough") == "success"
        entry, state = read_entries(settings, "insurance")[-1], read_release(settings, "insurance")
        assert (entry.action, entry.version, entry.why) == (action, "1", "we know enough")
        assert (state.champion, state.challenger) == (champion, "")
