"""One retrain at a time a use case, in one process or in Airflow's tasks."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lakeloop.events import find_event, open_events, record_event, take_open_events
from lakeloop.exceptions import BusyError, NotFoundError
from lakeloop.settings import PROJECT, Settings
from lakeloop.use_case import UseCase
from operations.retraining import stages
from operations.retraining.record_table import load_record, records_at_work
from operations.retraining.request import RetrainRequest, Workplace
from operations.retraining.retrain import retrain
from operations.retraining.retrain_lock import the_only_retrain
from operations.retraining.undecided import find_decided, undecided
from tests.command_line import Run

AT_WORK = """
import sys, time
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from operations.retraining.request import Listener, RetrainRequest, Workplace
from operations.retraining.retrain import retrain

def hang(text):
    print(text, flush=True)
    time.sleep(600)

work = Workplace(open_use_case(load_settings(use_case="insurance")), None, Listener(say=hang))
retrain(work, RetrainRequest("keep"))
"""
KEEP = RetrainRequest("keep")


@contextmanager
def retraining(settings: Settings) -> Iterator["subprocess.Popen[str]"]:
    """A process in the middle of a retrain; killed (-9) at the end."""
    environment = {**os.environ, "LAKELOOP_HOME": str(settings.home)}
    holder = subprocess.Popen(
        [sys.executable, "-c", AT_WORK], env=environment, cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "champion: none yet\n"
        yield holder
    finally:
        holder.kill()
        holder.wait()


def test_a_second_retrain_is_refused_while_one_runs(settings: Settings, use_case: UseCase, lakeloop: Run) -> None:
    with retraining(settings) as holder:
        record_event(use_case, "drift", "e1", {"month": 11})
        refused = lakeloop("retrain", "--use-case", "insurance")
        assert refused.returncode == BusyError.exit_code == 1
        assert f"another retrain of insurance is running on this home (process {holder.pid})" in refused.stderr
        assert [event.key for event in open_events(use_case)] == ["e1"], "it took no event"
    with the_only_retrain(use_case):
        pass  # whoever was killed holds nothing


def test_the_next_retrain_takes_over_the_events_of_one_that_was_killed(
    settings: Settings, work: Workplace, lakeloop: Run
) -> None:
    event, _ = record_event(work.use_case, "drift", "e1", {"month": 11})
    with retraining(settings):
        (killed,) = records_at_work(work.use_case)
        assert undecided(work.use_case, ()) == [(killed, "begun")]
        assert killed.state == "begun" and find_event(work.use_case, event.id).handled_by == killed.decision_id
    assert load_record(work.use_case, killed.decision_id).state == "begun", "it could not say that it died"
    assert undecided(work.use_case, ()) == [(killed, "killed")]
    with pytest.raises(NotFoundError, match=r"was killed when it was begun: .*; the next `lakeloop retrain` ends it"):
        find_decided(work.use_case, killed.decision_id)
    listed = lakeloop("decisions", "list", "--use-case", "insurance")
    assert killed.decision_id in listed.stdout and "killed: nobody is at it" in listed.stdout, listed.stderr
    made = retrain(work, KEEP)
    assert made is not None and made.event_ids == (str(event.id),) and made.trigger == "drift"
    assert find_event(work.use_case, event.id).handled_by == made.decision_id
    with pytest.raises(NotFoundError, match=r"was not made: .*, because of drift, is failed: .* open again$"):
        find_decided(work.use_case, killed.decision_id)
    assert load_record(work.use_case, made.decision_id).state == "recorded"
    assert records_at_work(work.use_case) == []


def test_between_its_tasks_airflows_retrain_is_at_work(settings: Settings, work: Workplace) -> None:
    event, _ = record_event(work.use_case, "drift", "e1", {"month": 11})
    first = stages.begin(work, RetrainRequest(airflow_run_id="scheduled__1"), in_tasks=True)
    assert first is not None
    hint = rf"decision {first.decision_id} of Airflow's run scheduled__1.*lakeloop decisions finish {first.decision_id}"
    with pytest.raises(BusyError, match=hint), the_only_retrain(work.use_case):
        pass
    with pytest.raises(BusyError, match=hint):
        retrain(work, KEEP)
    with the_only_retrain(work.use_case, first.decision_id):
        pass  # its own next task
    # Airflow runs one at a time: the one before is over, and what it took is this one's.
    second = stages.begin(work, RetrainRequest(airflow_run_id="scheduled__2"), in_tasks=True)
    assert second is not None and second.event_ids == (str(event.id),)
    assert load_record(work.use_case, first.decision_id).state == "failed"
    assert stages.finish(work, second.decision_id).state == "failed"
    assert [event.key for event in open_events(work.use_case)] == ["e1"]
    assert stages.finish(work, second.decision_id).state == "failed", "done again it changes nothing"
    with the_only_retrain(work.use_case):
        pass


def test_a_retrain_that_waits_for_a_person_is_not_at_work(settings: Settings, work: Workplace, planned: object) -> None:
    planned(state="waiting", in_tasks=True)  # type: ignore[operator]
    assert retrain(work, KEEP) is not None
    assert load_record(work.use_case, "d1").state == "waiting"


def in_airflow_run(run: str, result: Path) -> dict[str, str]:
    return {"LAKELOOP_AIRFLOW_RUN_ID": run, "LAKELOOP_AIRFLOW_DAG_ID": "d", "LAKELOOP_RESULT_FILE": str(result)}


def test_a_run_whose_events_somebody_handled_has_nothing_to_do(
    use_case: UseCase, lakeloop: Run, tmp_path: Path
) -> None:
    record_event(use_case, "drift", "e1", {"month": 11})
    take_open_events(use_case, "an earlier run")
    result = tmp_path / "result.json"
    done = lakeloop("decisions", "begin", "--woken-by", "1", "--use-case", "insurance", **in_airflow_run("r1", result))
    assert done.returncode == 0, done.stderr
    assert json.loads(result.read_text())["decision"] == "" and "nothing to do" in done.stdout
    assert records_at_work(use_case) == []


def test_the_first_task_shows_why_and_the_last_one_opens_the_events_of_a_run_that_failed(
    use_case: UseCase, lakeloop: Run, tmp_path: Path
) -> None:
    record_event(use_case, "drift", "e1", {"month": 11})
    result = tmp_path / "result.json"
    airflow = in_airflow_run("r1", result)
    begun = lakeloop("decisions", "begin", "--woken-by", "1", "--use-case", "insurance", **airflow)
    assert begun.returncode == 0, begun.stderr
    assert 'event 1 drift e1: {"month": 11}' in begun.stdout
    found = json.loads(result.read_text())
    assert found["events"] == ["1"] and found["trigger"] == "drift"
    assert open_events(use_case) == ()
    ended = lakeloop("decisions", "finish", found["decision"], "--use-case", "insurance", **airflow)
    assert ended.returncode == 0, ended.stderr
    assert "its events are open again" in ended.stdout
    assert [event.id for event in open_events(use_case)] == [1]
    with the_only_retrain(use_case):
        pass
