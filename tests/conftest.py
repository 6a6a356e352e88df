"""What tests of several folders use: contracts, a home, the command line as users run it; lakes: `lakes.py`."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import UseCase, open_use_case
from tests.both_ends import FromBothEnds, put_in_order
from tests.command_line import Run, warm_lakeloop_in
from tests.quick_java import QUICK_JAVA
from tests.use_case_copies import USE_CASES
from tests.warm_programs import start_under_test

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from xdist.remote import Producer

pytest_plugins = ["tests.lakes"]

# A test's home would keep a Spark of its own for minutes after it; tests of the shared Spark say so themselves.
os.environ.setdefault("LAKELOOP_SPARK_KEEP_SECONDS", "0")
os.environ.setdefault("JDK_JAVA_OPTIONS", QUICK_JAVA)
# jsonschema, which comes with notebooks, would compile a grammar of IRIs for six seconds in each worker.
sys.modules.setdefault("rfc3987_syntax", None)

LONGEST_FIRST = (
    "data/test_crime_de.py",
    "e2e/test_story.py",
    "e2e/test_exercise.py",
    "lakehouse/silver/test_joins.py",
    "lakehouse/requests/test_stream_killed.py",
    "lakehouse/requests/test_stream_faults.py",
    "console/platform/test_up_and_down.py",
    "e2e/test_several_labels.py",
    "dags/test_runs.py",
    "lakehouse/test_killed.py",
    "e2e/test_wall_clock.py",
    "docs/test_own_use_case.py",
    "lakehouse/gold/test_gold_from_requests.py",
    "e2e/test_joined_sources.py",
    "e2e/test_second_use_case.py",
    "lakehouse/requests/test_stream.py",
    "tfx_pipeline/test_own_code.py",
    "operations/batch_scoring/test_score.py",
    "e2e/test_columns_with_gaps.py",
    "lakehouse/read/test_tables.py",
    "dags/test_retrain_scheduled.py",
    "deploy/test_start.py",
    "operations/test_older_home.py",
    "serving/gateway/test_hostile.py",
    "tfx_pipeline/training/test_seeds.py",
    "monitoring/test_alert_chain.py",
    "e2e/test_derived_model.py",
    "tfx_pipeline/runs/test_candidates_of_a_run.py",
    "dags/test_release.py",
    "lakehouse/storage/test_shared_spark.py",
    "tfx_pipeline/test_pipeline.py",
    "tfx_pipeline/test_columns_as_they_are.py",
    "tfx_pipeline/training/test_encoding.py",
    "lakehouse/test_ingest_steps.py",
    "lakehouse/bronze/test_ledger.py",
    "lakehouse/bronze/test_bad_input.py",
)
"""Files of half a minute and more."""
LONGEST_NAME = 40


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent
    places = {folder / name: place for place, name in enumerate(LONGEST_FIRST)}
    if gone := [str(path) for path in places if not path.exists()]:
        raise pytest.UsageError(f"LONGEST_FIRST in tests/conftest.py names what is not there: {', '.join(gone)}")
    put_in_order(items, places)


def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> FromBothEnds | None:
    return FromBothEnds(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A file's content is no name for a test, and a compressed one is another each second."""
    return argname if isinstance(val, bytes) and len(val) > LONGEST_NAME else None


@pytest.fixture(scope="session", autouse=True)
def model_servers_of_pipelines_are_forks() -> Iterator[None]:
    """Each InfraValidator would import TensorFlow anew for a server that it asks once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfx_pipeline.evaluation.model_server.start_warm", start_under_test)
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", use_case="insurance")


@pytest.fixture(scope="session")
def contract() -> Contract:
    """The first use case's."""
    return load_contract(USE_CASES["insurance"] / "insurance" / "contract.yaml")


@pytest.fixture(scope="session")
def churn() -> Contract:
    """That of a use case which has nothing in common with the first."""
    return load_contract(USE_CASES["churn"] / "churn" / "contract.yaml")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium; a module's own, since its loop would be in the way of other tests' loops."""
    from tests.browser import chromium

    with chromium() as started:
        yield started


@pytest.fixture
def use_case(settings: Settings) -> UseCase:
    return open_use_case(settings)


@pytest.fixture
def lakeloop(settings: Settings) -> Run:
    """The command line in the test's home."""
    return warm_lakeloop_in(settings.home)
