"""A use case's own code as the gateway calls it: in a process of its own, which may hang, be slow or die alone.

What took too long is told to who asked. Three times in a row, or once so that the process had to be ended, and the code
is held off: nobody waits for it for some seconds, then it is tried again.
"""

import asyncio
import logging
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from lakeloop.contract.features import FEATURES_FILE
from lakeloop.exceptions import OwnCodeError, OwnCodeTooSlowError
from lakeloop.own_code import Known
from lakeloop.settings import PROJECT
from lakeloop.use_case import UseCase
from serving.gateway.circuit import Circuit
from serving.gateway.own_functions import HEAD_BYTES, Question, Wanted, framed, length_of, read

log = logging.getLogger(__name__)

AT_A_TIME = 20
"""Calls of one question: between those of a large batch others of the use case get their turn."""
LOAD_SECONDS = 20.0
"""For importing one function with all that its file imports."""
GRACE_SECONDS = 1.0
"""Beyond its time for code that does not even hear that it is over: then its process is ended."""
HELD_OFF_SECONDS = 5.0


def wanted_of(use_case: UseCase) -> tuple[Wanted, ...]:
    """The functions of a use case's own code that requests need: of its derived features, and its rules."""
    contract, folder = use_case.contract, use_case.own_folder
    wanted = [
        Wanted(folder / FEATURES_FILE, name, feature.derived_from or ())
        for name, feature in contract.derived_features.items()
    ]
    if contract.fallback is not None:
        file, _, function = contract.fallback.rules.partition(":")
        wanted.append(Wanted(folder / file, function, None))
    return tuple(wanted)


class OwnProcess:
    """Calls functions of one use case. `seconds` is what a question may take, and may wait for others before it.

    `known` says of each function by its name what there is to know without calling it, as it is loaded now.

    Raises:
        OwnCodeError: a file cannot be imported, or has no such function.
    """

    def __init__(self, use_case: str, wanted: Sequence[Wanted], seconds: float) -> None:
        self._use_case, self._wanted, self._seconds = use_case, tuple(wanted), seconds
        self._process: _Process | None = _Process(self._wanted, seconds) if wanted else None
        self.known: Mapping[str, Known] = self._process.known if self._process is not None else {}
        self._turn = asyncio.Lock()
        self._circuit = Circuit()
        self._returning: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str:
        """Why it is held off; '' where it is not."""
        return self._circuit.why

    async def call(self, questions: Sequence[Question]) -> list[Any]:
        """What each call gives, in order: a value, or an OwnCodeError where it failed.

        Raises:
            OwnCodeTooSlowError: it took too long, or is held off because it did.
        """
        found: list[Any] = []
        for first in range(0, len(questions), AT_A_TIME):
            found += await self._in_turn(questions[first : first + AT_A_TIME])
        return found

    async def stop(self) -> None:
        """End the process, whatever it is at."""
        if self._returning is not None:
            self._returning.cancel()
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(process.end)

    async def _in_turn(self, questions: Sequence[Question]) -> list[Any]:
        try:
            async with asyncio.timeout(self._seconds):
                await self._turn.acquire()
        except TimeoutError:
            raise self._too_slow("it is asked more than it can answer") from None
        try:
            return await self._asked(questions)
        finally:
            self._turn.release()

    async def _asked(self, questions: Sequence[Question]) -> list[Any]:
        process = self._process
        if self._circuit.open or process is None:
            raise self._too_slow(f"it is held off, because {self._circuit.why or 'it was ended'}")
        found: Any = None
        try:
            async with asyncio.timeout(self._seconds + GRACE_SECONDS):
                found = await process.answers(questions)
        except TimeoutError:
            self._failed(f"{process.path.name}: it took longer than {self._seconds * 1000:.0f} ms, and had to be ended")
        except OSError:
            self._failed(f"{process.path.name}: it ended its process")
        finally:
            if found is None:  # what it says later would be taken for the answer to another question
                self._process = None
                process.kill()
                if not self._circuit.open:  # who asked gave up
                    self._failed(f"{process.path.name}: its process was ended while it was at work")
        if isinstance(found, OwnCodeTooSlowError):
            place = f"{found.file.name}, line {found.line}" if found.line else found.file.name
            self._failed(f"{place}: {found.problem}", at_once=False)
            raise found
        if found is None:
            raise self._too_slow(self._circuit.why)
        self._circuit.succeeded()
        answers: list[Any] = found
        return answers

    def _failed(self, why: str, at_once: bool = True) -> None:
        self._circuit.failed(why, at_once)
        if self._circuit.open:
            log.error("event=own_code_held_off use_case=%s why=%r", self._use_case, why)
            if self._returning is None or self._returning.done():
                self._returning = asyncio.create_task(self._return())

    async def _return(self) -> None:
        while self._circuit.open:
            await asyncio.sleep(HELD_OFF_SECONDS)
            try:
                if self._process is None:
                    self._process = await asyncio.to_thread(_Process, self._wanted, self._seconds)
                    self.known = self._process.known
            except OwnCodeError as error:
                log.error("event=own_code_unusable use_case=%s why=%r", self._use_case, str(error))
                continue
            self._circuit.succeeded()
            log.info("event=own_code_tried_again use_case=%s", self._use_case)

    def _too_slow(self, problem: str) -> OwnCodeTooSlowError:
        return OwnCodeTooSlowError(self._wanted[0].path, 0, problem)


class _Process:
    """The process, with the functions loaded.

    Raises:
        OwnCodeError: a function cannot be had, or not in time.
    """

    def __init__(self, wanted: Sequence[Wanted], seconds: float) -> None:
        self.path = wanted[0].path
        self._connection, there = socket.socketpair()
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "serving.gateway.own_functions", str(there.fileno())],
                pass_fds=(there.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=2,  # what others' code prints is for the log
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])},
                start_new_session=True,  # Ctrl-C is the gateway's
            )
        try:
            self._connection.sendall(framed((seconds, wanted)))
            self.known = {one.name: self._loaded(one) for one in wanted}
        except BaseException:
            self.end()
            raise
        self._connection.setblocking(False)

    async def answers(self, questions: Sequence[Question]) -> Any:
        """What the process says to them. Raises OSError where it is gone."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._connection, framed(questions))
        received = b""
        while (length := length_of(received)) is None or len(received) < HEAD_BYTES + length:
            part = await loop.sock_recv(self._connection, 2**16)
            if not part:
                raise ConnectionError
            received += part
        return pickle.loads(memoryview(received)[HEAD_BYTES:])

    def kill(self) -> None:
        """Have it ended, without waiting for that."""
        self._connection.close()
        with suppress(ProcessLookupError):
            self._process.kill()

    def end(self) -> None:
        """End it, and wait for that."""
        self.kill()
        self._process.wait()

    def _loaded(self, wanted: Wanted) -> Known:
        self._connection.settimeout(LOAD_SECONDS)
        try:
            found = read(self._connection)
        except TimeoutError:
            raise OwnCodeError(wanted.path, 0, f"importing it took longer than {LOAD_SECONDS:.0f} seconds") from None
        except (EOFError, OSError):
            raise OwnCodeError(wanted.path, 0, "importing it ended its process") from None
        if isinstance(found, OwnCodeError):
            raise found
        known: Known = found
        return known
