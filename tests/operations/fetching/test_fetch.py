"""Files that a use case's own function gets from elsewhere: whole or not at all, once, and what goes wrong in words."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from lakeloop.clock import set_clock
from lakeloop.contract import Place
from lakeloop.exceptions import BusyError, WrongUseError
from lakeloop.own_code import code_sha256
from lakeloop.settings import PROJECT
from lakeloop.use_case import UseCase
from operations.fetching.fetch import fetch
from operations.fetching.landed import FetchedFiles, code_of_files
from operations.places.shapes import shapes_file
from tests.command_line import warm_lakeloop_in
from tests.operations.fetching.conftest import Api
from tests.waiting import eventually

Rides = Callable[..., UseCase]


def landed(use_case: UseCase, source: str = "rides") -> list[str]:
    """The names in the landing folder, hidden ones left out."""
    return sorted(path.name for path in (use_case.folder("landing") / source).glob("[!.]*"))


def gone(pid: int) -> bool:
    """Whether a process has ended, fetched by its parent or not."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_pages_of_the_periods_that_are_due_land_once(rides: Rides, api: Api) -> None:
    api.pages = {"2024-01": [3, 2], "2024-02": [1], "2024-03": [5]}
    use_case, said = rides(), list[str]()
    set_clock(use_case, 1)
    report = fetch(use_case, "rides", on_line=said.append)
    assert landed(use_case) == ["rides-2024-01-1.json", "rides-2024-01-2.json", "rides-2024-02-1.json"]
    assert (set(report.landed), report.waiting, report.problem) == ({"2024-01", "2024-02"}, (), "")
    assert said == ["page 1: 3 rides", "page 2: 2 rides", "page 1: 1 rides"]
    code = code_sha256(use_case.own_folder / "fetch.py")
    assert code_of_files(use_case.folder("landing"), "rides") == dict.fromkeys(landed(use_case), code)
    api.asked.clear()
    assert fetch(use_case, "rides").landed == {} and api.asked == []
    set_clock(use_case, 2)
    assert list(fetch(use_case, "rides").landed) == ["2024-03"] and api.asked == [("2024-03", 1)]


def test_shapes_of_places_land_beside_the_sources_and_the_newest_count(rides: Rides, api: Api) -> None:
    api.pages = {"2024-01": [1], "2024-02": [1]}
    use_case = rides()
    place = Place(column="town", shapes="towns.geojson")
    placed = UseCase(use_case.settings, use_case.contract.model_copy(update={"place": place}))
    script = use_case.contract_path.parent / "fetch.py"
    line = '    (folder / "towns.geojson").write_text(period)\n'
    script.write_text(script.read_text() + line)
    set_clock(use_case, 1)
    assert "fetch wrote towns.geojson, and a file of this source is called" in fetch(use_case, "rides").problem
    report = fetch(placed, "rides")
    assert [path.name for path in report.files] == ["rides-2024-01-1.json", "rides-2024-02-1.json"]
    assert shapes_file(placed, place).read_text() == "2024-02"


def test_by_the_wall_clock_a_period_is_fetched_when_it_is_over(rides: Rides, api: Api) -> None:
    api.pages = {"2024-01": [3], "2024-02": [1]}
    case = rides()
    settings = case.settings.model_copy(update={"now": datetime(2024, 2, 29, 23, 59, tzinfo=UTC)})
    real = UseCase(settings, case.contract.model_copy(update={"clock": "wall"}))
    assert list(fetch(real, "rides").landed) == ["2024-01"] and api.asked == [("2024-01", 1)]
    with pytest.raises(WrongUseError, match="month 2024-02 is due by the wall clock from 2024-03-01 00:00 UTC on"):
        fetch(real, "rides", [1])
    march = UseCase(settings.model_copy(update={"now": datetime(2024, 3, 1, tzinfo=UTC)}), real.contract)
    assert list(fetch(march, "rides").landed) == ["2024-02"]


def test_a_period_that_breaks_off_lands_nothing_and_is_asked_again(rides: Rides, api: Api) -> None:
    api.pages = {"2024-01": [3], "2024-02": [2, 2], "2024-03": [1]}
    api.failing = {("2024-02", 2)}
    use_case = rides()
    set_clock(use_case, 2)
    report = fetch(use_case, "rides")
    assert landed(use_case) == ["rides-2024-01-1.json"]
    script = use_case.contract_path.parent / "fetch.py"
    first, *others = report.problem.splitlines()
    assert first == f"{script}, line 11: rides, 2024-02: HTTPError: HTTP Error 500: Internal Server Error"
    (details,) = others
    assert "Traceback" in Path(details.rpartition(" ")[2]).read_text()
    api.failing.clear()
    assert set(fetch(use_case, "rides").landed) == {"2024-02", "2024-03"}


def test_what_is_not_there_yet_is_asked_again(rides: Rides, api: Api) -> None:
    use_case = rides()
    assert fetch(use_case, "rides").waiting == ("2024-01",)
    api.pages = {"2024-01": [1]}
    assert set(fetch(use_case, "rides").landed) == {"2024-01"}


def at(use_case: UseCase, hours: float) -> UseCase:
    """The same use case so many hours after the turn of the year."""
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    return UseCase(use_case.settings.model_copy(update={"now": now}), use_case.contract)


def test_a_period_that_stays_empty_is_asked_ever_more_rarely(rides: Rides, api: Api) -> None:
    use_case = rides()
    asked = []
    for hour in range(24):
        report = fetch(at(use_case, hour), "rides")
        assert report.waiting == ("2024-01",), "who is not asked is told, too"
        asked += [hour] * len(api.asked)
        api.asked.clear()
    assert asked == [0, 1, 2, 3, 5, 8, 12, 18]
    assert report.next_try == datetime(2026, 1, 2, 3, tzinfo=UTC)
    api.pages = {"2024-01": [1], "2024-02": [1]}
    set_clock(use_case, 1)
    report = fetch(at(use_case, 24), "rides")
    assert (set(report.landed), report.waiting) == ({"2024-02"}, ("2024-01",)), "the others do not wait with it"
    report = fetch(at(use_case, 27), "rides")
    assert (set(report.landed), report.waiting, report.next_try) == ({"2024-01"}, (), None)


def test_a_period_that_is_asked_for_is_asked_at_once(rides: Rides, api: Api) -> None:
    use_case = rides()
    for hour in (0, 1):
        fetch(at(use_case, hour), "rides")
    assert fetch(at(use_case, 1.1), "rides").waiting == ("2024-01",) and len(api.asked) == 2
    fetch(at(use_case, 1.1), "rides", [0])
    fetch(at(use_case, 1.2), "rides", again=True)
    assert len(api.asked) == 4
    fetch(at(use_case, -1), "rides")
    assert len(api.asked) == 5, "a clock that was put back keeps nobody waiting"


def test_a_note_of_empty_periods_that_cannot_be_read_says_of_none(rides: Rides, api: Api) -> None:
    use_case = rides()
    for hour in (0, 10):
        fetch(at(use_case, hour), "rides")
    (use_case.folder("landing") / ".fetch" / "rides" / "empty.json").write_text('{"2024-01": {"first": "2')
    assert fetch(at(use_case, 10), "rides").waiting == ("2024-01",) and len(api.asked) == 3


def test_fetched_again_what_is_the_same_changes_nothing_and_other_content_is_a_correction(
    rides: Rides, api: Api
) -> None:
    api.pages = {"2024-01": [3, 2]}
    use_case = rides()
    fetch(use_case, "rides")
    assert fetch(use_case, "rides", again=True).files == ()
    for count in (4, 5):
        api.pages = {"2024-01": [count, 2]}
        fetch(use_case, "rides", [0], again=True)
    names = ["rides-2024-01-1.json", "rides-2024-01-1.v2.json", "rides-2024-01-1.v3.json", "rides-2024-01-2.json"]
    assert landed(use_case) == names


def test_a_period_that_is_not_due_is_not_fetched(rides: Rides, api: Api) -> None:
    with pytest.raises(WrongUseError, match="month 2024-03 is not due yet: the clock stands at month 0"):
        fetch(rides(), "rides", [0, 2])
    assert api.asked == []


@pytest.mark.parametrize(
    ("script", "line", "words"),
    [
        ("def fetch(period, folder):\n    helper()\n\n\ndef helper():\n    1 / 0\n", 6, "ZeroDivisionError: division"),
        ("def fetch(period, folder)\n    pass\n", 1, "SyntaxError: expected ':'"),
        ("import nowhere\n\n\ndef fetch(period, folder):\n    pass\n", 1, "No module named 'nowhere'"),
        ("def fetch(period, wanted):\n    pass\n", 0, "has a parameter `wanted`; it is given source, period, folder"),
        ("def fetch(period, folder):\n    raise SystemExit(3)\n", 2, "ended itself: 3"),
        ("import os\n\n\ndef fetch():\n    os.kill(os.getpid(), 9)\n", 0, "its process was ended by SIGKILL"),
        ("def fetch(folder):\n    (folder / 'x.csv').write_text('')\n", 0, "wrote x.csv, and a file of this source is"),
        (
            "def fetch(folder):\n    (folder / 'rides-2024-07.json').write_text('')\n",
            0,
            "whose name says another month than it was asked for",
        ),
    ],
    ids=["error", "syntax", "import", "parameter", "exit", "killed", "name", "period"],
)
def test_what_is_wrong_in_it_is_told_with_its_line(rides: Rides, script: str, line: int, words: str) -> None:
    use_case = rides(script)
    problem = fetch(use_case, "rides").problem
    assert words in problem and "Traceback" not in problem
    assert (f"fetch.py, line {line}: rides, 2024-01: " in problem) == bool(line)
    assert landed(use_case) == []


def test_one_that_takes_too_long_is_ended_with_all_it_started(rides: Rides, tmp_path: Path) -> None:
    started = tmp_path / "started"
    script = (
        "import subprocess, time\nfrom pathlib import Path\n\n\ndef fetch(folder):\n"
        "    child = subprocess.Popen(['sleep', '600'])\n"
        f"    Path({str(started)!r}).write_text(str(child.pid))\n    time.sleep(600)\n"
    )
    problem = fetch(rides(script, "3 seconds"), "rides").problem
    assert "rides, 2024-01: took longer than 3 seconds; give it more time with `fetch.timeout`" in problem
    eventually(lambda: not started.exists() or gone(int(started.read_text())))  # a busy machine may not begin in 3 s


def test_killed_at_any_moment_nothing_half_is_landed_and_the_next_one_completes_it(
    rides: Rides, api: Api, tmp_path: Path
) -> None:
    api.pages = {"2024-01": [2]}
    use_case = rides()
    files = FetchedFiles(use_case, "rides")
    code = (
        "import sys\nfrom lakeloop.settings import load_settings\nfrom lakeloop.use_case import open_use_case\n"
        "from operations.fetching import landed\nfrom operations.fetching.fetch import fetch\n"
        "import os, signal\nlanded.FetchedFiles._land = lambda self, ready: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"fetch(open_use_case(load_settings(home={str(use_case.settings.home)!r}, use_case='rides', "
        f"use_cases={str(use_case.settings.use_cases)!r})), 'rides')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert landed(use_case) == [] and files.periods == set()
    api.asked.clear()
    report = fetch(use_case, "rides")
    assert [path.name for path in report.files] == ["rides-2024-01-1.json"] == landed(use_case)
    assert api.asked == [] and files.periods == {"2024-01"}


def test_the_function_ends_with_the_process_that_asked_it(rides: Rides, tmp_path: Path) -> None:
    started = tmp_path / "started"
    script = (
        "import os, time\nfrom pathlib import Path\n\n\ndef fetch(folder):\n"
        f"    Path({str(started)!r}).write_text(str(os.getpid()))\n    time.sleep(600)\n"
    )
    use_case = rides(script)
    asking = subprocess.Popen(
        [sys.executable, "-m", "console.cli", "data", "fetch", "-s", "rides", "-u", "rides"],
        cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "LAKELOOP_HOME": str(use_case.settings.home),
             "LAKELOOP_USE_CASES": str(use_case.settings.use_cases)},
    )  # fmt: skip
    eventually(lambda: started.exists() and started.read_text())
    with pytest.raises(BusyError, match=f"rides is being fetched already \\(process {asking.pid}\\)"):
        fetch(use_case, "rides")
    asking.kill()
    asking.wait()
    child = int(started.read_text())
    eventually(lambda: gone(child))
    assert landed(use_case) == []


def test_on_the_command_line_what_fails_in_one_source_is_said_and_the_others_land(rides: Rides, api: Api) -> None:
    use_case = rides("def fetch(folder):\n    raise ValueError('no ride')\n")
    run = warm_lakeloop_in(use_case.settings.home, LAKELOOP_USE_CASES=str(use_case.settings.use_cases))
    done = run("data", "fetch", "-u", "rides")
    assert done.returncode == 1
    assert done.stdout == "weather: 1 file of 1 month (2024-01) landed\n"
    script = use_case.contract_path.parent / "fetch.py"
    first, details, table = done.stderr.splitlines()
    assert first == f"lakeloop: {script}, line 2: rides, 2024-01: ValueError: no ride"
    assert details.startswith("  the details are in ") and table.startswith("prices: /nowhere/prices: there is no")
    assert landed(use_case, "weather") == ["weather-2024-01.csv"]
    again = run("data", "fetch", "-u", "rides", "-s", "weather")
    assert (again.returncode, again.stdout) == (0, "weather: every month that is due was fetched before\n")
    assert "`lakeloop data fetch -u rides` gets what is due now" in run("clock", "set", "1", "-u", "rides").stdout


def test_on_the_command_line_what_had_nothing_is_said_with_its_next_try(rides: Rides) -> None:
    settings = rides("def fetch(folder):\n    pass\n").settings
    said = []
    for hour in ("00", "10", "12"):
        run = warm_lakeloop_in(
            settings.home, LAKELOOP_USE_CASES=str(settings.use_cases), LAKELOOP_NOW=f"2026-01-01T{hour}:00:00Z"
        )
        said.append(run("data", "fetch", "-u", "rides", "-s", "rides").stdout)
    first = "rides: nothing there yet of 1 month (2024-01); asked again "
    later = f"{first}from 2026-01-01 15:00 UTC on, then ever more rarely; at once with --periods\n"
    assert said == [f"{first}the next time, then ever more rarely\n", later, later]
