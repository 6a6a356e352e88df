"""The folder of a test is the folder of what it tests."""

from pathlib import Path

from lakeloop.settings import PROJECT

TESTS = Path(__file__).parent
WITHOUT_ONE = {"e2e"}  # whole stories: they go through everything


def test_every_folder_of_tests_is_named_as_the_folder_that_it_tests() -> None:
    folders = {str(file.parent.relative_to(TESTS)) for file in TESTS.rglob("test_*.py")} - WITHOUT_ONE
    assert len(folders) > 20
    assert sorted(folder for folder in folders if not any((PROJECT / folder).glob("[!_.]*"))) == []
