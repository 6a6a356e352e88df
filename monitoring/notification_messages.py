"""How notifications become messages: each one by itself while they are few, one digest where they are many."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lakeloop.notifications import Notification

MOST_SINGLE = 3
"""Messages a target gets within a window; what would be more is put into one."""
MOST_LINES, LONGEST_LINE = 50, 300
PLATFORM = "platform"


@dataclass(frozen=True)
class Message:
    """What is sent to a target, and the numbers of the notifications in it."""

    title: str
    body: str
    numbers: tuple[int, ...]


def messages_due(waiting: Sequence[Notification], recent: int, window_seconds: float) -> list[Message]:
    """What may be sent now of what waits for a target, the oldest first, where `recent` messages went in the window.

    As long as all fit, each goes by itself; else all go in one digest; while the window is full, none goes. Without a
    window (0 seconds) each always goes by itself.
    """
    room = len(waiting) if not window_seconds else MOST_SINGLE - recent
    if not waiting or room <= 0:
        return []
    if len(waiting) <= room:
        return [single(one) for one in waiting]
    return [digest(waiting)]


def single(one: Notification) -> Message:
    """One notification as a message."""
    name = one.use_case or PLATFORM
    body = "\n\n".join(filter(None, (f"{name}, {one.kind}: {one.text}", one.link, f"{_when(one)} UTC")))
    return Message(f"[{name}] {one.kind}", body, (one.id,))


def digest(several: Sequence[Notification]) -> Message:
    """Many notifications as one message: a line each, the oldest first."""
    counts = Counter(one.use_case or PLATFORM for one in several)
    lines = [_line(one) for one in several[:MOST_LINES]]
    if more := len(several) - len(lines):
        lines.append(f"and {more} more: `lakeloop notify list --all`")
    names = ", ".join(f"{name} {count}" for name, count in counts.items())
    return Message(f"[{', '.join(counts)}] {len(several)} notifications ({names})"[:200], "\n".join(lines),
                   tuple(one.id for one in several))  # fmt: skip


def _line(one: Notification) -> str:
    text = " ".join(one.text.split())
    text = text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 1]}…"
    return f"- {_when(one)} {one.use_case or PLATFORM}, {one.kind}: {text}{' ' if one.link else ''}{one.link}"


def _when(one: Notification) -> str:
    return one.created_at[:16].replace("T", " ")
