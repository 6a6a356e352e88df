"""The stages of a retrain: each can be done again, and what it puts down is what the next one reads."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from lakeloop.decision_table import read_decisions
from lakeloop.events import open_events, record_event
from lakeloop.exceptions import BrokenError, NotFoundError, WrongUseError
from lakeloop.gate_check import GateCheck
from lakeloop.notifications import told_notifications
from lakeloop.releases import challenge
from lakeloop.settings import Settings
from operations.retraining import stages
from operations.retraining.approval import Approval
from operations.retraining.record import RetrainRecord
from operations.retraining.record_table import load_record
from operations.retraining.request import RetrainRequest, Workplace
from operations.retraining.retrain import decide, retrain
from tests.operations.retraining.conftest import Heard
from tfx_pipeline.metadata.annotations import RUN_CONTEXT
from tfx_pipeline.metadata.store import connection_config
from tfx_pipeline.runs.run_record import load_run

Gated = Callable[..., tuple[GateCheck, ...]]
Planned = Callable[..., RetrainRecord]


def begun(work: Workplace, request: RetrainRequest, in_tasks: bool = False) -> RetrainRecord:
    found = stages.begin(work, request, in_tasks)
    assert found is not None
    return found


def kept(work: Workplace, decision_id: str = "d1") -> RetrainRecord:
    return load_record(work.use_case, decision_id)


def make_metadata(settings: Settings, *runs: str) -> "object":
    """ML Metadata as the pipeline leaves it, as far as annotations need it."""
    from ml_metadata import metadata_store
    from ml_metadata.proto import metadata_store_pb2 as proto

    store = metadata_store.MetadataStore(connection_config(settings))
    kind = store.put_context_type(proto.ContextType(name=RUN_CONTEXT))
    store.put_contexts([proto.Context(type_id=kind, name=run) for run in runs])
    return store


def test_a_repeated_begin_keeps_its_decision_and_takes_what_came_since(work: Workplace, settings: Settings) -> None:
    record_event(work.use_case, "drift", "e1", {"month": 11})
    request = RetrainRequest(airflow_run_id="asset__1")
    first = begun(work, request, in_tasks=True)
    record_event(work.use_case, "ground_truth", "g1", {"rows": 3})
    again = begun(work, request, in_tasks=True)
    assert again.decision_id == first.decision_id and again.at == first.at
    assert [event.key for event in first.events] == ["e1"]
    assert [event.key for event in again.events] == ["e1", "g1"]
    assert again.trigger == "drift, ground_truth"
    other = begun(work, RetrainRequest(airflow_run_id="asset__2"), in_tasks=True)
    assert other.decision_id != first.decision_id


def test_drift_alone_may_have_its_own_strategy(work: Workplace, settings: Settings) -> None:
    chosen = replace(
        work, use_case=replace(work.use_case, settings=settings.model_copy(update={"strategy_on_drift": "reweight"}))
    )
    assert begun(chosen, RetrainRequest()).request.strategy == "auto", "no event: by hand"
    record_event(work.use_case, "drift", "e1", {})
    assert begun(chosen, RetrainRequest()).request.strategy == "reweight"
    record_event(work.use_case, "ground_truth", "g1", {})
    assert begun(chosen, RetrainRequest()).request.strategy == "auto", "there is new truth"


def test_a_candidates_baselines_are_those_of_another_on_the_same_export(
    work: Workplace, gated_run: Gated, planned: Planned
) -> None:
    """There is no export here: what cannot be computed is left out, and the verdict is the gate's all the same."""
    known = {"majority": 0.4, "trees": 0.88}
    gated_run("run-1", 0.3, manifest_sha256="a", baselines=known)
    gated_run("run-2", 0.3, manifest_sha256="a")
    gated_run("run-3", 0.3, manifest_sha256="b")
    planned("run-1", "run-2", "run-3")
    verdicts = [stages.score(work, kept(work), run).verdicts[run] for run in ("run-2", "run-3")]
    assert [load_run(work.use_case, run).baselines for run in ("run-2", "run-3")] == [known, {}]
    assert all(verdict.passed and not verdict.error for verdict in verdicts)


def test_a_retrain_that_fails_opens_its_events_again(work: Workplace, settings: Settings) -> None:
    record_event(work.use_case, "drift", "e1", {})
    with pytest.raises(WrongUseError, match="no labelled row"):
        retrain(work, RetrainRequest("newest"))
    assert [event.key for event in open_events(work.use_case)] == ["e1"]


def test_who_goes_on_with_a_failed_retrain_takes_its_events_back(work: Workplace, settings: Settings) -> None:
    record_event(work.use_case, "drift", "e1", {})
    first = begun(work, RetrainRequest("keep", airflow_run_id="asset__1"), in_tasks=True)
    assert stages.finish(work, first.decision_id).state == "failed"
    record_event(work.use_case, "drift", "e2", {})
    assert stages.plan(work, kept(work, first.decision_id)).state == "planned"
    assert [event.key for event in open_events(work.use_case)] == ["e2"], "what it had not taken stays open"


def test_stages_know_what_comes_before_them(work: Workplace, planned: Planned) -> None:
    first = begun(work, RetrainRequest("keep"))
    with pytest.raises(NotFoundError, match=rf"`lakeloop decisions plan {first.decision_id}` comes first"):
        stages.compare(work, kept(work, first.decision_id))
    planned("run-1")
    with pytest.raises(NotFoundError, match="`lakeloop decisions compare d1` comes first"):
        stages.record(work, kept(work))
    with pytest.raises(NotFoundError, match="no candidate with run run-2; its runs: run-1"):
        stages.score(work, kept(work), "run-2")


def test_a_stage_done_again_takes_what_is_there(work: Workplace) -> None:
    first = begun(work, RetrainRequest("keep"))
    planned = stages.plan(work, kept(work, first.decision_id))
    assert stages.plan(work, kept(work, first.decision_id)) == planned
    compared = stages.compare(work, kept(work, first.decision_id))
    assert (compared.state, compared.next_step) == ("decided", "record")
    assert stages.push(work, kept(work, first.decision_id)) == compared, "nothing is promoted"
    made = stages.record(work, kept(work, first.decision_id))
    assert stages.record(work, kept(work, first.decision_id)) == made
    assert stages.plan(work, kept(work, first.decision_id)).state == "recorded"
    assert stages.finish(work, first.decision_id).state == "recorded"
    (row,) = read_decisions(work.use_case)
    assert row.outcome == "kept" and row.decision_id == first.decision_id


def test_candidates_that_nobody_scored_are_scored_before_they_are_compared(
    work: Workplace, settings: Settings, planned: Planned, gated_run: Gated
) -> None:
    make_metadata(settings, "run-1", "run-2")
    gated_run("run-1", 0.5), gated_run("run-2", 0.45)
    planned("run-1", "run-2")
    stages.score(work, kept(work), "run-2")
    assert load_record(work.use_case, "d1").state == "scoring"
    compared = stages.compare(work, kept(work))
    assert (compared.state, compared.next_step, set(compared.verdicts)) == ("waiting", "ask", {"run-1", "run-2"})
    assert [c.name for c in compared.the_decision.candidates] == ["run-1", "run-2"], "as planned"
    assert read_decisions(work.use_case) == [compared.decision], "where people look, while it waits"
    stages.compare(work, kept(work))
    (told,) = told_notifications(settings)
    assert (told.notification.kind, told.notification.link) == (
        "question",
        f"{settings.monitor}/insurance/decisions/d1",
    )
    assert "`lakeloop decide -u insurance d1` answers" in told.notification.text


def test_no_run_of_a_retrain_that_was_killed_is_called_running(
    work: Workplace, planned: Planned, gated_run: Callable[..., object]
) -> None:
    gated_run("run-1", 0.3)
    gated_run("run-2", 0.3, gate=None, blessed=None)
    planned("run-1", "run-2", "gone")
    assert stages.finish(work, "d1").state == "failed"
    trained, killed = load_run(work.use_case, "run-1"), load_run(work.use_case, "run-2")
    assert (trained.state, trained.error) == ("succeeded", "")
    assert killed.state == "failed" and "it was killed, or nobody went on" in killed.error


def test_a_candidate_that_was_mended_is_compared_again(
    work: Workplace, settings: Settings, planned: Planned, gated_run: Gated
) -> None:
    make_metadata(settings, "run-1")
    gated_run("run-1", 0.5, state="failed", error="the disk is full")
    planned("run-1")
    assert stages.compare(work, kept(work)).the_decision.candidates[0].error == "the disk is full"
    gated_run("run-1", 0.5)
    stages.score(work, kept(work), "run-1")
    assert stages.compare(work, kept(work)).the_decision.candidates[0].error == ""


def test_a_push_that_fails_is_on_record_and_may_be_tried_again(
    work: Workplace, settings: Settings, planned: Planned, gated_run: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_event(work.use_case, "drift", "e1", {})
    make_metadata(settings, "run-1")
    checks = gated_run("run-1", 0.5)
    planned("run-1")
    stages.compare(work, kept(work))
    monkeypatch.setattr("operations.retraining.approval.overrule_the_gate", lambda *_: None)
    approval = Approval("promote", by="demo")

    def disk_full(*_: object, **__: object) -> None:
        gated_run("run-1", 0.5, state="failed", error="the disk is full")
        raise BrokenError("the disk is full")

    monkeypatch.setattr(stages, "push_run", disk_full)
    with pytest.raises(BrokenError, match="the disk is full"):
        decide(work, "d1", approval)
    (row,) = read_decisions(work.use_case)
    assert row.outcome == "kept" and row.reason.endswith("could not be pushed: the disk is full")
    failed = load_record(work.use_case, "d1")
    assert failed.state == "failed" and failed.the_decision.outcome == "promoted", "the plan to promote stays"

    def push_beside_the_champion(*_: object, **__: object) -> None:
        for version in ("17", "18"):
            challenge(settings, work.use_case.name, version, "new truth")
            (work.use_case.folder("models") / version).mkdir(parents=True)
            (work.use_case.folder("models") / version / "saved_model.pb").touch()
        gated_run("run-1", 0.5, pushed_version="18")

    monkeypatch.setattr(stages, "push_run", push_beside_the_champion)
    made = decide(work, "d1", approval)
    assert "version 18 does not serve yet: it challenges version 17, in the shadow" in made.reason
    assert (made.outcome, made.version, made.choice) == ("promoted", "18", "promote")
    assert read_decisions(work.use_case) == [made] and load_record(work.use_case, "d1").state == "recorded"
    assert made.candidates[0].checks == checks


def test_one_killed_after_its_push_is_put_on_record_by_the_next(
    work: Workplace, settings: Settings, heard: Heard, planned: Planned, gated_run: Gated
) -> None:
    make_metadata(settings, "run-1")
    gated_run("run-1", 0.35)
    planned("run-1")
    assert stages.compare(work, kept(work)).state == "decided", "nothing is better than the champion without a score"
    record = load_record(work.use_case, "d1")
    promoted = record.the_decision.model_copy(update={"outcome": "promoted", "winner": "run-1"})
    from operations.retraining.record_table import change_record

    change_record(work.use_case, "d1", lambda found: found.decided(promoted))
    gated_run("run-1", 0.35, pushed_version="18")
    folder = work.use_case.folder("models") / "18"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").touch()
    next_one = begun(work, RetrainRequest("keep"))
    assert load_record(work.use_case, "d1").state == "recorded"
    (row,) = read_decisions(work.use_case)
    assert (row.decision_id, row.outcome, row.version) == ("d1", "promoted", "18")
    assert heard.cards == ["18"], "its model card is written, too"
    assert load_record(work.use_case, next_one.decision_id).state == "begun"


def test_a_projection_that_fails_keeps_none_of_the_others_away_and_is_written_later(
    work: Workplace, settings: Settings, heard: Heard, planned: Planned, gated_run: Gated
) -> None:
    """There is no ML Metadata: the pipeline never ran."""
    gated_run("run-1", 0.35)
    planned("run-1")
    stages.compare(work, kept(work))
    with pytest.raises(BrokenError, match=r"could not be put everywhere .*ML Metadata.*lakeloop decisions record d1"):
        stages.record(work, kept(work))
    recorded = kept(work)
    assert recorded.state == "recorded"
    assert read_decisions(work.use_case) == [recorded.decision] == heard.pages
    store = make_metadata(settings, "run-1")
    made = stages.record(work, kept(work))
    assert made == recorded.decision
    context = store.get_context_by_type_and_name(RUN_CONTEXT, "run-1")  # type: ignore[attr-defined]
    assert context.custom_properties["decision_outcome"].string_value == "kept"


def test_no_stage_fails_for_want_of_airflows_note(work: Workplace, settings: Settings, heard: Heard) -> None:
    away = {"airflow_url": "http://127.0.0.1:9", "airflow_run_id": "r1", "airflow_dag_id": "d"}
    without = replace(work, use_case=replace(work.use_case, settings=settings.model_copy(update=away)))
    first = begun(without, RetrainRequest("keep"))
    assert first.state == "begun"
    assert [text for text in heard.said if "the run's note could not be set" in text and "does not answer" in text]
