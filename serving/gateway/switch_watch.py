"""Which segments are switched off at run time: read again each second, never while an answer waits."""

import asyncio
import logging
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from lakeloop.contract import Segment
from lakeloop.exceptions import LakeloopError
from lakeloop.fallback import WHOLE_MODEL
from lakeloop.switches import Switch, active_switches, parse_segment
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)

READ_SECONDS = 0.8
"""Short enough that a switch is effective within a second."""


@dataclass(frozen=True)
class SwitchedOff:
    """What the rules answer at present, on top of the contract's own segments."""

    model: bool = False
    segments: tuple[Segment, ...] = ()


class SwitchWatch:
    """Keeps `now` up to date; while the database cannot be read, the last known switches hold and `problem` says so."""

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._task: asyncio.Task[None] | None = None
        self.now = SwitchedOff()
        self.problem = ""

    async def start(self) -> None:
        """Read once, then go on reading."""
        await self._read()
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End the watch."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(READ_SECONDS)
            await self._read()

    async def _read(self) -> None:
        try:
            switches = await asyncio.to_thread(active_switches, self._use_case)
        except (LakeloopError, SQLAlchemyError, OSError) as error:
            if not self.problem:
                log.error("event=switches_unreadable error=%r", str(error))
            self.problem = "the switches cannot be read; the last known ones hold"
            return
        self.problem = ""
        segments = [segment for segment in map(self._parsed, switches) if segment is not None]
        self.now = SwitchedOff(any(switch.segment == WHOLE_MODEL for switch in switches), tuple(segments))

    def _parsed(self, switch: Switch) -> Segment | None:
        if switch.segment == WHOLE_MODEL:
            return None
        try:
            return parse_segment(self._use_case.contract, switch.segment)
        except LakeloopError as error:  # the contract changed since
            log.error("event=switch_ignored number=%d error=%r", switch.id, str(error))
            return None
