"""Whole commands, run as users run them; and one running platform, on which the loop is played once for many tests."""

import os
import signal
from collections.abc import Iterator

import pytest

from lakeloop.airflow_runs import DagRun, Question
from lakeloop.decision import CHOICES
from operations.delivery import generate
from tests.console.platform.conftest import make_settings, run_in
from tests.e2e.running_platform import Platform
from tests.quick_java import FIRST_COMPILER
from tests.use_case_copies import PATIENT, copy_insurance, copy_use_case, with_changes
from tests.waiting import eventually

DEMANDING = {
    "accuracy: {above: 0.85, below: 0.95}": "accuracy: {above: 0.97, below: 0.99}",
    "window: 1500": "window: 400",
}
"""The gate of `insurance` asks for more than the model reaches: then somebody has to be asked."""
ONE_SPLIT = {
    "model: {layers: 1, units: 16, epochs: 20}": "model: {kind: trees, iterations: 1, leaves: 2, learning_rate: 1}",
    "training: {balance: smote}": "requests: {description: Customers that were asked about, budget_ms: 20000}",
    "accuracy: {above: 0.7, below: 0.999}": "accuracy: {above: 0.5}",
    "generator: generator.py": "generator: generator.py\nmonitoring: {window: 200}",
}
"""A model of `churn` draws one line through the hours of use: where other customers ask, another line is better."""


@pytest.fixture(scope="package", autouse=True)
def spark_as_users_have_it() -> Iterator[None]:
    """Spark compiles its plans, and a home's commands share one as long as they do where nobody says otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", FIRST_COMPILER)
        patch.delenv("LAKELOOP_SPARK_KEEP_SECONDS")
        yield


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Two use cases are live; none has data or a model yet."""
    folder = tmp_path_factory.mktemp("loop")
    use_cases = copy_insurance(folder / "use_cases", DEMANDING | PATIENT)
    churn = copy_use_case("churn", use_cases, ONE_SPLIT)
    (churn / "checks.py").unlink()
    generator = churn / "generator.py"
    generator.write_text(with_changes(generator.read_text(), {"random.normal(0, 0.7, n)": "random.normal(0, 0.2, n)"}))
    settings = make_settings(folder / "home", use_cases=use_cases)
    try:
        started = run_in(settings)("up", LAKELOOP_STRATEGY_ON_DRIFT="reweight")  # one candidate will do
        assert started.returncode == 0, started.stdout + started.stderr
        yield Platform(settings)
    finally:
        assert run_in(settings)("down").returncode == 0


@pytest.fixture(scope="package")
def ingested(platform: Platform) -> DagRun:
    """Files are dropped, one of them wrong; nobody starts anything."""
    wrong = platform.insurance.folder("landing") / "claims" / "claims-2023-02.csv"
    wrong.parent.mkdir(parents=True, exist_ok=True)
    wrong.with_suffix(".part").write_text("what is this?\n")
    generate(platform.insurance, [0])
    wrong.with_suffix(".part").rename(wrong)
    return platform.ended(platform.run_of("insurance_ingest"))


@pytest.fixture(scope="package")
def asked(platform: Platform, ingested: DagRun) -> Question:
    """The truth that came wakes a retrain; its scheduler dies, later a node of it; a person is asked all the same."""
    run = platform.run_of("insurance_retrain")
    eventually(lambda: platform.is_running(run, "candidate.StatisticsGen"), 600)
    before = platform.service("scheduler")["pid"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: platform.service("scheduler")["pid"] not in (None, before))
    os.kill(eventually(lambda: platform.command_of("Trainer"), 600), signal.SIGKILL)
    (question,) = eventually(lambda: platform.airflow.questions(run), 600)
    return question


@pytest.fixture(scope="package")
def deployed(platform: Platform, asked: Question) -> DagRun:
    """The person answers by REST; what follows happens by itself."""
    platform.airflow.answer(asked, CHOICES["promote"], {"why": "the best there is"})
    assert platform.ended(asked.run).state == "success"
    return platform.ended(platform.run_of("insurance_deploy"))
