"""The loop as it runs in production: every service, Airflow's real scheduler, two kills, and a person who decides."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from playwright.sync_api import Browser, Page, expect

from console.platform.airflow_environment import AIRFLOW
from console.platform.generated_secrets import secret_files
from lakeloop.airflow_runs import DagRun, Question
from lakeloop.decision import CHOICES
from lakeloop.events import all_events, find_event
from lakeloop.gateway_client import GatewayClient
from operations.lineage.graph import Lineage
from operations.simulation import questions_of
from tests.browser import chromium
from tests.console.platform.conftest import run_in
from tests.e2e.running_platform import PERSON, Platform
from tests.waiting import eventually

pytestmark = [
    pytest.mark.loop,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not AIRFLOW.exists(), reason="Airflow's environment is not there (`make airflow`)"),
]


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Closed after each test: an open one has an event loop in this thread, where the gateway's client wants one."""
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser, platform: Platform) -> Page:
    """Airflow's pages, for a person who has logged in."""
    opened = browser.new_page(viewport={"width": 1440, "height": 1000})
    opened.goto(platform.airflow.url)
    opened.locator("input[name=username]").fill(PERSON)
    opened.locator("input[name=password]").fill(
        json.loads(secret_files(platform.settings).passwords.read_text())[PERSON]
    )
    opened.get_by_role("button", name="Sign in").click()
    expect(opened.get_by_text("Stats").first).to_be_visible(timeout=60_000)
    return opened


def test_dropped_files_are_ingested_and_the_wrong_one_is_seen(platform: Platform, ingested: DagRun) -> None:
    tasks = {task.task_id: task.state for task in platform.airflow.tasks(ingested)}
    assert tasks == {
        "bronze": "success", "silver": "success", "gold": "success", "ground_truth": "success",
        "refused_files": "failed",
    }  # fmt: skip
    assert ingested.state == "failed"  # so that somebody looks
    (truth,) = all_events(platform.insurance)
    assert (truth.kind, truth.payload["new_rows"], truth.payload["months"]) == ("ground_truth", 1500, ["2023-01"])
    assert truth.attempts == 1  # the ingest told Airflow itself; the outbox looks before it sends


def test_the_run_survives_its_scheduler_and_goes_on_from_a_killed_node(platform: Platform, asked: Question) -> None:
    tasks = {task.task_id: task for task in platform.airflow.tasks(asked.run)}
    assert tasks["candidate.Trainer"].state == "success" and tasks["candidate.Trainer"].tries >= 2
    assert {tasks[f"candidate.{node}"].tries for node in ("GoldExport", "ExampleGen", "Evaluator")} == {1}
    assert platform.service("scheduler")["state"] == "healthy"


def test_a_person_is_asked_with_the_gates_table(asked: Question) -> None:
    assert "accuracy_eval" in asked.body and "FAIL" in asked.body
    assert set(asked.options) == set(CHOICES.values())


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [
        ("grid", "/dags/insurance_retrain", "candidate"),
        ("run", "/dags/insurance_retrain/runs/{run}", "what_now"),
        ("required_actions", "/required_actions", "no candidate passed"),
        ("decision_form", "/dags/insurance_retrain/runs/{run}/tasks/ask/required_actions", "accuracy_eval"),
    ],
)
def test_the_pages_show_it(
    page: Page, platform: Platform, asked: Question, tmp_path: Path, name: str, path: str, text: str
) -> None:
    page.goto(platform.airflow.url + path.format(run=asked.run.run_id))
    expect(page.get_by_text(text).first).to_be_visible(timeout=60_000)
    page.wait_for_timeout(2000)
    page.screenshot(path=tmp_path / f"{name}.png")


def test_the_graphs_and_the_form_for_a_run_by_hand(page: Page, platform: Platform, tmp_path: Path) -> None:
    page.goto(f"{platform.airflow.url}/dags/insurance_retrain")
    page.get_by_role("button", name="Show Graph").click()
    for task in ("why", "candidate", "after_answer"):
        expect(page.locator(".react-flow").get_by_text(task).first).to_be_visible(timeout=60_000)
    page.screenshot(path=tmp_path / "graph.png")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    expect(form.get_by_text("Strategy").first).to_be_visible(timeout=60_000)
    page.wait_for_timeout(1000)
    page.screenshot(path=tmp_path / "trigger_form.png")
    expect(form.get_by_role("button", name="Trigger").last).to_be_enabled()  # as it opens, with nothing filled in
    page.goto(f"{platform.airflow.url}/assets")
    page.get_by_role("link", name="insurance/ground_truth").first.click()
    for name in ("insurance_ingest", "insurance_retrain", "insurance/model"):
        expect(page.locator(".react-flow").get_by_text(name).first).to_be_visible(timeout=60_000)
    page.screenshot(path=tmp_path / "asset_graph.png")


def test_the_answer_is_pushed_deployed_and_served(platform: Platform, deployed: DagRun) -> None:
    assert deployed.state == "success"
    question = questions_of(platform.insurance, 0, "loop")[0]
    (answer,) = GatewayClient(platform.settings.gateway, platform.insurance.contract).ask([question])
    (row,) = (
        DeltaTable(platform.settings.home / "lake" / "gold" / "insurance" / "decisions").to_pyarrow_table().to_pylist()
    )
    assert answer["model_version"] == row["version"] != ""
    assert (row["outcome"], row["choice"], row["chosen_by"]) == ("promoted", "promote", PERSON)
    assert row["choice_details"] == "the best there is"
    (truth,) = row["event_ids"]
    assert find_event(platform.insurance, truth).handled_by == row["decision_id"]
    shown = run_in(platform.settings)("lineage", "prediction", answer["request_id"], "--json")
    lineage = Lineage.model_validate_json(shown.stdout)
    (version,) = [item for item in lineage.items if item.kind == "version"]
    assert version.title == f"model version {row['version']}"
    titles = {item.title for item in lineage.items}
    assert {f"event {truth}: ground_truth", "Airflow run of insurance_retrain", f"decision {row['decision_id']}",
            f"gate: blessed, {PERSON} overruled it", "claims/claims-2023-01.csv"} <= titles  # fmt: skip


def test_what_was_served_is_what_training_saw(platform: Platform, deployed: DagRun) -> None:
    """Real requests about delivered rows, through gateway, model server, request log and stream."""
    questions = questions_of(platform.insurance, 0, "loop")[:200]
    assert len(GatewayClient(platform.settings.gateway, platform.insurance.contract).ask(questions)) == 200
    run = run_in(platform.settings)

    def in_the_lake() -> dict[str, Any] | None:
        run("lake", "stream")
        report: dict[str, Any] = json.loads(run("features", "skew", "--json").stdout)
        return report if report["served"] == 200 else None

    report = eventually(in_the_lake, 300)
    (join,) = report["joins"]
    assert (report["verdict"], report["skewed"]) == ("no skew", [])
    assert (join["source"], join["rows"]) == ("gold/training", 200)
    checks = {check["compared"]: check["rows"] for check in report["models"]}
    assert checks["served values and training's examples"] == 200 and checks["logged answers"] > 150
