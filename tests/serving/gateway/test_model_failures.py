"""Model servers that are down, slow, broken or replaced under load: the rules answer, in time, and it is counted."""

import asyncio
import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.release_state import Release
from lakeloop.settings import PROJECT, Settings, load_settings
from lakeloop.use_case import open_use_case
from serving.exceptions import ModelMisfitError
from serving.gateway.model_api import ModelApi
from serving.gateway.model_client import ModelClient, ModelReply, Unavailable
from serving.gateway.page.texts import GERMAN_PARTICULARS
from serving.model_server.process import stop
from tests.serving.gateway.conftest import body, logged
from tests.use_case_copies import copy_insurance
from tests.waiting import eventually
from tests.warm_programs import running_gateway, running_server

BUDGET = 0.25
ROW = {"a": 1.0, "b": 2.0}
OTHER = {"a": 3.0, "b": 2.0}
AVAILABLE = {"model_version_status": [{"version": "3", "state": "AVAILABLE", "status": {}}]}


class Server(ThreadingHTTPServer):
    """A TensorFlow Serving that does what a test tells it: `status` and `predict` give code, content and a delay."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status: Callable[[], tuple[int, Any, float]] = lambda: (200, AVAILABLE, 0.0)
        self.predict: Callable[[str, int], tuple[int, Any, float]] = lambda _, rows: (200, good(rows), 0.0)
        self.calls: list[tuple[str, int]] = []
        self.inputs: dict[str, list[float]] = {}
        self.metadata: Callable[[], tuple[int, Any, float]] = lambda: (404, {"error": "no metadata"}, 0.0)
        self.classify: Callable[[Any], tuple[int, Any, float]] = lambda _: (404, {"error": "no classify"}, 0.0)
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._answer(*(self.server.metadata() if self.path.endswith("/metadata") else self.server.status()))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith(":classify"):
            self._answer(*self.server.classify(body))
            return
        inputs = body["inputs"]
        self.server.inputs, rows = inputs, len(inputs["a"])
        self.server.calls.append((self.path, rows))
        self._answer(*self.server.predict(self.path, rows))

    def _answer(self, code: int, content: Any, delay: float) -> None:
        time.sleep(delay)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        try:
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass  # the gateway did not wait

    def log_message(self, *_: Any) -> None:
        pass


def good(rows: int) -> dict[str, Any]:
    return {"outputs": {"probabilities": [[0.25, 0.75]] * rows, "class_id": [1] * rows}}


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    threading.Thread(target=started.serve_forever, args=(0.02,), daemon=True).start()
    yield started
    started.shutdown()
    started.server_close()


@cache
def two_classes() -> Contract:
    """Of a model `m` that takes `a` and `b` and answers two classes."""
    contract = load_contract(PROJECT / "data" / "insurance" / "contract.yaml")
    number = contract.features["age"]
    label = contract.label.model_copy(update={"classes": contract.label.classes[:2]})
    return contract.model_copy(update={"use_case": "m", "features": {"a": number, "b": number}, "label": label})


def with_client(
    url: str, use: Callable[[ModelClient], Any], budget: float = BUDGET, release: Release | None = None
) -> Any:
    """Run `use` with a started client."""

    async def run() -> Any:
        client = ModelClient(ModelApi(url, two_classes()), budget, lambda _: None, lambda: release or Release())
        await client.start()
        try:
            return await use(client)
        finally:
            await client.stop()

    return asyncio.run(run())


def has_german_words(why: str) -> bool:
    """Whether the client page can say it in German."""
    patterns = (re.sub(r"\\{\w+\\}", ".+", re.escape(english)) for english in GERMAN_PARTICULARS)
    return any(re.fullmatch(pattern, why) for pattern in patterns)


def ask_once(server: Server) -> ModelReply | Unavailable:
    """Patiently: only a test of slowness should meet the budget."""
    return with_client(server.url, lambda client: client.ask([ROW]), 20.0)


def test_the_version_that_answered_is_named(server: Server) -> None:
    assert ask_once(server) == ModelReply([[0.25, 0.75]], "3")
    assert server.calls == [("/v1/models/m/versions/3:predict", 1)]


def test_a_version_that_is_gone_is_replaced_by_the_newest(server: Server) -> None:
    def replaced(path: str, rows: int) -> tuple[int, Any, float]:
        newer = {"model_version_status": [{"version": "10", "state": "AVAILABLE", "status": {}}]}
        server.status = lambda: (200, newer, 0.0)
        return (200, good(rows), 0.0) if "/versions/10:" in path else (404, {"error": "gone"}, 0.0)

    server.predict = replaced
    assert ask_once(server) == ModelReply([[0.25, 0.75]], "10")


@pytest.mark.parametrize(
    ("release", "outcome"),
    [
        (Release("2"), ModelReply([[0.25, 0.75]], "3")),  # rolled back, and the server does not have version 2
        (
            Release("2", retired=frozenset({"3"})),
            Unavailable("every version of the model server is retired: 3"),
        ),
    ],
)
def test_a_retired_version_is_not_asked_though_a_server_that_follows_no_release_has_it(
    server: Server, release: Release, outcome: ModelReply | Unavailable
) -> None:
    assert with_client(server.url, lambda client: client.ask([ROW]), 20.0, release) == outcome
    assert isinstance(outcome, ModelReply) or has_german_words(outcome.why)


def signatures(*inputs: str, classify: bool = False) -> dict[str, Any]:
    """The metadata of a version that takes these."""
    found: dict[str, Any] = {"serving_default": {"inputs": {name: {"dtype": "DT_FLOAT"} for name in inputs}}}
    return {"metadata": {"signature_def": {"signature_def": found | ({"classify": {}} if classify else {})}}}


def test_a_feature_that_is_newer_than_the_model_is_not_sent_to_it(server: Server) -> None:
    server.metadata = lambda: (200, signatures("a"), 0.0)
    asked: list[Any] = []

    def predict(path: str, rows: int) -> tuple[int, Any, float]:
        asked.append(server.inputs)
        return 200, good(rows), 0.0

    server.predict = predict
    assert ask_once(server) == ModelReply([[0.25, 0.75]], "3")
    assert asked == [{"a": [1.0]}]


def test_a_model_that_wants_a_feature_of_before_is_not_asked(server: Server) -> None:
    server.metadata = lambda: (200, signatures("a", "b", "c"), 0.0)
    outcome = ask_once(server)
    assert outcome == Unavailable("version 3 was trained on c, which the contract has no more; train a model")
    assert not server.calls and has_german_words(outcome.why)


@pytest.mark.parametrize(
    ("answered", "why"),
    [
        (["high", "medium"], ""),
        (
            ["medium", "high"],
            "version 3 answers the classes medium, high, the contract has high, medium; train a model",
        ),
        (["high", "low"], "version 3 answers the classes high, low, the contract has high, medium; train a model"),
    ],
)
def test_a_model_that_answers_other_classes_is_not_asked(server: Server, answered: list[str], why: str) -> None:
    server.metadata = lambda: (200, signatures("a", "b", classify=True), 0.0)
    server.classify = lambda body: (200, {"results": [[[name, 0.5] for name in answered]]}, 0.0)
    outcome = ask_once(server)
    assert outcome == (Unavailable(why) if why else ModelReply([[0.25, 0.75]], "3"))
    assert not why or has_german_words(why)


def test_a_newer_model_that_fits_ends_it(server: Server) -> None:
    server.metadata = lambda: (200, signatures("a", "b", "c"), 0.0)

    async def story(client: ModelClient) -> Any:
        assert isinstance(await client.ask([ROW]), Unavailable)
        newer = {"model_version_status": [{"version": "4", "state": "AVAILABLE", "status": {}}]}
        server.metadata = lambda: (200, signatures("a", "b"), 0.0)
        server.status = lambda: (200, newer, 0.0)
        while isinstance(reply := await client.ask([ROW]), Unavailable):
            await asyncio.sleep(0.05)
        return reply

    assert with_client(server.url, story, 20.0) == ModelReply([[0.25, 0.75]], "4")


@pytest.mark.parametrize(
    ("says", "asked"),
    [
        ([(404, {"error": "no metadata"}, 0.0)], 1),
        ([(200, b"no JSON", 0.0)], 1),
        ([(503, {"error": "busy"}, 0.0), (200, signatures("a", "b"), 0.0)], 2),
        ([(200, signatures("a", "b", "c"), 0.0)], 1),
    ],
)
def test_a_version_is_asked_about_until_the_server_has_said_what_it_is(
    server: Server, says: list[tuple[int, Any, float]], asked: int
) -> None:
    answers, heard = iter(says), list[Any]()

    def metadata() -> tuple[int, Any, float]:
        heard.append(next(answers, says[-1]))
        return heard[-1]

    async def learn_again_and_again() -> None:
        api = ModelApi(server.url, two_classes())
        for _ in range(4):
            with suppress(ModelMisfitError):
                await api.learn("3")
        await api.close()

    server.metadata = metadata
    asyncio.run(learn_again_and_again())
    assert heard == says[:asked]


def test_what_arrives_meanwhile_goes_into_one_call(server: Server) -> None:
    server.predict = lambda _, rows: (200, good(rows), 0.05)

    async def many(client: ModelClient) -> list[Any]:
        return await asyncio.gather(*(client.ask([ROW] * count) for count in (1, 2, 1, 3, 1)))

    answers = with_client(server.url, many, 20.0)
    assert [len(answer.given) for answer in answers] == [1, 2, 1, 3, 1]
    assert sum(rows for _, rows in server.calls) == 8 and len(server.calls) <= 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((500, {"error": "exploded"}, 0.0), "the model server answered 500: exploded"),
        ((400, {"error": "no such input"}, 0.0), "the model server answered 400: no such input"),
        ((200, b"<html>", 0.0), "the model server answered 200: something that cannot be read"),
        ((200, {"outputs": [1]}, 0.0), "not `probabilities` of 2 classes"),
        ((200, {"outputs": {"probabilities": [[0.5]]}}, 0.0), "not `probabilities` of 2 classes"),
        ((200, {"outputs": {"probabilities": []}}, 0.0), "not `probabilities` of 2 classes"),
        ((200, b'{"outputs":{"probabilities":[[NaN]]}}', 0.0), "not `probabilities` of 2 classes"),
        ((200, b"[" * 100_000, 0.0), "cannot be read"),
        ((200, {"outputs": {"probabilities": [[None, 1.0]]}}, 0.0), "not `probabilities` of 2 classes"),
        ((404, {"error": "gone"}, 0.0), "version 3 is not served any more"),
    ],
)
def test_a_bad_answer_is_no_answer(server: Server, answer: tuple[int, Any, float], why: str) -> None:
    server.predict = lambda _path, _rows: answer
    outcome = ask_once(server)
    assert isinstance(outcome, Unavailable) and why in outcome.why and has_german_words(outcome.why)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ((404, {"error": "unknown"}, 0.0), "knows no version"),
        ((200, {"model_version_status": [{"version": "3", "state": "LOADING"}]}, 0.0), "available yet"),
        ((200, {"model_version_status": [{"state": "AVAILABLE"}]}, 0.0), "status cannot be read"),
        ((200, b"hello", 0.0), "cannot be read"),
    ],
)
def test_without_a_version_nobody_is_asked(server: Server, status: tuple[int, Any, float], why: str) -> None:
    server.status = lambda: status
    outcome = ask_once(server)
    assert isinstance(outcome, Unavailable) and why in outcome.why and server.calls == []
    assert has_german_words(outcome.why)


def test_a_slow_answer_is_no_answer(server: Server) -> None:
    server.predict = lambda _, rows: (200, good(rows), 3 * BUDGET)
    assert with_client(server.url, lambda client: client.ask([ROW])) == Unavailable("no answer within 250 ms")


def test_a_server_that_hangs_costs_the_budget_only_a_few_times_and_is_found_again(server: Server) -> None:
    """Found by rows of now: that of before may be what it hangs at."""

    async def story(client: ModelClient) -> None:
        server.predict = lambda _, rows: (200, good(rows), 5 * BUDGET)
        for _ in range(3):
            assert isinstance(await client.ask([ROW]), Unavailable)
        await asyncio.sleep(0.1)
        asked = len(server.calls)
        for _ in range(100):
            outcome = await client.ask([ROW])
            assert outcome == Unavailable("no answer within 250 ms")
        assert len(server.calls) == asked and client.problem
        server.predict = lambda _, rows: (200, good(rows), 5 * BUDGET if server.inputs["a"] == [ROW["a"]] else 0.0)
        for _ in range(1000):
            await asyncio.sleep(0.1)
            if await client.ask([OTHER]) == ModelReply([[0.25, 0.75]], "3"):
                break
        else:
            raise AssertionError("the model answers again, and is not asked")

    with_client(server.url, story)


def test_a_budget_counts_the_waiting_too(server: Server) -> None:
    budget = 3.0
    server.predict = lambda _, rows: (200, good(rows), budget / 2 + 0.1)

    async def story(client: ModelClient) -> tuple[Any, Any]:
        first = asyncio.create_task(client.ask([ROW]))
        await asyncio.sleep(0.02)
        return await asyncio.gather(first, client.ask([ROW]))

    first, second = with_client(server.url, story, budget)
    assert isinstance(first, ModelReply) and second == Unavailable("no answer within 3000 ms")


def test_a_row_without_numbers_gives_way_to_rules_and_its_neighbours_do_not(
    settings: Settings, saved_models: Path
) -> None:
    """The model's answer to age 66 is NaN; however often, the others of the same call are the model's."""
    with running_server({"insurance": saved_models / "odd_drivers"}) as server:
        settings = settings.model_copy(update={"model_server_url": server.url})
        with running_gateway(settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
            for _ in range(5):
                asked = {"requests": [body(age=age) for age in (30, 66, 45)]}
                first, odd, last = client.post("/predict/batch", json=asked).json()["answers"]
                assert [told["predictor_type"] for told in (first, odd, last)] == ["model", "rules", "model"]
                kind, _, why = odd["reason"].partition(": ")
                assert kind == "model unavailable" and "not all numbers" in why and has_german_words(why)
                assert odd["probabilities"] is None and odd["model_version"] is None
                assert client.post("/predict/", json=body(age=66)).json()["reason"] == odd["reason"]
            assert client.post("/predict/", json=body(age=30)).json()["reason"] == "ok"
            assert client.get("/health").json()["model_answers"]
            assert 'model_unavailable_total{use_case="insurance"} 10.0' in client.get("/metrics").text


def test_a_gateway_without_a_model_starts_answers_by_rules_and_says_so(settings: Settings) -> None:
    with running_gateway(settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        told = client.post("/predict/", json=body()).json()
        assert told["predictor_type"] == "rules" and told["reason"].startswith("model unavailable: no connection to")
        assert told["prediction"] == "low" and told["probabilities"] is None and told["model_version"] is None
        health = client.get("/health").json()
        assert health["status"] == "degraded" and not health["model_answers"] and health["model_problem"]
        assert 'model_unavailable_total{use_case="insurance"} 1.0' in client.get("/metrics").text


def test_a_use_case_without_rules_says_503_and_forgets_the_request(tmp_path: Path) -> None:
    churn = load_settings(
        home=tmp_path,
        use_case="churn",
        use_cases=PROJECT / "tests" / "use_cases",
        model_server_url="http://127.0.0.1:9",
    )
    with running_gateway(churn) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        for _ in range(2):
            refused = client.post("/predict/", json={"plan": "basic", "usage": 3, "request_id": "one"})
            assert refused.status_code == 503
            assert "churn has no rules to answer instead" in refused.json()["detail"][0]["msg"]
        assert client.get("/health").json()["request_log"] is None
    assert not logged(open_use_case(churn)) and not (tmp_path / "logs").exists()


def test_rules_that_fail_are_named_and_the_gateway_goes_on(settings: Settings, tmp_path: Path) -> None:
    cases = copy_insurance(tmp_path / "cases")
    rules = 'def risk_group(row):\n    return "low" if row["age"] < 50 else "nobody" if row["age"] < 60 else row["x"]\n'
    (cases / "insurance" / "rules.py").write_text(rules)
    settings = settings.model_copy(update={"use_cases": cases})
    with running_gateway(settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        for age, problem in ((55, "ValueError: they answered 'nobody', which is no class of"), (70, "KeyError: 'x'")):
            refused = client.post("/predict/", json=body(age=age, request_id="same"))
            assert refused.status_code == 500
            assert (
                f"the rules of use case insurance failed on this row ({problem}" in refused.json()["detail"][0]["msg"]
            )
        assert client.post("/predict/", json=body(age=40, request_id="same")).json()["prediction"] == "low"


@contextmanager
def under_load(url: str) -> Iterator[list[dict[str, Any]]]:
    """Ask all the while; gives the answers, in order."""
    answers: list[dict[str, Any]] = []
    ending = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            while not ending.is_set():
                told = client.post("/predict/", json=body())
                answers.append({"status": told.status_code, **told.json()})

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        ending.set()
        for thread in threads:
            thread.join()


@pytest.mark.long
def test_a_new_version_under_load_fails_nothing(settings: Settings, model_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    shutil.copytree(model_folder, folder)
    with running_server({"insurance": folder}, poll_seconds=0.1) as server:
        settings = settings.model_copy(update={"model_server_url": server.url})
        with running_gateway(settings) as gateway, under_load(gateway.url) as answers:
            eventually(lambda: len(answers) > 100)
            shutil.copytree(folder / "1", tmp_path / "incoming")
            (tmp_path / "incoming").rename(folder / "2")
            eventually(lambda: answers[-1]["model_version"] == "2")
    assert {answer["status"] for answer in answers} == {200}
    assert {(answer["predictor_type"], answer["reason"]) for answer in answers} == {("model", "ok")}


@pytest.mark.long
def test_a_killed_model_server_is_replaced_by_rules_and_found_again(settings: Settings, model_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    settings = settings.model_copy(update={"model_server_url": f"http://127.0.0.1:{port}"})
    with running_gateway(settings) as gateway, under_load(gateway.url) as answers:
        with running_server({"insurance": model_folder}, port=port) as server:
            eventually(lambda: answers and answers[-1]["reason"] == "ok")
            server.process.kill()
            eventually(lambda: answers[-1]["reason"].startswith("model unavailable: no connection"))
            stop(server.process)
        with running_server({"insurance": model_folder}, port=port):
            eventually(lambda: answers[-1]["reason"] == "ok")
    assert {answer["status"] for answer in answers} == {200}
