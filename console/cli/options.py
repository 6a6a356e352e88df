"""Options that many commands share, and how their texts become values."""

import re
from typing import Annotated

import typer

from lakeloop.contract import EventTime
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase
from lakeloop.use_case import open_use_case as load_use_case

Periods = Annotated[str, typer.Option("--periods", "-p", help="The number of a period or a range: 0, 0-12.")]
AsJson = Annotated[bool, typer.Option("--json", help="The whole answer as JSON, for other programs.")]
TableVersion = Annotated[int | None, typer.Option("--version", min=0, help="A Delta version; default: the newest.")]


def open_use_case(use_case: str = "") -> UseCase:
    """The use case of a command: everything it calls gets this one, or what it needs of it.

    Raises:
        WrongUseError: no use case is named anywhere, its folder has another name than its contract says, or the lake's
            folder has a name that Delta cannot write to.
        ContractError: its contract has mistakes.
    """
    return load_use_case(load_settings(use_case=use_case))


def parse_periods(text: str, event_time: EventTime) -> tuple[int, int]:
    """'7' -> (7, 7), '0-12' -> (0, 12).

    Raises:
        WrongUseError: the text is neither, runs backwards, or goes beyond a century.
    """
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    if not match:
        raise WrongUseError(
            f"--periods is {text!r}; write the number of a {event_time.period} or a range, e.g. 0 or 0-12"
        )
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last:
        raise WrongUseError(f"--periods {text} runs backwards; write {last}-{first}")
    check_period(last, event_time)
    return first, last


def listed(text: str) -> tuple[str, ...]:
    """'a, b' -> ('a', 'b')."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def check_period(number: int, event_time: EventTime) -> None:
    """Raises WrongUseError for a period more than a century after the use case's start."""
    if number > (most := event_time.of_kind.most):
        raise WrongUseError(f"{event_time.period} {number} is more than a century ahead; 0 to {most} are allowed")
