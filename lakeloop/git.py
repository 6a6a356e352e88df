"""Which commit of the project is running, and what a file was in another one."""

import subprocess
from functools import cache
from pathlib import Path

from lakeloop.exceptions import WrongUseError
from lakeloop.settings import PROJECT

_IN_IMAGE = PROJECT / ".image-commit"
"""What an image is built from: it holds no repository to ask."""


@cache
def git_commit() -> str:
    """The project's commit, with `-dirty` when tracked files differ from it; '' where nobody knows."""
    if _IN_IMAGE.is_file():
        return _IN_IMAGE.read_text(encoding="utf-8").strip()
    try:
        answer = subprocess.run(
            ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


def file_at(path: Path, commit: str) -> str:
    """The text of a file as a commit of its repository has it.

    Raises:
        WrongUseError: there is no such commit, no repository, or the file is not in it.
    """
    answer = subprocess.run(
        ["git", "-C", str(path.absolute().parent), "show", f"{commit}:./{path.name}"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    if answer.returncode:
        raise WrongUseError(
            f"{commit!r} is neither a file nor a commit that has {path}: {answer.stderr.strip().splitlines()[-1]}"
        )
    return answer.stdout
