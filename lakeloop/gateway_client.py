"""Asks a gateway over HTTP: several connections, a rate to keep, patience with one that is away for a moment."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from lakeloop.access.acting import authorization
from lakeloop.contract import Contract
from lakeloop.exceptions import LakeloopError, NotAllowedError, WrongUseError
from lakeloop.request_record import in_json

RETRIED = (500, 502, 503, 504)
START = "start it with `lakeloop serve gateway`, or name another with --url"


@dataclass(frozen=True)
class Question:
    """One request as a client makes it; `features` is flat, `at` ISO 8601."""

    request_id: str
    key: str
    at: str
    features: dict[str, Any]


def body(contract: Contract, question: Question) -> dict[str, Any]:
    """The JSON body of `POST /predict/`: features nested by their `group`, beside key, event time and request id; the
    gateway makes derived ones itself.
    """
    nested: dict[str, Any] = {"request_id": question.request_id, "key": question.key, "at": question.at}
    for name, feature in contract.given_features.items():
        place = nested.setdefault(feature.group, {}) if feature.group else nested
        place[name] = question.features[name]
    return nested


def check_gateway(url: str, contract: Contract, token: str = "") -> None:
    """Raises LakeloopError if no gateway answers there, WrongUseError if it answers another use case, NotAllowedError
    if it wants a token, or another one.
    """
    try:
        answer = httpx.get(f"{url}/health", timeout=5, headers=authorization(token))
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise NotAllowedError(f"the gateway at {url} asks for a token: set LAKELOOP_TOKEN to one with the role ask")
        served = answer.json()["model"]
    except httpx.HTTPError as error:
        raise LakeloopError(f"no gateway answers at {url} ({_named(error)}); {START}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise LakeloopError(f"what answers at {url} is no gateway; {START}") from error
    if served != contract.use_case:
        raise WrongUseError(f"the gateway at {url} answers use case {served}, not {contract.use_case}; {START}")


class GatewayClient:
    """Sends questions to one gateway.

    `batch` above 1 uses `/predict/batch`; `rate` is questions a second over all `connections`, None: as many as go.
    A gateway that is away is asked again for `patience` seconds. `token` is for one that asks who asks.
    """

    def __init__(
        self,
        url: str,
        contract: Contract,
        *,
        batch: int = 1,
        rate: float | None = None,
        connections: int = 8,
        patience: float = 30.0,
        token: str = "",
    ) -> None:
        self.url = url.rstrip("/")
        self._contract, self._batch, self._rate = contract, batch, rate
        self._connections, self._patience = connections, patience
        self._headers = {"content-type": "application/json", **authorization(token)}

    def ask(
        self, questions: Sequence[Question], on_answers: Callable[[int], None] = lambda count: None
    ) -> list[dict[str, Any]]:
        """The answers, in the questions' order; `on_answers` is told how many came, each time some came.

        Raises:
            LakeloopError: the gateway stays away or refuses a question.
        """
        return asyncio.run(self._ask(questions, on_answers))

    async def _ask(self, questions: Sequence[Question], on_answers: Callable[[int], None]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = [{}] * len(questions)
        starts = iter(range(0, len(questions), self._batch))
        began = asyncio.get_running_loop().time()
        limits = httpx.Limits(max_connections=self._connections, max_keepalive_connections=self._connections)
        async with httpx.AsyncClient(base_url=self.url, limits=limits, timeout=10) as client:
            workers = [
                self._work(client, questions, starts, answers, began, on_answers) for _ in range(self._connections)
            ]
            try:
                async with asyncio.TaskGroup() as group:
                    for worker in workers:
                        group.create_task(worker)
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from None
        return answers

    async def _work(
        self,
        client: httpx.AsyncClient,
        questions: Sequence[Question],
        starts: Iterator[int],
        answers: list[dict[str, Any]],
        began: float,
        on_answers: Callable[[int], None],
    ) -> None:
        for start in starts:
            if self._rate is not None:
                await asyncio.sleep(began + start / self._rate - asyncio.get_running_loop().time())
            chunk = questions[start : start + self._batch]
            given = await self._send(client, [body(self._contract, question) for question in chunk])
            answers[start : start + len(chunk)] = given
            on_answers(len(chunk))

    async def _send(self, client: httpx.AsyncClient, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        single = self._batch == 1
        path = "/predict/" if single else "/predict/batch"
        content = orjson.dumps(bodies[0] if single else {"requests": bodies}, in_json)
        clock = asyncio.get_running_loop().time
        give_up, pause = clock() + self._patience, 0.05
        while True:
            try:
                answer = await client.post(path, content=content, headers=self._headers)
                if answer.status_code == 200:
                    parsed = orjson.loads(answer.content)
                    return [parsed] if single else parsed["answers"]
                problem = f"it answers {answer.status_code}: {answer.text[:300]}"
                if answer.status_code not in RETRIED:
                    raise LakeloopError(f"the gateway at {self.url} refuses a request: {problem}")
            except httpx.TransportError as error:
                problem = _named(error)
            if clock() > give_up:
                raise LakeloopError(
                    f"the gateway at {self.url} was away for {self._patience:g} s ({problem}); start it again and "
                    "repeat the command: what was answered is not counted twice"
                )
            await asyncio.sleep(pause)
            pause = min(2.0, 2 * pause)


def _named(error: Exception) -> str:
    return str(error) or type(error).__name__
