"""Requests cut into windows, and windows joined to episodes."""

import pandas as pd
import pytest

from lakeloop.drift_report import DriftReport, DriftState, Window
from monitoring.drift.episodes import Episode, episodes, step
from monitoring.drift.windows import newest, tumbling


def requests(count: int) -> pd.DataFrame:
    """So many requests, one a day from 2023-01-01, handed over backwards."""
    days = pd.date_range("2023-01-01", periods=count, freq="D", tz="UTC")
    rows = pd.DataFrame({"at": [day.isoformat() for day in days], "n": range(count), "month": days.strftime("%Y-%m")})
    return rows.iloc[::-1]


def numbers(cuts: object) -> list[list[int]]:
    return [rows["n"].tolist() for _, rows in cuts]  # type: ignore[attr-defined]


def test_tumbling_windows_lie_side_by_side_in_event_order() -> None:
    assert numbers(tumbling(requests(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    first = next(tumbling(requests(7), 3))[0]
    assert first == Window(kind="tumbling", first="2023-01-01T00:00:00+00:00", last="2023-01-03T00:00:00+00:00", rows=3)


def test_the_rolling_window_holds_the_newest_rows() -> None:
    assert newest(requests(7), 4)[1]["n"].tolist() == [3, 4, 5, 6]


def test_no_requests_are_one_empty_window() -> None:
    ((window, rows),) = tumbling(requests(0), 3)
    assert (window, len(rows)) == (Window(kind="tumbling", rows=0), 0)
    assert newest(requests(0), 3)[0] == Window(kind="rolling", rows=0)


def reports(states: str, version: str = "7") -> list[DriftReport]:
    """One window a letter: d drift, s stable, f too few rows, n no reference."""
    named: dict[str, DriftState] = {"d": "drift", "s": "stable", "f": "too few rows", "n": "no reference"}
    return [
        DriftReport(
            use_case="x", model_version=version, state=named[letter],
            window=Window(kind="tumbling", first=f"{number:03d}", last=f"{number:03d}", rows=10),
        )
        for number, letter in enumerate(states)
    ]  # fmt: skip


def spans(found: list[Episode]) -> list[tuple[str, str, int, str]]:
    """(opened by, last drifted, drifted windows, closed by) of each."""
    return [
        (e.opened_by.first, e.last_drifted.first, e.drifted_windows, e.closed_by.first if e.closed_by else "")
        for e in found
    ]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("", []),
        ("ssss", []),
        ("sdsddd", [("001", "005", 4, "")]),  # the reference months: 11, not 12, from 13 on: one episode
        ("dsss", [("000", "000", 1, "003")]),
        ("dssdsss", [("000", "003", 2, "006")]),
        ("dsssd", [("000", "000", 1, "003"), ("004", "004", 1, "")]),
        ("fnfn", []),
        ("fdfnsfss", [("001", "001", 1, "007")]),
        ("dssffff", [("000", "000", 1, "")]),
    ],
)
def test_an_episode_opens_with_drift_and_closes_after_three_clean_windows(
    states: str, expected: list[tuple[str, str, int, str]]
) -> None:
    assert spans(episodes(reports(states), 3)) == expected


def test_one_episode_is_opened_and_closed_once_whatever_comes_between() -> None:
    changes, episode = [], None
    for report in reports("sddfsdsssss"):
        episode, change = step(episode, report, 3)
        changes.append(change)
    assert [c for c in changes if c != "none"] == ["opened", "closed"]
    assert (changes[1], changes[8]) == ("opened", "closed")


def test_each_model_has_its_own_episodes() -> None:
    old, new = reports("ddss", "1"), reports("ssss", "2")
    mixed = [report for pair in zip(old, new, strict=True) for report in pair]
    assert [(e.model_version, e.is_open) for e in episodes(mixed, 3)] == [("1", True)]
    assert episodes(new[:0], 3) == []
    opened, _ = step(None, old[0], 3)
    assert step(opened, new[0], 1) == (opened, "none")


def test_a_kept_episode_goes_on_where_it_was() -> None:
    before, after = reports("dss")[:3], reports("ssss")[3:]
    episode: Episode | None = None
    for report in before:
        episode, _ = step(episode, report, 3)
    assert episode is not None
    kept = Episode.model_validate_json(episode.model_dump_json())
    assert step(kept, after[0], 3)[1] == "closed"
