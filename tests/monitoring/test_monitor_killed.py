"""A real `lakeloop monitor`, killed with SIGKILL at one stage after the other."""

from collections.abc import Callable

import pandas as pd
import pytest

from lakeloop.events import all_events
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from monitoring.monitor_state import load_state
from tests.lakehouse.killing import kill_when
from tests.monitoring.request_log import Log

pytestmark = pytest.mark.long
COMMAND = ("monitor", "--port", "0")


def test_a_monitor_killed_at_every_stage_in_turn_measures_each_window_and_tells_each_episode_once(
    home: Settings, month: Callable[..., pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKELOOP_MODEL_SERVER_URL", home.model_server_url)
    log = Log(home)

    def windows(count: int) -> Callable[[], bool]:
        def measured() -> bool:
            state = load_state(open_use_case(home))
            return state is not None and state.windows >= count

        return measured

    def episode_opened() -> bool:
        state = load_state(open_use_case(home))
        return state is not None and state.episode_id != ""

    kill_when(windows(0), home.home, *COMMAND)  # it knows where the log begins, and nothing else
    log.add(month(0, 2200, 1))
    kill_when(windows(1), home.home, *COMMAND)  # 700 rows of the second window are read or not
    log.add(month(24, 2300, 2))
    kill_when(episode_opened, home.home, *COMMAND)  # perhaps not written into the ledger yet
    kill_when(lambda: len(all_events(open_use_case(home))) == 1 and windows(3)(), home.home, *COMMAND)
    log.add(month(24, 1500, 3))
    kill_when(windows(4), home.home, *COMMAND)

    state = load_state(open_use_case(home))
    assert state is not None and state.windows == 4
    (event,) = all_events(open_use_case(home))
    assert event.key == state.episode_id and event.payload["window"]["rows"] == 1500
    assert state.episode is not None and state.episode.drifted_windows == 3
