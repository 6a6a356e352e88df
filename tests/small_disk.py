"""Whether a test may make a disk that is soon full."""

import shutil
import subprocess


def may_mount() -> bool:
    """Whether this user may mount a small disk in a namespace of its own."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0
