"""A use case's own Python files: each loaded by itself, hashed with what it imports, and told of where it fails."""

import sys
from pathlib import Path

import pytest

from lakeloop.exceptions import OwnCodeError
from lakeloop.own_code import code_sha256, function_problem, load_function, load_module, own_errors


def write(folder: Path, **files: str) -> Path:
    """The files by their stems; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_two_use_cases_each_have_what_they_import_from_their_own_folder(tmp_path: Path) -> None:
    rules = "import shared\n\n\ndef answer(row):\n    return shared.ANSWER\n"
    one = write(tmp_path / "one", rules=rules, shared="ANSWER = 'one'\n")
    other = write(tmp_path / "other", rules=rules, shared="ANSWER = 'other'\n")
    before = list(sys.path)
    answers = [load_function(folder / "rules.py", "answer")({}) for folder in (one, other, one)]
    assert answers == ["one", "other", "one"]
    assert "shared" not in sys.modules and "rules" not in sys.modules and sys.path == before


def test_what_lies_beside_it_comes_before_what_others_have_imported(tmp_path: Path) -> None:
    import textwrap

    folder = write(tmp_path / "case", rules="import textwrap\n\nMINE = textwrap.MINE\n", textwrap="MINE = 1\n")
    assert load_module(folder / "rules.py").MINE == 1
    assert sys.modules["textwrap"] is textwrap


def test_it_is_loaded_once_and_again_when_it_or_what_it_imports_has_changed(tmp_path: Path) -> None:
    folder = write(tmp_path / "case", checks="import limits\nMOST = limits.MOST\n", limits="MOST = 1\n")
    first = load_module(folder / "checks.py")
    assert load_module(folder / "checks.py") is first
    write(folder, checks="import limits\nMOST = limits.MOST + 9\n")
    assert load_module(folder / "checks.py").MOST == 10
    write(folder, limits="MOST = 20\n")
    assert load_module(folder / "checks.py").MOST == 29


def test_its_hash_is_that_of_all_it_imports_from_its_folder_and_of_nothing_else(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "case", checks="def checks():\n    from way import there\n", way="import goal\n", goal="import way\n"
    )
    write(folder / "package", part="")
    hashes = [code_sha256(folder / "checks.py")]
    for changed in ({"beside": "x = 1\n"}, {"goal": "import way\nx = 1\n"}, {"checks": "import package.part, way\n"}):
        write(folder, **changed)
        hashes.append(code_sha256(folder / "checks.py"))
    write(folder / "package", part="x = 1\n")
    hashes.append(code_sha256(folder / "checks.py"))
    assert hashes[0] == hashes[1] and len(set(hashes)) == 4


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("def answer(row)\n    pass\n", 1, "SyntaxError: expected ':'"),
        ("x = 1\nimport nowhere\n", 2, "install what it needs into Lakeloop's environment, or do without `nowhere`"),
        ("x = 1\n\n1 / 0\n", 3, "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", 2, "ended itself: 3"),
        ("def answers(row):\n    pass\n", 0, r"it has no function `answer`; write `def answer\(…\):` in it"),
    ],
    ids=["syntax", "import", "error", "exit", "function"],
)
def test_what_cannot_be_imported_is_told_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = write(tmp_path / "case", rules=text) / "rules.py"
    place = f"{file}, line {line}: " if line else f"{file}: "
    modules = set(sys.modules)
    with pytest.raises(OwnCodeError, match=words) as told:
        load_function(file, "answer")
    assert str(told.value).startswith(place) and told.value.exit_code == 2
    assert not {name for name in set(sys.modules) - modules if name.startswith("use_case_")} or line == 0


def test_what_is_raised_in_a_call_is_told_at_the_innermost_line_of_its_own(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "case",
        rules="import deeper\n\n\ndef answer(row):\n    return deeper.down(row)\n\n\n"
        "def late(row):\n    import deeper\n",
        deeper="import json\n\n\ndef down(row):\n    return json.loads(row)\n",
    )
    with pytest.raises(OwnCodeError, match="JSONDecodeError") as told, own_errors(folder / "rules.py"):
        load_function(folder / "rules.py", "answer")("{")
    assert (told.value.file, told.value.line) == (folder / "deeper.py", 5)
    with pytest.raises(OwnCodeError, match="at the top of the file") as told, own_errors(folder / "rules.py"):
        load_function(folder / "rules.py", "late")({})
    assert told.value.line == 9


def test_reading_tells_what_a_file_lacks_without_running_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "case", rules="1 / 0\nfrom shared import answer\nother = 1\n", bad="def f(:\n")
    assert function_problem(folder / "rules.py", "answer") == function_problem(folder / "rules.py", "other") == ""
    assert function_problem(folder / "rules.py", "answers") == f"{folder / 'rules.py'} has no function `answers`"
    assert function_problem(folder / "bad.py", "g") == "", "whoever runs it says so, and nobody else is harmed"
    assert function_problem(folder / "none.py", "f").endswith("none.py does not exist")
