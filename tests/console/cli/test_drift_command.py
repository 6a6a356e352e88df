"""How `lakeloop drift` shows what was found."""

from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from console.cli.app import app
from console.cli.drift import _against, _confidence, _drifted_alone, _episode, _reasons, _windows
from lakeloop.contract import Contract
from lakeloop.drift_report import ColumnDrift, DriftReport, Window
from lakeloop.exceptions import NotFoundError
from monitoring.drift.episodes import Episode

WINDOW = Window(kind="month", first="2023-12-01", last="2023-12-31", rows=1500, period="2023-12")


def report(**changes: object) -> DriftReport:
    def column(name: str, score: float | None, drifted: bool = False) -> ColumnDrift:
        return ColumnDrift(column=name, test="wasserstein", score=score, threshold=0.1, drifted=drifted)

    features = (column("miles", 0.2839, True), column("age", 0.15, True), column("training", None))
    given = DriftReport(
        use_case="insurance", model_version="7", window=WINDOW, state="drift", features=features,
        prediction=column("prediction", 0.02),
    )  # fmt: skip
    return given.model_copy(update=changes)


def shown(contract: Contract, *reports: DriftReport) -> list[list[str]]:
    console = Console(width=200, no_color=True, force_terminal=False)
    with console.capture() as captured:
        console.print(_windows(reports, contract))
    return [line.split() for line in captured.get().splitlines()]


def test_a_row_a_window_with_drifted_scores_marked(contract: Contract) -> None:
    header, row = shown(contract, report())
    assert header == ["window", "rows", "model", "state", "share", *contract.features, "prediction"]
    assert row == ["2023-12", "1,500", "7", "DRIFT", "2/3", "-", "*0.1500", "-", "-", "-", "*0.2839", "0.0200"]


def test_the_confidence_has_a_column_where_it_was_measured(contract: Contract) -> None:
    sure = ColumnDrift(column="confidence", test="wasserstein", score=0.3, threshold=0.15, drifted=True)
    moved = report(confidence=sure)
    header, older, row = shown(contract, report(), moved)
    assert header[-2:] == ["prediction", "confidence"]
    assert (older[-2:], row[-2:]) == (["0.0200", "-"], ["0.0200", "*0.3000"])
    assert _confidence([report(), moved, moved]) == ["the model's confidence drifted first in 2023-12 (distance 0.300)"]


def test_windows_are_told_with_the_requests_they_were_measured_against(contract: Contract) -> None:
    monitoring = contract.monitoring.model_copy(update={"reference": "last_good"})
    first = report(window=WINDOW.model_copy(update={"period": "2023-11"}), reference_note="no good month yet")
    later = report(reference="last_good", reference_periods=("2023-11",))
    assert _against([first, later], contract) == []
    assert _against([first, later], contract.model_copy(update={"monitoring": monitoring})) == [
        "2023-11: measured against train: no good month yet",
        "2023-12: measured against last good: 2023-11",
    ]


def test_in_a_narrow_terminal_a_window_names_what_drifted_the_furthest_first() -> None:
    scores = {f"a_feature_{number:02d}": 0.1 + number / 100 for number in range(1, 31)}
    features = tuple(
        ColumnDrift(column=name, test="wasserstein", score=score, threshold=0.1, drifted=score > 0.35)
        for name, score in scores.items()
    )
    console = Console(width=80, no_color=True, force_terminal=False)
    with console.capture() as captured:
        console.print(_drifted_alone([report(features=features), report(features=(), prediction=None)]))
    lines = captured.get().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].split()[:8] == ["2023-12", "1,500", "7", "DRIFT", "5/30", "0.0200", "a_feature_30", "0.4000,"]
    told = " ".join(" ".join(line.split()) for line in lines[1:-1])
    assert told.endswith("a_feature_29 0.3900, a_feature_28 0.3800, a_feature_27 0.3700, a_feature_26 0.3600")
    assert lines[-1].split() == ["2023-12", "1,500", "7", "DRIFT", "-"]


def test_a_window_that_was_not_measured_shows_no_numbers(contract: Contract) -> None:
    _, row = shown(
        contract, report(state="no reference", reason="gone", features=(), prediction=None, model_version="")
    )
    assert row == ["2023-12", "1,500", "none", "no", "reference", *["-"] * 7]


def test_each_reason_not_to_measure_is_told_once() -> None:
    gone = report(state="no reference", reason="gone", features=())
    later = gone.model_copy(update={"window": WINDOW.model_copy(update={"period": "2024-02"})})
    few = report(state="too few rows", reason="3 rows", features=())
    assert _reasons([gone, report(), few, later]) == ["2 windows, 2023-12 to 2024-02: gone", "2023-12: 3 rows"]


def test_an_episode_is_one_sentence(contract: Contract) -> None:
    episode = Episode(model_version="7", opened_by=WINDOW, last_drifted=WINDOW)
    start = "dataset drift of model 7 from 2023-12 (month 11) to 2023-12, 1 window drifted, "
    assert _episode(episode, contract) == start + "still open"
    closed = episode.model_copy(update={"closed_by": WINDOW.model_copy(update={"period": "2024-03"})})
    assert _episode(closed, contract) == start + "closed by 2024-03"


@pytest.mark.parametrize(("command", "told"), [("drift", "was answered yet"), ("performance", "has no rows yet")])
def test_where_nothing_was_ever_asked_there_is_nothing_to_measure_and_spark_is_not_started(
    command: str, told: str, tmp_path: Path
) -> None:
    environment = {"LAKELOOP_HOME": str(tmp_path), "JAVA_HOME": "/nowhere"}
    done = CliRunner().invoke(app, [command], env=environment)
    assert done.exit_code == 0 and told in done.output
    asked = CliRunner().invoke(app, ["drift", "--periods", "3"], env=environment)
    assert isinstance(asked.exception, NotFoundError) and "in month 3 yet" in str(asked.exception)
