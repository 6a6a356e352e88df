"""A page's commands as somebody types them, with what the page says they print."""

import re
from dataclasses import dataclass
from pathlib import Path

NUMBER = re.compile(r"[0-9][0-9,.]*(e-?[0-9]+,?)?")
FILLED = re.compile(r"\s+")


@dataclass(frozen=True)
class Typed:
    """A command, as it stands there, and the lines that are shown below it."""

    command: str
    shown: tuple[str, ...]


def typed(page: Path, heading: str) -> list[Typed]:
    """The commands of a section, those of its sub-sections left out, in order."""
    section = re.split(rf"^## {re.escape(heading)}$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    section = re.split(r"^##+ ", section, flags=re.MULTILINE)[0]
    found = list[Typed]()
    for block in re.findall(r"^```console\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            length = next((n for n in range(1, len(lines) + 1) if _is_whole(lines[:n])), len(lines))
            found.append(Typed("\n".join(lines[:length]), tuple(line for line in lines[length:] if line.strip())))
    return found


def _is_whole(lines: list[str]) -> bool:
    text = "\n".join(lines)
    return text.count("'") % 2 == 0 and text.count('"') % 2 == 0 and not text.endswith("\\")


def missing_lines(shown: tuple[str, ...], printed: str) -> list[str]:
    """Shown lines that were not printed; numbers may be others, and `…` stands for anything."""
    there = [_masked(line) for line in printed.splitlines()]
    return [line for line in shown if not any(_pattern(line).fullmatch(found) for found in there)]


def _pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(_masked(part)) for part in line.split("…")))


def _masked(line: str) -> str:
    return FILLED.sub(" ", NUMBER.sub("#", line)).strip()
