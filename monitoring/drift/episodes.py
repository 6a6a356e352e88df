"""Episodes of dataset drift: many drifted windows are one thing that happened. A pure state machine.

An episode opens with the first drifted window and closes after some clean ones in a row. A window that could not be
measured is neither: it does not open, does not close, and does not break a row of clean ones.
"""

from collections.abc import Iterable
from typing import Literal

from lakeloop.drift_report import DriftReport, Window
from lakeloop.frozen_model import FrozenModel

Change = Literal["opened", "closed", "none"]
MEASURED = ("stable", "drift")


class Episode(FrozenModel):
    """Consecutive drift of one model's windows. `closed_by` is the last of the clean windows that ended it."""

    model_version: str
    opened_by: Window
    last_drifted: Window
    drifted_windows: int = 1
    clean_in_a_row: int = 0
    closed_by: Window | None = None

    @property
    def is_open(self) -> bool:
        """Whether drift goes on, as far as is known."""
        return self.closed_by is None


def step(episode: Episode | None, report: DriftReport, closes_after: int) -> tuple[Episode | None, Change]:
    """The episode after one more window, and what that changed. A closed episode is followed by None or a new one.

    Windows of another model than the open episode's leave it as it is: keep one episode a model version.
    """
    current = episode if episode is not None and episode.is_open else None
    if report.state not in MEASURED or (current is not None and report.model_version != current.model_version):
        return current, "none"
    if current is None:
        if report.state == "stable":
            return None, "none"
        opened = Episode(model_version=report.model_version, opened_by=report.window, last_drifted=report.window)
        return opened, "opened"
    if report.state == "drift":
        again = {"last_drifted": report.window, "drifted_windows": current.drifted_windows + 1, "clean_in_a_row": 0}
        return current.model_copy(update=again), "none"
    clean = current.clean_in_a_row + 1
    if clean < closes_after:
        return current.model_copy(update={"clean_in_a_row": clean}), "none"
    return current.model_copy(update={"clean_in_a_row": clean, "closed_by": report.window}), "closed"


def episodes(reports: Iterable[DriftReport], closes_after: int) -> list[Episode]:
    """All episodes of measured windows given in event order, by opening; each model version has its own."""
    ended: list[Episode] = []
    current: dict[str, Episode | None] = {}
    for report in reports:
        episode, change = step(current.get(report.model_version), report, closes_after)
        if change == "closed" and episode is not None:
            ended.append(episode)
            episode = None
        current[report.model_version] = episode
    ended += [episode for episode in current.values() if episode is not None]
    return sorted(ended, key=lambda episode: episode.opened_by.first)
