"""The parts of a running gateway, made from settings and contract, and started and stopped in order."""

import asyncio
import logging
from typing import TYPE_CHECKING

from lakeloop.contract import Requests
from lakeloop.exceptions import BrokenError
from lakeloop.releases import read_release
from lakeloop.request_log_files import request_log_folder
from lakeloop.request_topic import request_topic
from lakeloop.switches import parse_segment
from lakeloop.use_case import UseCase
from serving.gateway.answering import Answering
from serving.gateway.challenging import Challenging
from serving.gateway.explaining import Explaining
from serving.gateway.log_files import finish_dead_writers, newest_records
from serving.gateway.metrics import Metrics
from serving.gateway.model_api import ModelApi
from serving.gateway.model_client import ModelClient
from serving.gateway.own_code import OwnCode
from serving.gateway.recent_answers import MOST_ANSWERS, MOST_FILES
from serving.gateway.request_log import RequestLog
from serving.gateway.switch_watch import SwitchWatch

if TYPE_CHECKING:
    from serving.gateway.topic_log import TopicLog

log = logging.getLogger(__name__)


class Parts:
    """Model client, own code, switches, request log, counters, the answering that joins them, what explains answers.

    Raises:
        WrongUseError: a segment of the contract names no feature.
        OwnCodeError: its rules or its `features.py` cannot be used.
    """

    def __init__(self, use_case: UseCase) -> None:
        contract = use_case.contract
        for text in contract.fallback.segments if contract.fallback else ():
            parse_segment(contract, text)
        self.metrics = Metrics(use_case.name, contract.monitoring.window)
        budget = (contract.requests or Requests(description="not logged")).budget_ms / 1000
        api = ModelApi(use_case.settings.model_server, contract)
        self.own_code = OwnCode(use_case, budget)
        self.model = ModelClient(
            api,
            budget,
            self.metrics.model_version,
            lambda: read_release(use_case.settings, use_case.name),
        )
        self.challenging = Challenging(use_case, self.own_code, budget, lambda: self.model.release, self.metrics)
        self.switches = SwitchWatch(use_case)
        self._use_case = use_case
        self._folder = request_log_folder(use_case)
        self._topic = request_topic(use_case)
        self.log = self._log() if contract.requests else None
        self.answering = Answering(
            contract,
            self.own_code,
            self.model,
            lambda: self.switches.now,
            self.metrics,
            self.log.add if self.log else None,
            self.challenging,
        )
        self.explaining = Explaining(use_case, self.answering)
        self._gauges()

    async def start(self, before: "Parts | None" = None) -> None:
        """Finish what dead gateways left, remember their answers, or those of the parts `before` these, and go."""
        if before is not None:
            self.answering.recent = before.answering.recent
        if self.log is not None:
            try:
                await asyncio.to_thread(finish_dead_writers, self._folder)
                if before is None:
                    await asyncio.to_thread(self._remember)
            except (OSError, BrokenError) as error:
                log.error("event=request_log_unreadable use_case=%s error=%r", self._use_case.name, str(error))
            self.log.start()
        await self.switches.start()
        await self.model.start()
        await self.challenging.start()

    async def stop(self) -> None:
        """Stop asking, then write what waits."""
        await self.explaining.stop()
        await self.challenging.stop()
        await self.model.stop()
        await self.own_code.stop()
        await self.switches.stop()
        if self.log is not None:
            await asyncio.to_thread(self.log.stop)

    def _log(self) -> "RequestLog | TopicLog":
        if self._topic is None:
            return RequestLog(self._folder, self.metrics.log_failures.inc)
        from serving.gateway.topic_log import TopicLog  # the broker's client is loaded where there is one

        return TopicLog(self._topic, self.metrics.log_failures.inc)

    def _remember(self) -> None:
        self.answering.refill(newest_records(self._folder, MOST_ANSWERS, MOST_FILES))
        if self._topic is not None:
            from serving.gateway.topic_log import newest_sent

            self.answering.refill(newest_sent(self._topic, MOST_ANSWERS))

    def _gauges(self) -> None:
        self.metrics.watch("model_up", "1 while the model answers.", lambda: float(not self.model.problem))
        self.metrics.watch(
            "switches_stale", "1 while the switches cannot be read.", lambda: float(bool(self.switches.problem))
        )
        self.metrics.watch(
            "own_code_held_off",
            "1 while rules and derived features are held off, for they took too long.",
            lambda: float(bool(self.own_code.problem)),
        )
        if self.log is not None:
            watched = self.log
            self.metrics.watch("request_log_pending", "Lines not yet written.", lambda: float(watched.pending))
            self.metrics.watch("request_log_lag_seconds", "Age of the oldest of them.", lambda: watched.lag_seconds)
            self.metrics.watch(
                "request_log_lost", "Lines lost because too many were waiting.", lambda: float(watched.lost)
            )
