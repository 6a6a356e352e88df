"""Secrets of a home in files: nobody but their owner can read them, and what is there is never made anew."""

from pathlib import Path

from lakeloop.atomic_file import write_text
from lakeloop.settings import Settings


def secrets_folder(settings: Settings) -> Path:
    """Generated keys, passwords and tokens, mode 700."""
    return settings.home.resolve() / "secrets"


def private_folder(folder: Path) -> Path:
    """The folder, made if it is not there, for its owner alone.

    Raises:
        PermissionError: it is another user's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def ensure_secret(path: Path, content: str, end: str = "\n", mode: int = 0o600) -> None:
    """Write a secret unless it is there; what is there stays, with its mode set."""
    if path.exists():
        path.chmod(mode)
    else:
        write_secret(path, content, end, mode)


def write_secret(path: Path, content: str, end: str = "\n", mode: int = 0o600) -> None:
    """Replace the file at once; with the mode as it is here nobody but its owner could read it at any moment."""
    write_text(path, content + end, mode=mode)
