"""Watches one use case as its requests are answered: on a thread of its own, beside the request path, never on it.

It feeds the request log to drift detection. Tumbling windows (each request in one of them) open and close episodes,
and their reports go into the store; the rolling window, the newest requests, is what the gauges show. A monitor that
was off goes on where it stopped.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import pandas as pd
from sqlalchemy.exc import SQLAlchemyError

from lakeloop.drift_report import DriftReport
from lakeloop.drift_store import take_in_files_of_old
from lakeloop.exceptions import LakeloopError
from lakeloop.rejected_rows import RejectedRows
from lakeloop.use_case import UseCase
from lakeloop.waiting_rows import WaitingRows
from monitoring.alarm import announce
from monitoring.challenge_rules import Counted
from monitoring.drift.attribution import BY_RULES, frame_of_records, row_of_record, rows_of_version
from monitoring.drift.detector import detect_drift
from monitoring.drift.episodes import step
from monitoring.drift.reference import NoReference, Reference, load_reference
from monitoring.drift.reference_windows import last_good_period, reference_of_rows
from monitoring.drift.watched_answers import watched_answers
from monitoring.drift.windows import newest, window_of
from monitoring.model_watch import ModelWatch
from monitoring.monitor_state import MonitorState, load_state, new_episode_id, save_state
from monitoring.outbox import undelivered
from monitoring.row_watch import OVERDUE, REJECTED, RowWatch
from monitoring.tail import tail_of

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
SHOW_SECONDS = 1.0
"""The gauges follow new requests this soon."""
REFERENCE_SECONDS = 60.0
"""A reference that is missing, or lacks what the model answers on it, is looked for again this often, and as soon as
the model server answers."""
AGAIN_SECONDS = 2.0


class Performance(Protocol):
    """Where estimated and realised accuracy come from, of numbers their error. None: not known.

    `rows` are a window as `monitoring.drift.attribution` gives it: what the version answered, and `by_rules`.
    """

    def estimated(self, model_version: str, rows: pd.DataFrame) -> float | None: ...

    def realised(self, model_version: str) -> float | None: ...


@dataclass(frozen=True)
class Snapshot:
    """What is known of a use case at a moment. Times are Unix seconds, 0 where nothing happened yet.

    `model_version` is whose rows the report is of. `serving`, the version that serves ('' where none does), and
    `model_available` are None until the model server was asked: a monitor that starts must not call it away.
    `model_available` stays None while none serves and none was pushed: a new use case is not a broken one.
    `estimated` and `realised` are accuracies, of numbers errors. `challenge` is what was counted of a challenger.
    """

    model_version: str = ""
    serving: str | None = None
    report: DriftReport | None = None
    rows: int = 0
    rules: int = 0
    measured_at: float = 0.0
    requests: int = 0
    last_request_at: float = 0.0
    windows: int = 0
    episode_id: str = ""
    model_available: bool | None = None
    model_problem: str = ""
    undelivered: int = 0
    unreadable: int = 0
    estimated: float | None = None
    realised: float | None = None
    rejects: tuple[RejectedRows, ...] = ()
    waiting: tuple[WaitingRows, ...] = ()
    challenge: Counted | None = None
    problem: str = ""


class LiveMonitor:
    """One use case's thread; `snapshot` is always there to read and never waits for a measurement, and so are `newest`,
    the rolling window's rows, with what they are measured against.

    `rejected` and `overdue` are what is known of rejected rows, and of such as wait in vain. `on_event` is called (on
    this thread) when an episode was written into the ledger.
    """

    def __init__(
        self, use_case: UseCase, performance: Performance | None = None, on_event: Callable[[], object] = lambda: None
    ) -> None:
        self._use_case, self._contract = use_case, use_case.contract
        self._performance, self._on_event = performance, on_event
        self._model = ModelWatch(use_case)
        self.rejected = RowWatch(use_case, REJECTED)
        self.overdue = RowWatch(use_case, OVERDUE)
        self._trained: Reference | NoReference = NoReference("", self._model.problem)
        self._reference: Reference | NoReference = self._trained
        self._reference_at = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"monitor-{use_case.name}", daemon=True)
        self.snapshot = Snapshot(problem="it has not looked yet")
        self.newest: tuple[Reference | NoReference, pd.DataFrame] = (self._reference, pd.DataFrame())

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """End, after the window that is being measured."""
        self._stopping.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        """Watch; after a failure go back to the end of the last window that was remembered, so nothing is lost."""
        while not self._stopping.is_set():
            try:
                self._restore()
                with closing(self._tail):
                    while not self._stopping.wait(LOOK_SECONDS):
                        self._look()
            except Exception as error:
                expected = isinstance(error, LakeloopError | SQLAlchemyError | OSError)
                log.log(logging.WARNING if expected else logging.ERROR, "event=monitor_failed", exc_info=not expected)
                self._show(problem=str(error) if expected else f"unexpected {type(error).__name__}: {error}")
                self._stopping.wait(AGAIN_SECONDS)

    def _restore(self) -> None:
        take_in_files_of_old(self._use_case)
        known = load_state(self._use_case)
        window = self._contract.monitoring.window
        most = window * (1 + self._contract.monitoring.sliding_windows if self._slides else 1)
        self._tail = tail_of(self._use_case, None if known is None else known.position, begin_with=window)
        self._state = known or MonitorState(position=dict(self._tail.position))
        if known is None:
            save_state(self._use_case, self._state)
        self._rolling = deque((row_of_record(record, self._contract) for record in self._tail.recent), maxlen=most)
        self._tumbling: list[dict[str, Any]] = []
        self._requests, self._shown_at = 0, float("-inf")
        self._last_request_at = max((_unix(record.answered_at) for record in self._tail.recent), default=0.0)
        self._new_rows = True
        if self._state.episode_id:  # it may have died between opening and announcing
            self._announce()

    def _look(self) -> None:
        self._follow_the_model()
        for record in self._tail.read():
            row = row_of_record(record, self._contract)
            self._rolling.append(row)
            self._tumbling.append(row)
            self._requests += 1
            self._last_request_at = max(self._last_request_at, _unix(record.answered_at))
            self._new_rows = True
            if len(self._tumbling) == self._contract.monitoring.window:
                self._end_window()
        if self._new_rows and time.monotonic() - self._shown_at >= SHOW_SECONDS:
            self._look_at_newest()
        self._show(
            requests=self._requests,
            last_request_at=self._last_request_at,
            undelivered=undelivered(self._use_case) if self._use_case.settings.airflow_url else 0,
            unreadable=self._tail.unreadable,
            rejects=self.rejected.newest(),
            waiting=self.overdue.newest(),
            problem="",
        )

    def _follow_the_model(self) -> None:
        answered = self._model.available
        changed = self._model.look()
        serving = self._model.version if self._model.available else ""
        available = True if self._model.available else False if self._model.awaited else None
        self._show(serving=serving, model_available=available, model_problem=self._model.problem)
        incomplete = not self._reference_is_whole() or self._contract.monitoring.reference == "last_good"
        answers_now = self._model.available and not answered
        again = incomplete and (answers_now or time.monotonic() - self._reference_at >= REFERENCE_SECONDS)
        if not (changed or again or self._reference_at == float("-inf")):
            return
        version = self._model.version
        self._reference_at = time.monotonic()
        self._trained = load_reference(self._use_case, version) if version else NoReference("", self._model.problem)
        self._reference = self._trained
        if isinstance(self._trained, Reference) and self._contract.monitoring.reference == "last_good":
            self._reference = last_good_period(self._use_case, self._trained)
        self._new_rows = True
        if changed and self._state.episode and version and self._state.episode.model_version != version:
            self._end_episode_of_another_model()

    def _reference_is_whole(self) -> bool:
        """Whether all that is watched of the model's answers is known of its reference."""
        known = self._trained
        if isinstance(known, NoReference):
            return False
        return watched_answers(self._contract).whole(known.predictions, known.confidences)

    def _end_window(self) -> None:
        """Measure a full tumbling window and remember what it changed."""
        rows = self._rows(self._tumbling)
        self._tumbling = []
        report = detect_drift(self._against(), rows, self._contract, window_of(rows, "tumbling"))
        episode, change = step(self._state.episode, report, self._contract.monitoring.episode_closes_after)
        before = self._state.episode_id
        number = new_episode_id(report) if change == "opened" else before if change != "closed" else ""
        state = MonitorState(
            position=dict(self._tail.position),
            windows=self._state.windows + 1,
            episode=episode if episode is not None and episode.is_open else None,
            episode_id=number,
        )
        save_state(self._use_case, state, report, closed=before if change == "closed" else "")
        self._state = state
        if change != "none":
            log.warning("event=episode_%s use_case=%s episode=%s", change, self._contract.use_case, number or before)
        if change == "opened":
            self._announce()
        self._look_at_newest()

    def _end_episode_of_another_model(self) -> None:
        """Its windows come no more, so nothing else would close it."""
        closed = self._state.episode_id
        state = self._state.model_copy(update={"episode": None, "episode_id": ""})
        save_state(self._use_case, state, closed=closed)
        self._state = state
        log.warning("event=episode_closed use_case=%s episode=%s why=new_model", self._contract.use_case, closed)

    def _announce(self) -> None:
        if self._use_case.settings.monitor_posts and announce(self._use_case.settings, self._use_case.name) is not None:
            self._on_event()

    def _look_at_newest(self) -> None:
        """Measure the rolling window and show it."""
        size = self._contract.monitoring.window
        window, rows = newest(self._rows(list(self._rolling)[-size:]), size)
        reference = self._against()
        report = detect_drift(reference, rows, self._contract, window)
        self.newest = (reference, rows)
        version = self._reference.model_version
        known = self._performance if len(rows) and version else None
        self._show(
            model_version=version,
            report=report,
            rows=len(rows),
            rules=int(rows[BY_RULES].sum()) if len(rows) else 0,
            measured_at=time.time(),
            estimated=known.estimated(version, rows) if known else None,
            realised=known.realised(version) if known else None,
        )
        self._new_rows, self._shown_at = False, time.monotonic()

    @property
    def _slides(self) -> bool:
        return self._contract.monitoring.reference == "sliding"

    def _against(self) -> Reference | NoReference:
        """What the newest window is measured against; of a sliding reference the windows just before it."""
        if not self._slides or isinstance(self._trained, NoReference):
            return self._reference
        before = list(self._rolling)[: -self._contract.monitoring.window]
        return reference_of_rows(self._contract, self._trained, self._rows(before))

    def _rows(self, answered: Iterable[dict[str, Any]]) -> pd.DataFrame:
        frame, known = frame_of_records(answered, self._contract), self._reference
        return rows_of_version(frame, self._contract, known.model_version, known.threshold)

    def _show(self, **changes: Any) -> None:
        state = getattr(self, "_state", None)
        known = {"windows": state.windows, "episode_id": state.episode_id} if state is not None else {}
        self.snapshot = replace(self.snapshot, **known, **changes)


def _unix(text: str) -> float:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except ValueError:
        return 0.0
