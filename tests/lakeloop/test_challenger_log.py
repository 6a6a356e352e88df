"""What a challenger answered, read while it is written."""

import os
from pathlib import Path
from typing import Any

from lakeloop.challenger_log import ChallengerRecord, ChallengerTail, LoggedAnswer, newest_records
from lakeloop.request_log_files import finished_file, open_file


def answer(prediction: str | float) -> LoggedAnswer:
    return LoggedAnswer(prediction=prediction, predictor_type="model", reason="ok")


def record(request_id: str, **changes: Any) -> ChallengerRecord:
    moment = "2026-01-01T00:00:00+00:00"
    values = {"request_id": request_id, "key": None, "at": moment, "answered_at": moment, "stage": "shadow",
              "champion": "1", "challenger": "2", **changes}  # fmt: skip
    return ChallengerRecord(**values)


def test_answers_agree_where_they_are_the_same_or_near() -> None:
    assert record("a", champion_answer=answer("low"), challenger_answer=answer("low")).agrees() is True
    assert record("a", champion_answer=answer("low"), challenger_answer=answer("high")).agrees() is False
    numbers = record("a", champion_answer=answer(10.0), challenger_answer=answer(10.5))
    assert (numbers.agrees(), numbers.agrees(0.4), numbers.agrees(0.5)) == (False, False, True)
    assert record("a", champion_answer=answer("low"), error="no answer").agrees() is None


def test_each_record_is_read_once_whoever_writes_and_wherever_reading_stopped(tmp_path: Path) -> None:
    tail = ChallengerTail(tmp_path / "none yet")
    assert list(tail.read()) == []

    def write(writer: str, number: int, *ids: str, ends: str = "\n") -> Path:
        path = open_file(tmp_path, writer, number)
        with path.open("a", encoding="utf-8") as file:
            file.write("\n".join(record(one).model_dump_json() for one in ids) + ends)
        return path

    def read(tail: ChallengerTail) -> list[str]:
        return [one.request_id for one in tail.read()]

    tail = ChallengerTail(tmp_path)
    first = write("one", 1, "a", "b")
    write("two", 1, "c", ends="")  # half of a line
    assert read(tail) == ["a", "b"]
    write("one", 1, "d")
    first.rename(finished_file(first))
    write("one", 2, "e")
    with open_file(tmp_path, "two", 1).open("a") as file:
        file.write("\nno record\n")
    assert read(tail) == ["d", "e", "c"] and tail.unreadable == 1
    write("one", 2, "f")
    assert read(ChallengerTail(tmp_path, tail.position)) == ["f"]
    assert sorted(read(ChallengerTail(tmp_path))) == ["a", "b", "c", "d", "e", "f"]


def test_of_a_large_log_only_the_files_are_opened_that_the_newest_records_are_in(tmp_path: Path) -> None:
    assert newest_records(tmp_path / "none yet", 3) == []
    for number, minutes in ((1, (9,)), (2, (1, 4)), (3, (2, 3))):  # file 1 is the oldest, whatever stands in it
        path = open_file(tmp_path, "one", number)
        lines = (record(f"{minute}", answered_at=f"2026-01-01T00:0{minute}:00+00:00") for minute in minutes)
        path.write_text("".join(f"{one.model_dump_json()}\n" for one in lines) + "half of a li")
        os.utime(path, (number, number))
    assert [one.request_id for one in newest_records(tmp_path, 3)] == ["2", "3", "4"]
    assert [one.request_id for one in newest_records(tmp_path, 2)] == ["2", "3"]
