"""One retrain at a time a use case, in one process or in Airflow's steps."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakeloop.events import open_events, record_event, take_open_events
from lakeloop.exceptions import BusyError
from lakeloop.settings import PROJECT, Settings
from operations.retraining.decision_files import BEGUN, decision_folder, load_begun
from operations.retraining.planning import begin
from operations.retraining.request import RetrainRequest
from operations.retraining.retrain_lock import hold, let_go, the_only_retrain
from tests.command_line import Run

HOLD = """
import sys, time
from operations.retraining.retrain_lock import the_only_retrain
from lakeloop.settings import load_settings
with the_only_retrain(load_settings(use_case="insurance")):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_retrain_is_refused_while_one_runs(settings: Settings, lakeloop: Run) -> None:
    environment = {**os.environ, "LAKELOOP_HOME": str(settings.home)}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], env=environment, cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        record_event(settings, "drift", "e1", {"month": 11})
        refused = lakeloop("retrain", "--use-case", "insurance")
        assert refused.returncode == BusyError.exit_code == 1
        assert f"another retrain of insurance is running on this home (process {holder.pid})" in refused.stderr
        assert [event.key for event in open_events(settings)] == ["e1"], "it took no event"
    finally:
        holder.kill()
        holder.wait()
    with the_only_retrain(settings):
        pass  # whoever was killed holds nothing


def test_between_its_steps_airflows_retrain_is_at_work(settings: Settings) -> None:
    hold(settings, "d1", "scheduled__1")
    with (
        pytest.raises(BusyError, match=r"decision d1 of Airflow's run scheduled__1.*lakeloop decisions finish d1"),
        the_only_retrain(settings),
    ):
        pass
    with the_only_retrain(settings, "d1"):
        pass  # its own next step
    with the_only_retrain(settings, airflow_run_id="scheduled__2"):
        pass  # Airflow runs one at a time: the one before is over
    assert let_go(settings, "d1") and not let_go(settings, "d1")
    with the_only_retrain(settings):
        pass


def test_a_repeated_begin_keeps_its_decision_and_takes_what_came_since(settings: Settings) -> None:
    record_event(settings, "drift", "e1", {"month": 11})
    request = RetrainRequest(airflow_run_id="asset__1")
    first = begin(settings, request)
    record_event(settings, "ground_truth", "g1", {"rows": 3})
    again = begin(settings, request)
    assert again.decision_id == first.decision_id and again.at == first.at
    assert [event.key for event in first.events] == ["e1"]
    assert [event.key for event in again.events] == ["e1", "g1"]
    assert again.trigger == "drift, ground_truth"
    assert begin(settings, RetrainRequest(airflow_run_id="asset__2")).decision_id != first.decision_id


def test_a_retrain_begun_by_an_older_release_goes_on(settings: Settings) -> None:
    begun = begin(settings, RetrainRequest(strategy="newest", airflow_run_id="asset__1"))
    path = decision_folder(settings, begun.decision_id) / BEGUN
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({"asked": kept.pop("request"), **kept}))
    assert load_begun(settings, begun.decision_id) == begun


def test_drift_alone_may_have_its_own_strategy(settings: Settings) -> None:
    chosen = settings.model_copy(update={"strategy_on_drift": "reweight"})
    assert begin(chosen, RetrainRequest()).request.strategy == "auto", "no event: asked for by hand"
    record_event(chosen, "drift", "e1", {})
    assert begin(chosen, RetrainRequest()).request.strategy == "reweight"
    record_event(chosen, "drift", "e2", {})
    record_event(chosen, "ground_truth", "g1", {})
    assert begin(chosen, RetrainRequest()).request.strategy == "auto", "there is new truth"


def in_airflow_run(run: str, result: Path) -> dict[str, str]:
    return {"LAKELOOP_AIRFLOW_RUN_ID": run, "LAKELOOP_AIRFLOW_DAG_ID": "d", "LAKELOOP_RESULT_FILE": str(result)}


def test_a_run_whose_events_somebody_handled_has_nothing_to_do(
    settings: Settings, lakeloop: Run, tmp_path: Path
) -> None:
    record_event(settings, "drift", "e1", {"month": 11})
    take_open_events(settings, "an earlier run")
    result = tmp_path / "result.json"
    done = lakeloop("decisions", "begin", "--woken-by", "1", "--use-case", "insurance", **in_airflow_run("r1", result))
    assert done.returncode == 0, done.stderr
    assert json.loads(result.read_text())["decision"] == "" and "nothing to do" in done.stdout


def test_the_first_step_shows_why_and_the_last_one_opens_the_events_of_a_run_that_failed(
    settings: Settings, lakeloop: Run, tmp_path: Path
) -> None:
    record_event(settings, "drift", "e1", {"month": 11})
    result = tmp_path / "result.json"
    airflow = in_airflow_run("r1", result)
    begun = lakeloop("decisions", "begin", "--woken-by", "1", "--use-case", "insurance", **airflow)
    assert begun.returncode == 0, begun.stderr
    assert 'event 1 drift e1: {"month": 11}' in begun.stdout
    found = json.loads(result.read_text())
    assert found["events"] == ["1"] and found["trigger"] == "drift"
    assert open_events(settings) == ()
    ended = lakeloop("decisions", "finish", found["decision"], "--use-case", "insurance", **airflow)
    assert ended.returncode == 0, ended.stderr
    assert [event.id for event in open_events(settings)] == [1]
    with the_only_retrain(settings):
        pass
