"""What the live monitor remembers of a use case, in the operational database: how far it has read, and its episodes.

Position, window count, report and episode change in one transaction, at the end of a window. So a monitor that dies
goes on with the window it was in, writes its report once, and never opens an episode twice.
"""

from sqlalchemy import Connection, delete, insert, select, update

from lakeloop.drift_report import DriftReport
from lakeloop.drift_store import add_live_report
from lakeloop.events import now
from lakeloop.frozen_model import FrozenModel
from lakeloop.operational_db import drift_episodes, engine, monitor_states
from lakeloop.use_case import UseCase
from monitoring.drift.episodes import Episode


class MonitorState(FrozenModel):
    """Where a use case's live monitor stands. `episode_id` is '' while none is open."""

    position: dict[str, tuple[int, int]]
    windows: int = 0
    episode: Episode | None = None
    episode_id: str = ""


def load_state(use_case: UseCase) -> MonitorState | None:
    """The state at the end of the last window; None where nothing was watched yet."""
    query = select(monitor_states.c.state).where(monitor_states.c.use_case == use_case.name)
    with engine(use_case.settings.operational_db).connect() as connection:
        state = connection.scalar(query)
    return None if state is None else MonitorState.model_validate_json(state)


def save_state(use_case: UseCase, state: MonitorState, report: DriftReport | None = None, closed: str = "") -> None:
    """Remember a state, with the report on the window that led to it and the id of the episode it closed.

    Where the state's episode is not known yet, the report opened it.
    """
    with engine(use_case.settings.operational_db).begin() as connection:
        connection.execute(delete(monitor_states).where(monitor_states.c.use_case == use_case.name))
        content = state.model_dump_json()
        connection.execute(insert(monitor_states).values(use_case=use_case.name, state=content))
        if closed:
            change = update(drift_episodes).where(drift_episodes.c.id == closed)
            connection.execute(change.values(closed_at=now()))
        if report is None:
            return
        number = add_live_report(connection, report)
        if state.episode_id and not _is_known(connection, state.episode_id):
            values = {"id": state.episode_id, "use_case": use_case.name, "opened_at": now(), "report_id": number}
            connection.execute(insert(drift_episodes).values(**values))


def new_episode_id(report: DriftReport) -> str:
    """A name for the episode this report opens; it is kept, so it is drawn once."""
    return f"{report.use_case}-{report.model_version}-{now()}"


def _is_known(connection: Connection, episode_id: str) -> bool:
    return connection.scalar(select(drift_episodes.c.id).where(drift_episodes.c.id == episode_id)) is not None
