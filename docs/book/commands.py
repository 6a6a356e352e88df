"""Finds every `lakeloop …` command in the book's pages and asks the command line whether it exists; nothing is run."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from typer.main import get_command

from console.cli.app import application

CODE = re.compile(
    r"^(?P<fence>`{3,})[^\n]*\n(?P<block>.*?)^(?P=fence)\s*$|(?P<ticks>`+)(?P<span>[^`\n]+)(?P=ticks)",
    re.DOTALL | re.MULTILINE,
)
COMMAND = re.compile(
    r"""(?<![\w/.-])(?:\.venv/bin/)?lakeloop (?P<words>-?-?[a-z](?:"[^"\n]*"|'[^'\n]*'|[^`|&;<>()\n#"'])*)"""
)
"""Up to where the shell would begin something else, or a comment; quoted words may hold anything."""
JOINT = "\v"
"""Stands for the end of a line that goes on, so that lines can be counted."""
MAKE = re.compile(r"(?<![\w/.-])make (?P<target>[a-z-]+)")


@dataclass(frozen=True)
class Mention:
    """A command as it stands on a page."""

    page: str
    line: int
    text: str


def mentions(file: Path, pattern: re.Pattern[str] = COMMAND) -> Iterator[Mention]:
    """Every command in the code of a Markdown page, cells included; lines that go on (`\\`) are joined."""
    text = file.read_text(encoding="utf-8")
    for code in CODE.finditer(text):
        inside = code["block"] if code["block"] is not None else code["span"]
        joined = re.sub(r"\s*\\\n[ \t]*", JOINT, inside)
        for found in pattern.finditer(joined):
            before = text[: code.start()] + joined[: found.start()]
            line = 1 + before.count("\n") + before.count(JOINT) + (code["block"] is not None)
            yield Mention(file.name, line, found[0].replace(JOINT, " ").strip())


def what_is_wrong(text: str) -> str:
    """Why there is no such command; '' if there is. Commands and option names are looked at, values are not."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        return f"`{text}` cannot be read: {error}"
    command = _command_line()
    path = "lakeloop"
    for word in words[words.index(next(w for w in words if w.endswith("lakeloop"))) + 1 :]:
        if word.startswith("-") and word.strip("-…"):
            name = word.partition("=")[0]
            known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
            if name not in known | {"--help"}:
                return f"`{path}` has no option {name}"
        elif (below := getattr(command, "commands", None)) is not None:
            if word not in below:
                return f"`{path}` has no command {word!r}"
            command, path = below[word], f"{path} {word}"
    return ""


@cache
def _command_line() -> Any:
    return get_command(application(lazy=False))
