"""Which commit of the project is running."""

import subprocess
from functools import cache

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
