"""Plays periods of production: the rows of each are asked through the gateway, and their truth comes when it is due."""

import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import orjson
import pandas as pd

from lakeloop.atomic_file import write_text
from lakeloop.clock import check_simulated, read_clock, set_clock
from lakeloop.contract import Contract
from lakeloop.contract.time_features import EPOCH
from lakeloop.exceptions import WrongUseError
from lakeloop.fallback import load_rules, rules_answer
from lakeloop.gateway_client import GatewayClient, Question
from lakeloop.model_input import request_rows
from lakeloop.request_log_files import finished_file, open_file, request_log_folder
from lakeloop.request_record import RequestRecord, in_json
from lakeloop.request_topic import request_topic
from lakeloop.use_case import UseCase
from operations.delivery import generate, missing_sources, release
from operations.period_rows import period_rows, played_periods

UNAVAILABLE = "model unavailable: the gateway was left out of this simulation"


@dataclass(frozen=True)
class PeriodCounts:
    """Questions answered, and how many of them by the rules."""

    requests: int = 0
    rules: int = 0


@dataclass(frozen=True)
class SimulationReport:
    """What a simulation did; `skipped` periods were answered before, `delivered` truth files lie in landing now.

    `empty`: periods of which the history has no rows. `seconds` counts only the time in which was asked.
    """

    answered: PeriodCounts
    seconds: float
    skipped: tuple[int, ...]
    empty: tuple[int, ...]
    delivered: tuple[Path, ...]
    clock: int


class Asker(Protocol):
    """Gets a period's questions answered; tells each time some were."""

    def __call__(
        self, period: int, questions: Sequence[Question], on_answers: Callable[[int], None]
    ) -> PeriodCounts: ...


def simulate(
    use_case: UseCase,
    periods: range,
    asker: Asker,
    *,
    label: str = "first",
    until: int | None = None,
    on_period: Callable[[int, int], None] = lambda period, requests: None,
    on_answers: Callable[[int], None] = lambda count: None,
) -> SimulationReport:
    """Play the periods one after the other, then run the clock on to `until`.

    Period 0 is history: it is delivered as files. Of later periods only the truth is, once the clock allows it; their
    features come as requests. A period that the run `label` was answered before is passed over. `on_period` is told
    a period and its requests before they are asked.

    Raises:
        WrongUseError: the use case has neither generator nor history, its history has none of the periods, it goes by
            the wall clock, or the label is no file name.
        LakeloopError: the gateway stays away.
    """
    if not re.fullmatch(r"[\w-]+", label):
        raise WrongUseError(f"the label {label!r} is used in file names; write letters, digits, - and _ only")
    check_simulated(use_case, "simulated")
    answers = AnsweredPeriods(use_case, label)
    total, seconds, skipped, delivered = PeriodCounts(), 0.0, [], []
    there = played_periods(use_case, periods)
    if not there:
        period_rows(use_case, periods[0])  # says why there is none
    for period in periods:
        delivered += advance(use_case, period)
        if period not in there:
            continue
        _deliver(use_case, period)
        if period == 0:
            continue
        if period in answers.periods:
            skipped.append(period)
            continue
        questions = questions_of(use_case, period, label)
        on_period(period, len(questions))
        began = time.perf_counter()
        answered = asker(period, questions, on_answers)
        seconds += time.perf_counter() - began
        answers.add(period, answered)
        total = PeriodCounts(total.requests + answered.requests, total.rules + answered.rules)
    if until is not None:
        delivered += advance(use_case, until)
    empty = tuple(period for period in periods if period not in there)
    return SimulationReport(total, seconds, tuple(skipped), empty, tuple(delivered), read_clock(use_case).period)


def advance(use_case: UseCase, period: int) -> list[Path]:
    """Move the clock to `period` unless it is there already; the truth files that delivers. Raises as `set_clock`."""
    check_simulated(use_case, "moved by hand")
    if period > read_clock(use_case).period:
        set_clock(use_case, period)
    return release(use_case)


def _deliver(use_case: UseCase, period: int) -> None:
    """The period's files that come as files, unless they are there."""
    contract = use_case.contract
    sources = list(contract.sources) if period == 0 else [*contract.joins, contract.label.source]
    missing = missing_sources(use_case, period, sources)
    if missing:
        generate(use_case, [period], sources=missing)


def questions_of(use_case: UseCase, period: int, label: str) -> list[Question]:
    """A period's rows as requests, at their own times or spread evenly over the period, place by place where rows have
    one with a shape; ids depend on use case, key and label alone."""
    contract = use_case.contract
    frame = _place_by_place(contract, period_rows(use_case, period))
    times = _times(contract, frame, period)
    keys = frame[contract.key.column]
    rows = request_rows(contract.features, frame)
    return [
        Question(
            request_id=request_id_of(contract, key, label),
            key=key,
            at=at.isoformat(),
            features=row,
        )
        for key, row, at in zip(keys, rows, times, strict=True)
    ]


def _place_by_place(contract: Contract, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with those of a place one after the other, as places report: each with all it has, in an order that
    neither their names nor the file's give, so that a stretch of them is a sample of all. As they are where they have
    times of their own, or no place."""
    column = contract.place.column if contract.place is not None else None
    if column is None or column not in frame or contract.event_time.dated:
        return frame
    order = frame[column].astype(str).map(lambda place: hashlib.sha256(place.encode()).hexdigest())
    return frame.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def _times(contract: Contract, frame: pd.DataFrame, period: int) -> list[datetime]:
    """When each row is asked about: at its event time, or spread evenly where the rows say their period alone."""
    event = contract.event_time.column
    if event in contract.features:  # there it is seconds since 1970
        return [EPOCH + timedelta(seconds=int(seconds)) for seconds in frame[event]]
    if contract.event_time.dated:
        found = map(contract.event_time.moment, frame[contract.event_time.column].astype(str))
        return [moment for moment in found if moment is not None]  # period_rows has read each of them
    first = contract.period_start(period)
    step = (contract.period_start(period + 1) - first) / len(frame)
    return [first + (number + 0.5) * step for number in range(len(frame))]


def request_id_of(contract: Contract, key: str, label: str) -> str:
    """The id under which the simulation `label` asks about a key: the same each time."""
    return str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_OID, contract.use_case), f"{key}/{label}"))


class AnsweredPeriods:
    """Which periods a run has been answered completely; kept in the logs area, one file a label."""

    def __init__(self, use_case: UseCase, label: str) -> None:
        self._path = Path(use_case.settings.area("logs")) / "simulations" / use_case.name / f"{label}.json"
        known = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}
        self.periods = {int(period): PeriodCounts(**answered) for period, answered in known.items()}

    def add(self, period: int, answered: PeriodCounts) -> None:
        """Note a period durably."""
        self.periods[period] = answered
        write_text(self._path, json.dumps({m: asdict(a) for m, a in self.periods.items()}, indent=1))


def through_gateway(client: GatewayClient) -> Asker:
    """Asks the real gateway."""

    def ask(period: int, questions: Sequence[Question], on_answers: Callable[[int], None]) -> PeriodCounts:
        answers = client.ask(questions, on_answers)
        return PeriodCounts(len(answers), sum(answer["predictor_type"] == "rules" for answer in answers))

    return ask


def without_gateway(use_case: UseCase, label: str) -> Asker:
    """Writes the request log that a gateway without a model would have written: the rules answer everything.

    Raises:
        WrongUseError: the use case has no rules.
    """
    contract = use_case.contract
    rules = load_rules(use_case)
    if rules is None:
        raise WrongUseError(f"use case {use_case.name} has no `fallback.rules` in its contract; nothing could answer")
    folder, topic = request_log_folder(use_case), request_topic(use_case)

    def write(period: int, questions: Sequence[Question], on_answers: Callable[[int], None]) -> PeriodCounts:
        now = datetime.now(UTC).isoformat()
        lines = []
        for question in questions:
            answer = rules_answer(contract, rules, question.features, UNAVAILABLE)
            record = RequestRecord(
                **asdict(question), **asdict(answer), answered_at=now, model_version=None, latency_ms=0.0
            )
            lines.append(orjson.dumps(record.model_dump(), in_json))
        if topic is not None:
            from lakeloop.topic_client import send

            send(topic, lines)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            part = open_file(folder, f"simulation_{label}", period)
            part.write_bytes(b"".join(line + b"\n" for line in lines))
            part.rename(finished_file(part))
        on_answers(len(questions))
        return PeriodCounts(len(questions), len(questions))

    return write
