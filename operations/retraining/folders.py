"""Where the folders of a use case's retrains are."""

from pathlib import Path

from lakeloop.use_case import UseCase


def decisions_folder(use_case: UseCase) -> Path:
    """Where the folders of all decisions are, and the lock of the one that is at work."""
    return use_case.folder("tfx").absolute() / "decisions"
