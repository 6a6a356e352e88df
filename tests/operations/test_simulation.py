"""Simulated months, through a real gateway and without one."""

import json
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from console.cli.app import app
from lakeloop.clock import read_clock
from lakeloop.contract import Contract
from lakeloop.exceptions import WrongUseError
from lakeloop.request_log_files import request_log_folder
from lakeloop.request_record import RequestRecord
from lakeloop.settings import PROJECT, Settings
from lakeloop.use_case import UseCase
from operations.simulation import questions_of, simulate, without_gateway
from tests.command_line import COMMAND, Run
from tests.waiting import eventually


def logged(use_case: UseCase) -> list[RequestRecord]:
    files = sorted(request_log_folder(use_case).glob("*.jsonl"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [RequestRecord.model_validate(json.loads(line)) for line in lines]


def landing(use_case: UseCase) -> list[str]:
    root = use_case.folder("landing")
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.csv"))


@pytest.fixture
def gateway(settings: Settings) -> Iterator[str]:
    """A gateway without a model, as `lakeloop serve gateway` starts it."""
    command = [*COMMAND, "serve", "gateway", "--port", "0"]
    settings.home.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ, "LAKELOOP_HOME": str(settings.home), "PYTHONUNBUFFERED": "1",
        "LAKELOOP_MODEL_SERVER_URL": "http://127.0.0.1:9",
    }  # fmt: skip
    with (settings.home / "gateway.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
    try:
        yield address(process, settings.home / "gateway.log")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(240)


def address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    def told() -> str:
        text = log.read_text()
        assert process.poll() is None, text
        return "".join(re.findall(r"http://\S+(?=\s)", text)[:1])

    address: str = eventually(told)
    return address


def test_a_month_goes_through_the_gateway_once_and_a_resumed_run_asks_nothing_again(
    use_case: UseCase, gateway: str, lakeloop: Run
) -> None:
    first = lakeloop("simulate", "--periods", "1-2", "--batch", "100", "--url", gateway, "--label", "a")
    assert first.returncode == 0, first.stderr
    assert "3,000 requests in" in first.stdout and "100.0% answered by the rules" in first.stdout
    (use_case.settings.home / "logs/simulations/insurance/a.json").write_text(
        '{"1": {"requests": 1500, "rules": 1500}}'
    )
    again = lakeloop("simulate", "--periods", "1-2", "--batch", "100", "--url", gateway, "--label", "a")
    assert "1,500 requests in" in again.stdout and "1 month was answered before" in again.stdout
    metrics = httpx.get(f"{gateway}/metrics", timeout=60).text
    eventually(lambda: len(logged(use_case)) >= 3000)
    records = logged(use_case)
    assert len(records) == len({r.request_id for r in records}) == 3000, metrics
    asked = [*questions_of(use_case, 1, "a"), *questions_of(use_case, 2, "a")]
    assert {(r.request_id, r.key, r.at) for r in records} == {(q.request_id, q.key, q.at) for q in asked}
    answered = {r.request_id: r.features for r in records}
    assert all(answered[q.request_id] == q.features for q in asked)
    assert read_clock(use_case).period == 2
    assert landing(use_case) == [".held/claims/claims-2023-02.csv", ".held/claims/claims-2023-03.csv"]


def test_requests_lie_within_their_month_in_order_and_their_ids_differ_by_run_and_use_case_only(
    use_case: UseCase,
) -> None:
    one, two = questions_of(use_case, 13, "a"), questions_of(use_case, 13, "b")
    assert one == questions_of(use_case, 13, "a")
    assert not {q.request_id for q in one} & {q.request_id for q in two}
    assert len({q.request_id for q in one}) == 1500 and uuid.UUID(one[0].request_id).version == 5
    times = [q.at for q in one]
    assert times == sorted(times) and times[0][:10] == "2024-02-01" and times[-1][:10] == "2024-02-29"


def test_without_a_gateway_the_rules_answers_are_logged_and_the_clock_delivers_the_truth(
    use_case: UseCase, lakeloop: Run
) -> None:
    done = lakeloop("simulate", "--periods", "0-1", "--mock-predictions", "--until", "24")
    assert done.returncode == 0, done.stderr
    records = logged(use_case)
    assert len(records) == 1500 and {r.predictor_type for r in records} == {"rules"}
    assert all(use_case.contract.label.class_names[r.class_id] == r.prediction for r in records)
    assert landing(use_case) == [
        ".held/claims/claims-2023-02.csv", "claims/claims-2023-01.csv", "policies/policies-2023-01.csv"
    ]  # fmt: skip
    later = lakeloop("simulate", "--until", "25")
    assert "the clock stands at month 25; 1 file of ground truth delivered" in later.stdout
    assert "claims/claims-2023-02.csv" in landing(use_case)


def test_a_gateway_that_is_not_there_is_one_sentence(lakeloop: Run, use_case: UseCase) -> None:
    done = lakeloop("simulate", "--periods", "1", "--url", "http://127.0.0.1:9")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "no gateway answers at http://127.0.0.1:9" in done.stderr and "lakeloop serve gateway" in done.stderr
    assert read_clock(use_case).period == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "say what to simulate"),
        (["--periods", "1", "--rate", "5", "--period-seconds", "3"], "exclude each other"),
        (["--periods", "1", "--mock-predictions", "--label", "a/b"], "used in file names"),
    ],
)
def test_wrong_use_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], text: str) -> None:
    monkeypatch.setenv("LAKELOOP_HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["simulate", *arguments])
    assert isinstance(done.exception, WrongUseError) and text in str(done.exception)
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_use_case_without_generator_and_history_is_wrong_use(settings: Settings, contract: Contract) -> None:
    bare = contract.model_copy(update={"generator": None})
    with pytest.raises(WrongUseError, match="has neither `generator` nor `history`"):
        simulate(UseCase(settings, bare), range(1, 2), without_gateway(UseCase(settings, bare), "a"))
