"""What the live monitor remembers of a use case, in the operational database: how far it has read, and its episodes.

Position, window count and episode change in one transaction, at the end of a window. So a monitor that dies goes on
with the window it was in, and never opens an episode twice.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, delete, insert, select, update

from lakeloop.events import Event, now, record_event
from lakeloop.operational_db import drift_episodes, engine, monitor_states
from lakeloop.settings import Settings
from monitoring.episodes import Episode
from monitoring.verdict import Verdict


class MonitorState(BaseModel):
    """Where a use case's live monitor stands. `episode_id` is '' while none is open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    position: dict[str, tuple[int, int]]
    windows: int = 0
    episode: Episode | None = None
    episode_id: str = ""


def load_state(settings: Settings) -> MonitorState | None:
    """The state at the end of the last window; None where nothing was watched yet."""
    query = select(monitor_states.c.state).where(monitor_states.c.use_case == settings.use_case)
    with engine(settings.operational_db).connect() as connection:
        state = connection.scalar(query)
    return None if state is None else MonitorState.model_validate_json(state)


def save_state(settings: Settings, state: MonitorState, opened: Verdict | None = None, closed: str = "") -> None:
    """Remember a state, together with the episode this window opened or the id of the one it closed."""
    with engine(settings.operational_db).begin() as connection:
        connection.execute(delete(monitor_states).where(monitor_states.c.use_case == settings.use_case))
        content = state.model_dump_json()
        connection.execute(insert(monitor_states).values(use_case=settings.use_case, state=content))
        if closed:
            change = update(drift_episodes).where(drift_episodes.c.id == closed)
            connection.execute(change.values(closed_at=now()))
        if opened is not None:
            _insert_episode(connection, state.episode_id, opened)


def new_episode_id(verdict: Verdict) -> str:
    """A name for the episode this verdict opens; it is kept, so it is drawn once."""
    return f"{verdict.use_case}-{verdict.model_version}-{now()}"


def announce(settings: Settings) -> tuple[Event, bool] | None:
    """Write the newest episode into the ledger, and whether that is new; None if there was never one.

    The monitor itself and Alertmanager's webhook both end here, so one episode is one event with one payload.
    """
    query = select(drift_episodes).where(drift_episodes.c.use_case == settings.use_case)
    with engine(settings.operational_db).connect() as connection:
        row = connection.execute(query.order_by(drift_episodes.c.opened_at.desc()).limit(1)).first()
    return None if row is None else record_event(settings, "drift", row.id, row.payload)


def drift_payload(episode_id: str, verdict: Verdict) -> Mapping[str, Any]:
    """What a drift event tells: which features, by how much, in which requests, against which model."""
    return {
        "episode_id": episode_id,
        "use_case": verdict.use_case,
        "model_version": verdict.model_version,
        "window": verdict.window.model_dump(),
        "features": list(verdict.drifted),
        "share": verdict.share,
        "scores": {column.column: column.score for column in verdict.features},
        "thresholds": {column.column: column.threshold for column in verdict.features},
        "prediction_drift": verdict.prediction.score if verdict.prediction else None,
    }


def _insert_episode(connection: Connection, episode_id: str, verdict: Verdict) -> None:
    values = {"id": episode_id, "use_case": verdict.use_case, "opened_at": now()}
    connection.execute(insert(drift_episodes).values(**values, payload=dict(drift_payload(episode_id, verdict))))
