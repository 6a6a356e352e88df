import ctypes
import os
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from lakehouse.bronze import admission
from lakehouse.bronze.admission import Admission, Layout, admit
from lakehouse.bronze.delivery_record import DeliveryRecord
from lakeloop.contract import EventTime, Source

SOURCE = Source(description="things", files="things-{month}.csv", columns=("key", "size"), separator=";")
MONTH = EventTime(column="month", description="month", start="2023-01")


class Landing:
    """A landing folder and the ledger that grows with every look at it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ledger = folder / "landing", list[DeliveryRecord]()
        self.staging = folder / "staging"
        self.folder.mkdir()

    def put(self, name: str, content: str = "key;size\na;1\n") -> None:
        (self.folder / name).write_text(content)

    def look(self, verify: bool = False, corrected: bool = False) -> Admission:
        now, batch = datetime(2026, 1, 1), len(self.ledger) + 1
        result = admit(
            "things", SOURCE, MONTH, self.folder, self.ledger, self.staging, batch, now,
            verify=verify, corrected=lambda earlier: corrected,
        )  # fmt: skip
        self.ledger += result.records
        return result


@pytest.fixture
def things(tmp_path: Path) -> Landing:
    return Landing(tmp_path)


def states(result: Admission) -> dict[str, str]:
    return {r.file: r.state for r in result.records}


def test_hidden_unfinished_and_foreign_files_are_left_alone(things: Landing) -> None:
    for name in (".hidden", "things-2023-01.csv.part", "readme.txt", "things-2023.csv", "things-2023-01.csv\n"):
        things.put(name)
    result = things.look()
    assert result.records == []
    assert result.notices == [
        "not a file name of this source (things-{month}.csv), left alone: readme.txt, 'things-2023-01.csv\\n', "
        "things-2023.csv"
    ]


def test_a_known_file_costs_one_stat_and_is_not_read_again(things: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    things.put("things-2023-01.csv")
    assert states(things.look()) == {"things-2023-01.csv": "taken"}
    monkeypatch.setattr(admission, "stage_file", lambda *_: pytest.fail("the file was read again"))
    result = things.look()
    assert (result.known, result.records, result.notices) == (1, [], [])


def test_the_same_content_again_is_repeated_and_then_known(things: Landing) -> None:
    things.put("things-2023-01.csv")
    things.look()
    os.utime(things.folder / "things-2023-01.csv", (1, 1))
    again = things.look()
    assert states(again) == {"things-2023-01.csv": "repeated"}
    assert again.layouts == {}
    assert things.look().known == 1


def test_the_same_content_under_another_name_names_the_first(things: Landing) -> None:
    things.put("things-2023-01.csv")
    things.put("things-2023-02.csv")
    result = things.look()
    assert states(result) == {"things-2023-01.csv": "taken", "things-2023-02.csv": "repeated"}
    assert result.records[1].reason == "has the same content as things-2023-01.csv, which was taken before"


def test_other_content_under_a_known_name_is_refused_and_told_once(things: Landing) -> None:
    things.put("things-2023-01.csv")
    things.look()
    things.put("things-2023-01.csv", "key;size\na;22\n")
    result = things.look()
    assert states(result) == {"things-2023-01.csv": "refused"}
    assert result.records[0].reason == (
        "was delivered before with other content; deliver corrections under a new name, "
        "e.g. things-2023-01.v2.csv: its rows replace those with the same key"
    )
    later = things.look()
    assert later.records == [] and "was refused before and has not changed" in later.notices[0]


def test_a_refused_file_may_come_again_mended_under_its_name(things: Landing) -> None:
    things.put("things-2023-01.csv", "key,size\na,1\n")
    assert states(things.look()) == {"things-2023-01.csv": "refused"}
    things.put("things-2023-01.csv")
    assert states(things.look()) == {"things-2023-01.csv": "taken"}


def test_corrections_come_after_what_they_correct_in_the_order_of_their_numbers(things: Landing) -> None:
    names = ["things-2023-02.csv", "things-2023-01.v10.csv", "things-2023-01.v2.csv", "things-2023-01.csv"]
    for number, name in enumerate(names):
        things.put(name, f"key;size\na;{number}\n")
    assert list(states(things.look())) == [
        "things-2023-01.csv", "things-2023-01.v2.csv", "things-2023-01.v10.csv", "things-2023-02.csv"
    ]  # fmt: skip


def test_files_with_the_same_header_are_read_together(things: Landing) -> None:
    things.put("things-2023-01.csv", "key;size\na;1\n")
    things.put("things-2023-02.csv", "key;size\nb;1\n")
    things.put("things-2023-03.csv", "size;key\n1;c\n")
    result = things.look()
    assert [len(list(folder.iterdir())) for folder in result.layouts.values()] == [2, 1]
    assert list(result.layouts) == [Layout(("key", "size")), Layout(("size", "key"))]


def test_an_older_content_that_comes_again_takes_a_correction_back(things: Landing) -> None:
    for number, content in enumerate(["key;size\na;1\n", "key;size\na;2\n", "key;size\na;3\n"]):
        things.put(f"things-2023-01{f'.v{number + 1}' if number else ''}.csv", content)
        things.look()
    things.put("things-2023-01.v4.csv")
    assert states(things.look(corrected=True)) == {"things-2023-01.v4.csv": "taken"}


def test_a_correction_is_taken_back_in_the_same_look_as_well(things: Landing) -> None:
    things.put("things-2023-01.csv")
    things.put("things-2023-01.v2.csv", "key;size\na;2\n")
    things.put("things-2023-01.v3.csv")
    assert list(states(things.look()).values()) == ["taken", "taken", "taken"]


def test_the_same_content_is_repeated_while_no_later_file_has_its_keys(things: Landing) -> None:
    things.put("things-2023-01.csv")
    things.look()
    things.put("things-2023-02.csv", "key;size\nb;2\n")
    things.look()
    things.put("things-2023-01.v2.csv")
    assert states(things.look(corrected=False)) == {"things-2023-01.v2.csv": "repeated"}


def test_a_file_that_comes_after_its_own_correction_wins_and_that_is_told(things: Landing) -> None:
    things.put("things-2023-01.v2.csv", "key;size\na;2\n")
    things.look()
    things.put("things-2023-01.csv")
    result = things.look()
    assert states(result) == {"things-2023-01.csv": "taken"}
    assert result.notices == [
        "things-2023-01.csv: came after its correction things-2023-01.v2.csv: of two files the one that is taken later "
        "wins, so its rows replace those of the same key"
    ]


@pytest.mark.parametrize(
    ("name", "month"),
    [("things-2023-13.csv", "2023-13"), ("things-2023-00.v2.csv", "2023-00"), ("things-٢٠٢٣-01.csv", "٢٠٢٣-01")],
)
def test_a_name_with_an_impossible_month_is_left_alone_and_told(things: Landing, name: str, month: str) -> None:
    things.put(name)
    result = things.look()
    assert result.records == []
    assert result.notices == [f"{name}: there is no month {month}: YYYY-MM with 01 to 12, in digits 0 to 9; left alone"]


@pytest.mark.parametrize(
    ("month", "why"),
    [
        ("2022-12", "is before the use case's start, 2023-01"),
        ("0000-01", "is before the use case's start, 2023-01"),
        ("9999-12", "is after 2199-12, the last month that events are taken of"),
    ],
)
def test_a_file_of_a_month_that_cannot_be_is_refused(things: Landing, month: str, why: str) -> None:
    things.put(f"things-{month}.csv")
    (record,) = things.look().records
    assert (record.state, record.reason) == (
        "refused", f"has the month {month} in its name, which {why}; name it for the month of its rows"
    )  # fmt: skip


def test_what_only_looks_like_a_file_is_told_and_the_others_are_taken(things: Landing) -> None:
    (things.folder / "things-2023-01.csv").mkdir()
    os.mkfifo(things.folder / "things-2023-02.csv")
    (things.folder / "things-2023-03.csv").symlink_to("nowhere")
    (things.folder / "things-2023-04.csv").symlink_to("things-2023-04.csv")
    things.put("things-2023-05.csv")
    result = things.look()
    assert states(result) == {"things-2023-05.csv": "taken"}
    assert result.notices == [
        "things-2023-01.csv: is a folder, not a file; left alone",
        "things-2023-02.csv: is a named pipe, not a file; left alone",
        "things-2023-03.csv: is a link to a file that is not there; left alone",
        "things-2023-04.csv: cannot be looked at (Too many levels of symbolic links); left alone",
    ]


def test_a_landing_folder_that_is_none_is_told(things: Landing) -> None:
    things.folder.rmdir()
    things.folder.write_text("")
    assert things.look().notices == [
        f"{things.folder} cannot be read (Not a directory), so nothing in it was looked at"
    ]


def test_a_file_that_may_not_be_read_is_told_and_the_others_are_taken(things: Landing) -> None:
    things.put("things-2023-01.csv")
    (things.folder / "things-2023-01.csv").chmod(0)
    things.put("things-2023-02.csv", "key;size\nb;2\n")
    looks: list[Admission] = []

    def look_without_privilege() -> None:
        drop_capabilities_of_this_thread()
        looks.append(things.look())

    thread = threading.Thread(target=look_without_privilege)
    thread.start()
    thread.join()
    assert states(looks[0]) == {"things-2023-02.csv": "taken"}
    assert looks[0].notices == ["things-2023-01.csv: cannot be read (Permission denied); it is taken when it can be"]
    (things.folder / "things-2023-01.csv").chmod(0o644)
    assert states(things.look()) == {"things-2023-01.csv": "taken"}


def drop_capabilities_of_this_thread() -> None:
    """Root may read every file, whatever its mode; without capabilities it is as everybody."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None, use_errno=True).capset(header, nothing) == 0


def test_a_file_that_somebody_still_writes_is_taken_when_it_is_closed(things: Landing) -> None:
    with (things.folder / "things-2023-01.csv").open("w") as stream:
        stream.write("key;size\na;1\n")
        stream.flush()
        result = things.look()
        assert result.records == []
        assert result.notices == ["things-2023-01.csv: is still being written, will be taken at the next ingest"]
        stream.write("b;2\n")
    (record,) = things.look().records
    assert (record.state, record.rows) == ("taken", 2)


def test_a_changed_file_of_the_same_size_and_time_is_only_noticed_by_its_checksum(things: Landing) -> None:
    path = things.folder / "things-2023-01.csv"
    things.put(path.name)
    things.look()
    times = path.stat()
    path.write_text("key;size\na;7\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert things.look().known == 1
    (record,) = things.look(verify=True).records
    assert record.state == "refused" and "was delivered before with other content" in record.reason
    again = things.look(verify=True)
    assert (again.known, again.records) == (1, [])


def test_a_file_that_is_not_in_bronze_whole_is_taken_again(things: Landing) -> None:
    things.put("things-2023-01.csv")
    things.look()
    things.ledger = [replace(record, sha256="", rows=0, reason="not whole") for record in things.ledger]
    assert states(things.look()) == {"things-2023-01.csv": "taken"}


def test_one_notice_tells_of_all_files_with_the_same_columns_too_many(things: Landing) -> None:
    for month in range(1, 10):
        things.put(f"things-2023-0{month}.csv", f"key;size;colour\na;{month};red\n")
    things.put("things-2023-10.csv", "key;size;shape\na;10;round\n")
    assert things.look().notices == [
        "things-2023-01.csv, things-2023-02.csv, things-2023-03.csv, things-2023-04.csv, things-2023-05.csv and 4 "
        "more: column `colour` not in the contract; kept in bronze (`_extra`), used nowhere",
        "things-2023-10.csv: column `shape` not in the contract; kept in bronze (`_extra`), used nowhere",
    ]


@pytest.mark.parametrize("suffix", ["2²3", "x" * 230, "v٣"])
def test_odd_names_of_corrections_are_no_obstacle(things: Landing, suffix: str) -> None:
    things.put(f"things-2023-01.{suffix}.csv")
    assert list(states(things.look()).values()) == ["taken"]


def test_a_date_that_the_calendar_lacks_refuses_a_file_and_another_name_is_left_alone(tmp_path: Path) -> None:
    source = SOURCE.model_copy(update={"files": "**/things-{date:%Y%m%d}.csv"})
    (tmp_path / "north").mkdir()
    (tmp_path / "north" / "circle").symlink_to(tmp_path)
    for name in ("north/things-20230231.csv", "things-20230228.csv", "north/things-202302.csv", "things-20230101.csv"):
        (tmp_path / name).write_text("key;size\na;1\n" + name)
    result = admit("things", source, MONTH, tmp_path, [], tmp_path / ".staging", 1, datetime(2026, 1, 1))
    assert [(r.file, r.state, r.reason) for r in result.records] == [
        ("north/things-20230231.csv", "refused", "there is no date 20230231: one is written as %Y%m%d"),
        ("things-20230101.csv", "taken", ""),
        ("things-20230228.csv", "taken", ""),
    ]
    assert result.notices == [
        "not a file name of this source (**/things-{date:%Y%m%d}.csv), left alone: north/things-202302.csv"
    ]
