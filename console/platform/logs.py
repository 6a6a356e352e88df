"""What services and steps of the preparation have written: one log each."""

from pathlib import Path

from console.platform.paths import log_folder
from lakeloop.settings import Settings

LINES = 3


def log_file(settings: Settings, name: str) -> Path:
    """The log of a service or a step, whether it is there yet or not."""
    return log_folder(settings) / f"{name}.log"


def last_lines(log: Path) -> list[str]:
    """What a log ends with, without blank lines; [] where there is none."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return [line for line in text.splitlines() if line.strip()][-LINES:]
