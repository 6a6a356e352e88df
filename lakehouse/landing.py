"""Decides which delivered files are new: compares the landing folder with what was delivered before.

Spark's own file stream remembers paths only, so it would silently ignore other content under a known name. Here a
file is known by name and content.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from lakehouse.staging import FileState, NotTaken, Staged, file_state, stage_file
from lakeloop.contract import Source

State = Literal["taken", "refused", "repeated"]


@dataclass(frozen=True)
class DeliveryRecord:
    """One line of the ledger `bronze/<use case>/deliveries`: a file, its content and what became of it."""

    source: str
    file: str
    sha256: str
    bytes: int
    rows: int
    modified_at: datetime
    ingested_at: datetime
    batch: int
    state: State
    reason: str = ""

    @property
    def file_state(self) -> FileState:
        """Size and time of the file when it was looked at."""
        seconds = self.modified_at.replace(tzinfo=UTC)
        since = seconds - datetime(1970, 1, 1, tzinfo=UTC)
        return FileState(self.bytes, (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds)


@dataclass
class Admission:
    """One look at the landing folder: verdicts to record, staged copies by header, and what to tell."""

    verdicts: list[DeliveryRecord] = field(default_factory=list)
    layouts: dict[tuple[str, ...], Path] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    known: int = 0


def admit(
    name: str, source: Source, landing: Path, before: Iterable[DeliveryRecord], staging: Path, batch: int, now: datetime
) -> Admission:
    """Stage every new file of `landing` under `staging`; unchanged known files cost one `stat` each."""
    past = [d for d in before if d.source == name]
    taken_names = {d.file: d for d in past if d.state == "taken"}
    taken_contents = {d.sha256: d for d in past if d.state == "taken"}
    seen = {(d.file, d.file_state): d for d in past}
    number = 1 + sum(d.state == "taken" for d in past)
    result = Admission()
    for path in _deliverable(landing, source, result.notices):
        try:
            state = file_state(path)
        except FileNotFoundError:
            result.notices.append(f"{path.name}: vanished before it was read; it is taken when it is there again")
            continue
        earlier = seen.get((path.name, state))
        if earlier is not None:
            result.known += 1
            if earlier.state == "refused":
                result.notices.append(f"{path.name}: was refused before and has not changed: it {earlier.reason}")
            continue
        folder = staging / f"new-{number:08d}"
        try:
            staged = stage_file(path, number, source, folder)
        except NotTaken as problem:
            _drop(folder)
            result.notices.append(str(problem))
            continue
        verdict, reason = _verdict(staged, taken_names, taken_contents)
        delivery = DeliveryRecord(
            name, staged.file, staged.sha256, staged.state.bytes, staged.rows, _time(staged.state), now, batch,
            verdict, reason,
        )  # fmt: skip
        result.verdicts.append(delivery)
        if verdict != "taken":
            _drop(folder)
            continue
        result.notices += staged.notices
        layout = result.layouts.setdefault(staged.header, staging / f"layout-{len(result.layouts):04d}")
        layout.mkdir(parents=True, exist_ok=True)
        for part in folder.glob("*"):
            part.rename(layout / part.name)
        _drop(folder)
        taken_names[staged.file] = taken_contents[staged.sha256] = delivery
        number += 1
    return result


def _deliverable(landing: Path, source: Source, notices: list[str]) -> list[Path]:
    """The folder's files with a name of this source, oldest month first and corrections after what they correct."""
    if not landing.is_dir():
        return []
    visible = [p for p in landing.iterdir() if not p.name.startswith(".") and p.suffix != ".part" and p.is_file()]
    strangers = sorted(p.name for p in visible if not source.file_pattern.match(p.name))
    if strangers:
        shown = ", ".join(strangers[:5]) + (f" and {len(strangers) - 5} more" if len(strangers) > 5 else "")
        notices.append(f"not a file name of this source ({source.files}), left alone: {shown}")
    return sorted((p for p in visible if source.file_pattern.match(p.name)), key=lambda p: _order(p.name, source))


def _order(name: str, source: Source) -> tuple[str, int, list[tuple[int, str]]]:
    """Month, then the plain name, then corrections by their number: v2 before v10."""
    match = source.file_pattern.match(name)
    month = match["month"] if match else ""
    pieces = [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", name)]
    return month, int(name != source.file_name(month)), pieces


def _verdict(
    staged: Staged, taken_names: dict[str, DeliveryRecord], taken_contents: dict[str, DeliveryRecord]
) -> tuple[State, str]:
    same_name, same_content = taken_names.get(staged.file), taken_contents.get(staged.sha256)
    if same_name is not None and same_name.sha256 == staged.sha256:
        return "repeated", "was delivered before with the same content"
    if same_name is not None:
        stem, dot, ending = staged.file.rpartition(".")
        return "refused", (
            "was delivered before with other content; deliver corrections under a new name, "
            f"e.g. {stem}.v2{dot}{ending}: its rows replace those with the same key"
        )
    if staged.refusal:
        return "refused", staged.refusal
    if same_content is not None and staged.rows:
        return "repeated", f"has the same content as {same_content.file}, which was taken before"
    return "taken", ""


def _time(state: FileState) -> datetime:
    seconds, micros = divmod(state.modified, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)


def _drop(folder: Path) -> None:
    if folder.is_dir():
        for part in folder.iterdir():
            part.unlink()
        folder.rmdir()
