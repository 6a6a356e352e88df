import os
from datetime import datetime
from pathlib import Path

import pytest

from lakehouse import landing
from lakehouse.landing import Admission, DeliveryRecord, admit
from lakeloop.contract import Source

SOURCE = Source(description="things", files="things-{month}.csv", columns=("key", "size"), separator=";")


class Landing:
    """A landing folder and the ledger that grows with every look at it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ledger = folder / "landing", list[DeliveryRecord]()
        self.staging = folder / "staging"
        self.folder.mkdir()

    def put(self, name: str, content: str = "key;size\na;1\n") -> None:
        (self.folder / name).write_text(content)

    def look(self) -> Admission:
        now = datetime(2026, 1, 1)
        result = admit("things", SOURCE, self.folder, self.ledger, self.staging, len(self.ledger) + 1, now)
        self.ledger += result.verdicts
        return result


@pytest.fixture
def things(tmp_path: Path) -> Landing:
    return Landing(tmp_path)


def states(result: Admission) -> dict[str, str]:
    return {r.file: r.state for r in result.verdicts}


def test_hidden_unfinished_and_foreign_files_are_left_alone(things: Landing) -> None:
    for name in (".hidden", "things-2023-01.csv.part", "readme.txt", "things-2023.csv"):
        things.put(name)
    result = things.look()
    assert result.verdicts == []
    assert result.notices == [
        "not a file name of this source (things-{month}.csv), left alone: readme.txt, things-2023.csv"
    ]


def test_a_known_file_costs_one_stat_and_is_not_read_again(things: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    things.put("things-2023-01.csv")
    assert states(things.look()) == {"things-2023-01.csv": "taken"}
    monkeypatch.setattr(landing, "stage_file", lambda *_: pytest.fail("the file was read again"))
    result = things.look()
    assert (result.known, result.verdicts, result.notices) == (1, [], [])


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
    assert result.verdicts[1].reason == "has the same content as things-2023-01.csv, which was taken before"


def test_other_content_under_a_known_name_is_refused_and_told_once(things: Landing) -> None:
    things.put("things-2023-01.csv")
    things.look()
    things.put("things-2023-01.csv", "key;size\na;22\n")
    result = things.look()
    assert states(result) == {"things-2023-01.csv": "refused"}
    assert result.verdicts[0].reason == (
        "was delivered before with other content; deliver corrections under a new name, "
        "e.g. things-2023-01.v2.csv: its rows replace those with the same key"
    )
    later = things.look()
    assert later.verdicts == [] and "was refused before and has not changed" in later.notices[0]


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
    assert list(result.layouts) == [("key", "size"), ("size", "key")]
