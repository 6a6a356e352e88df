"""A file is written whole or not at all, and beside it nothing is left."""

import os
import stat
import threading
from pathlib import Path

import pytest

from lakeloop.atomic_file import replacing, write_bytes, write_text


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_the_old_content_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    path = write_text(tmp_path / "new folder" / "état.json", "old")
    with replacing(path) as part:
        part.write_text("half")
        assert path.read_text() == "old"
        part.write_text("new")
    assert path.read_text() == "new" and names_in(path.parent) == [path.name]


def test_what_fails_on_the_way_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = write_text(tmp_path / "state", "old")
    with pytest.raises(OSError, match="full"), replacing(path) as part:
        part.write_text("half")
        raise OSError("the disk is full")
    assert path.read_text() == "old" and names_in(tmp_path) == ["state"]


def test_many_writers_of_one_file_leave_the_content_of_one_of_them(tmp_path: Path) -> None:
    path, contents = tmp_path / "state", [bytes([letter]) * 100_000 for letter in b"abcdefgh"]
    writers = [threading.Thread(target=write_bytes, args=(path, content)) for content in contents]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in contents and names_in(tmp_path) == ["state"]


def test_a_secret_is_its_owners_alone_from_the_first_moment(tmp_path: Path) -> None:
    with replacing(tmp_path / "key", mode=0o600) as part:
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
        part.write_text("secret")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_other_files_may_be_read_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert stat.S_IMODE(write_text(tmp_path / "page.html", "x").stat().st_mode) == 0o640
    finally:
        os.umask(before)
