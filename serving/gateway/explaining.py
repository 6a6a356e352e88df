"""Explains one answer on demand: beside the way of predictions, one at a time, and never many in line."""

import asyncio
import logging
import sys
from contextlib import suppress
from typing import Any

import orjson

from lakeloop.fallback import AnyPrediction, Prediction
from lakeloop.request_record import in_json
from lakeloop.use_case import UseCase
from serving.gateway.answer_forms import AnswerForm, form_of
from serving.gateway.answering import Answering
from serving.gateway.metrics import MODEL_UNAVAILABLE, reason_kind
from serving.gateway.process import environment_with
from serving.gateway.refusal import refusal
from serving.gateway.request_model import PredictionRequest

log = logging.getLogger(__name__)

MOST_AT_ONCE = 4
"""One is made, the others wait; who comes then is told to come again."""
SECONDS = 60.0
"""For one explanation, waiting included. On a quiet machine the first takes some four seconds, others a fraction."""
IDLE_SECONDS = 600.0
"""After which the explainer's process is ended: it holds 250 MB."""
LONGEST_LINE = 2**22


class Explaining:
    """Tells what an answer is made of: what the model's features contributed, or which rules gave it."""

    def __init__(self, use_case: UseCase, answering: Answering) -> None:
        self._use_case, self._answering = use_case, answering
        self._form: AnswerForm = form_of(use_case.contract)
        self._explainer = Explainer(use_case)
        self._at_once = 0

    async def explain(self, row: PredictionRequest) -> bytes:
        """The explanation of the answer that a row gets now, as JSON. It is neither logged nor counted as an answer.

        Raises:
            RefusedRequestError: 429 too many are under way; 503 the model cannot be asked, or its version carries
                nothing to explain by; 500 the rules fail.
        """
        if self._at_once >= MOST_AT_ONCE:
            raise refusal(429, f"{MOST_AT_ONCE} explanations are under way; ask again in some seconds")
        self._at_once += 1
        try:
            answer, version, _ = (await self._answering.decide([row]))[0]
            parts = await self._parts(row, answer, version)
        finally:
            self._at_once -= 1
        told = {
            **self._form.shown(answer),
            "predictor_type": answer.predictor_type,
            "reason": answer.reason,
            "model_version": version,
            **parts,
        }
        return orjson.dumps(told, in_json)

    async def stop(self) -> None:
        """End what is under way."""
        await self._explainer.stop()

    async def _parts(self, row: PredictionRequest, answer: AnyPrediction, version: str | None) -> dict[str, Any]:
        fallback = self._use_case.contract.fallback
        if reason_kind(answer.reason) == MODEL_UNAVAILABLE:
            raise refusal(503, f"{answer.reason}; so there is nothing to explain, and the rules answer")
        if answer.predictor_type == "rules" or version is None:
            rules = fallback.rules if fallback is not None else None
            return {**self._of(None), "base_value": None, "value": None, "contributions": None, "rules": rules}
        output = self._output(answer)
        found = await self._explainer.ask({"version": version, "row": row.features, "output": output})
        if problem := found.get("problem"):
            raise refusal(503, f"the answer cannot be explained: {problem}")
        listed = sorted(found["contributions"].items(), key=lambda part: abs(part[1]), reverse=True)
        return {
            **self._of(output),
            "base_value": found["base"],
            "value": found["answer"],
            "contributions": [
                {"feature": name, "value": row.features[name], "contribution": part} for name, part in listed
            ],
            "rules": None,
        }

    def _output(self, answer: AnyPrediction) -> int:
        """Which of a model's outputs is explained: that of the class it answered, or of the likeliest label."""
        if not isinstance(answer, Prediction):
            return 0
        if self._use_case.contract.label.several and answer.probabilities is not None:
            return answer.probabilities.index(max(answer.probabilities))
        return answer.class_id

    def _of(self, output: int | None) -> dict[str, Any]:
        """Of several labels the one that is explained."""
        label = self._use_case.contract.label
        return {"label": None if output is None else label.class_names[output]} if label.several else {}


class Explainer:
    """The process that explains (`serving.gateway.explainer`): started when it is first asked, ended when it idles."""

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._end: asyncio.TimerHandle | None = None

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """What the process answers, {"problem": …} where it cannot within `SECONDS`; one question at a time."""
        try:
            async with asyncio.timeout(SECONDS), self._turn:
                return await self._asked(orjson.dumps(question, in_json, orjson.OPT_APPEND_NEWLINE))
        except TimeoutError:
            return {"problem": f"it took longer than {SECONDS:.0f} seconds"}

    async def stop(self) -> None:
        """End the process, whatever it is at."""
        if self._end is not None:
            self._end.cancel()
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _asked(self, line: bytes) -> dict[str, Any]:
        if self._end is not None:
            self._end.cancel()
        done = False
        try:
            if self._process is None or self._process.returncode is not None:
                self._process = await self._started()
            told, heard = self._process.stdin, self._process.stdout
            assert told is not None and heard is not None
            told.write(line)
            await told.drain()
            answer = await heard.readline()
            done = answer.endswith(b"\n")
        except OSError as error:
            log.warning("event=explainer_lost error=%r", str(error))
        finally:
            if not done:  # what it says later would be taken for the answer to another question
                await self.stop()
        if not done:
            return {"problem": "the process that explains ended; the gateway's log says why"}
        self._end = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_idle)
        found: dict[str, Any] = orjson.loads(answer)
        return found

    def _end_idle(self) -> None:
        """Its input ends, and so it does."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process = None

    async def _started(self) -> asyncio.subprocess.Process:
        """In a session of its own: Ctrl-C is the gateway's, and with the gateway its input ends."""
        log.info("event=explainer_starts")
        settings = self._use_case.settings.model_copy(update={"use_case": self._use_case.name})
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "serving.gateway.explainer",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment_with(settings),
            limit=LONGEST_LINE,
            start_new_session=True,
        )
