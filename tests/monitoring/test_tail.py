"""Following the request log while it is written, finished, moved away, torn and written twice."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from monitoring.tail import LogTail

WRITER = "20260101T000000000000Z-1-ab"


def line(number: int, **changes: Any) -> str:
    record = {
        "request_id": f"r{number}", "key": None, "at": "2026-01-01T00:00:00+00:00",
        "answered_at": "2026-01-01T00:00:00+00:00", "features": {"age": 40.0}, "prediction": "low", "class_id": 2,
        "probabilities": None, "predictor_type": "rules", "reason": "x", "model_version": None, "latency_ms": 1.0,
    }  # fmt: skip
    return json.dumps({**record, **changes}) + "\n"


def write(path: Path, *numbers: int) -> Path:
    with path.open("a") as stream:
        stream.write("".join(map(line, numbers)))
    return path


def ids(tail: LogTail) -> list[int]:
    return [int(record.request_id[1:]) for record in tail.read()]


def part(folder: Path, number: int, writer: str = WRITER) -> Path:
    return folder / f"{writer}-{number:08d}.jsonl.part"


def finish(path: Path) -> Path:
    return path.rename(path.with_name(path.name.removesuffix(".part")))


@pytest.fixture
def tail(tmp_path: Path) -> LogTail:
    return LogTail(tmp_path, None, begin_with=10)


def test_a_file_is_followed_while_it_is_written_and_after(tmp_path: Path, tail: LogTail) -> None:
    first = write(part(tmp_path, 1), 1, 2)
    assert ids(tail) == [1, 2]
    assert ids(tail) == []
    write(first, 3)
    finish(first)
    write(part(tmp_path, 2), 4)
    assert ids(tail) == [3, 4]
    assert tail.position == {WRITER: (2, len(line(4)))}


def test_a_line_is_read_when_it_is_whole(tmp_path: Path, tail: LogTail) -> None:
    file = part(tmp_path, 1)
    file.write_text(line(1) + line(2)[:30])
    assert ids(tail) == [1]
    file.write_text(line(1) + line(2))
    assert ids(tail) == [2]


def test_repeated_ids_and_unreadable_lines_are_not_counted(tmp_path: Path, tail: LogTail) -> None:
    write(tmp_path / "a-1.jsonl", 1, 2, 1)
    write(tmp_path / "b-1.jsonl", 2, 3)
    (tmp_path / "c-1.jsonl").write_text('{"request_id": "r9"}\nno json\n' + line(4))
    assert ids(tail) == [1, 2, 3, 4]
    assert tail.unreadable == 2


def test_files_put_away_before_they_were_read_are_found(tmp_path: Path, tail: LogTail) -> None:
    write(tmp_path / f"{WRITER}-00000001.jsonl", 1)
    assert ids(tail) == [1]
    away = tmp_path / "_streamed" / "2026-01-01"
    away.mkdir(parents=True)
    write(away / f"{WRITER}-00000002.jsonl", 2)
    shutil.move(tmp_path / f"{WRITER}-00000001.jsonl", away)
    write(part(tmp_path, 3), 3)
    assert ids(tail) == [2, 3]


def test_a_reader_that_comes_back_goes_on_where_it_stopped(tmp_path: Path, tail: LogTail) -> None:
    first = write(part(tmp_path, 1), 1, 2)
    reading = tail.read()
    next(reading)
    position = dict(tail.position)  # stopped in the middle of a file
    away = tmp_path / "_streamed" / "2026-01-01"
    away.mkdir(parents=True)
    shutil.move(finish(first), away)  # put away while nobody looked
    write(part(tmp_path, 2, "later"), 3, 1)
    again = LogTail(tmp_path, position, begin_with=10)
    assert sorted(ids(again)) == [2, 3]  # r1 lies before the position, in a file that was put away: it is known
    write(part(tmp_path, 2, "later"), 4)
    third = LogTail(tmp_path, again.position, begin_with=10)
    assert ids(third) == [4] and [record.request_id for record in third.recent] == ["r1", "r2", "r3", "r1"]


def test_history_that_was_put_away_before_the_first_look_stays_history_after_a_restart(tmp_path: Path) -> None:
    away = tmp_path / "_streamed" / "2026-01-01"
    away.mkdir(parents=True)
    write(away / "gone-00000001.jsonl", 1, 2, 3)
    write(tmp_path / f"{WRITER}-00000001.jsonl", *range(10, 20))
    tail = LogTail(tmp_path, None, begin_with=5)
    assert ids(tail) == list(range(10, 20))
    write(tmp_path / f"{WRITER}-00000002.jsonl", 20, 2)
    again = LogTail(tmp_path, tail.position, begin_with=5)
    assert ids(again) == [20], "neither the old writer's records nor a repetition of one"


def test_the_first_look_takes_the_newest_requests_and_leaves_history(tmp_path: Path) -> None:
    for number in range(1, 6):
        write(tmp_path / f"{WRITER}-{number:08d}.jsonl", *range(number * 10, number * 10 + 5))
    tail = LogTail(tmp_path, None, begin_with=8)
    assert ids(tail) == [40, 41, 42, 43, 44, 50, 51, 52, 53, 54]
    assert tail.recent[-1].request_id == "r34"


def test_no_folder_is_no_requests(tmp_path: Path) -> None:
    tail = LogTail(tmp_path / "nothing", None, begin_with=10)
    assert ids(tail) == [] and tail.position == {}
