"""Which commit of the project is running."""

import subprocess
from functools import cache

from lakeloop.settings import PROJECT


@cache
def git_commit() -> str:
    """The project's commit, with `-dirty` when tracked files differ from it; '' outside a git checkout."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
