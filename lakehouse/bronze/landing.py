"""Decides which delivered files are new: compares the landing folder with what was delivered before.

Spark's own file stream remembers paths only, so it would silently ignore other content under a known name. Here a
file is known by name and content.
"""

import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from lakehouse.bronze.delivered_columns import Content, extra_columns, lacking_columns, listed
from lakehouse.bronze.staging import Staged, content_sha256, file_state, stage_file
from lakehouse.exceptions import NotReadableYetError
from lakeloop.contract import EventTime, Source
from lakeloop.contract.file_names import VERSION, corrected_name
from lakeloop.landing_files import PART, FileState

DeliveryState = Literal["taken", "refused", "repeated"]
FILES_SHOWN = 5
COLUMNS_SHOWN = 20
KINDS_SHOWN = 2


@dataclass(frozen=True)
class DeliveryRecord:
    """One line of the ledger `bronze/<use case>/deliveries`: a file, its content and what became of it.

    A file that was taken without a `sha256` is not in bronze whole, as `reason` says: it is taken again.
    """

    source: str
    file: str
    sha256: str
    bytes: int
    rows: int
    modified_at: datetime
    ingested_at: datetime
    batch: int
    state: DeliveryState
    reason: str = ""

    @property
    def file_state(self) -> FileState:
        """Size and time of the file when it was looked at."""
        seconds = self.modified_at.replace(tzinfo=UTC)
        since = seconds - datetime(1970, 1, 1, tzinfo=UTC)
        return FileState(self.bytes, (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds)

    @property
    def whole(self) -> bool:
        """Whether every row of the file is in bronze, or none should be."""
        return bool(self.sha256)


@dataclass(frozen=True)
class Layout:
    """Files that can be read together: the same header, and `quoted` line breaks in fields or none.

    `split`: their parts are rows already, and none of the header's order matters.
    """

    header: tuple[str, ...]
    quoted: bool = False
    split: bool = False


@dataclass
class Admission:
    """One look at the landing folder: records for the ledger, staged copies by layout, and what to tell.

    `first` is the number of the first file taken; those after it have the next ones, in the order of `records`.
    """

    first: int = 1
    records: list[DeliveryRecord] = field(default_factory=list)
    layouts: dict[Layout, Path] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    known: int = 0

    @property
    def taken(self) -> list[DeliveryRecord]:
        """Of them those of the files that are taken."""
        return [record for record in self.records if record.state == "taken"]


Sentences = list[tuple[str, str]]
Corrected = Callable[[DeliveryRecord], bool]


def admit(
    name: str,
    source: Source,
    event_time: EventTime,
    landing: Path,
    before: Iterable[DeliveryRecord],
    staging: Path,
    batch: int,
    now: datetime,
    *,
    verify: bool = False,
    corrected: Corrected = lambda earlier: True,
    unreadable: Mapping[str, str] = MappingProxyType({}),
    may_lack: Collection[str] = (),
) -> Admission:
    """Stage every new file of `landing` under `staging`; unchanged known files cost one `stat` each.

    `verify`: known files are hashed, too. `corrected` tells whether rows of an earlier delivery's keys came after it:
    then the same content again is no repetition. `unreadable`: files to refuse, and why. `may_lack`: columns that a
    file need not have.
    """
    past = [d for d in before if d.source == name]
    seen = {(d.file, d.file_state): d for d in past if d.whole}
    number = 1 + sum(d.state == "taken" for d in past)
    result, taken = Admission(number), _Taken()
    sentences: Sentences = []
    for delivery in past:
        taken.add(delivery)
    extra: dict[str, tuple[str, ...]] = {}
    for file in _deliverable(landing, source, sentences, result.notices):
        path, folder = landing / file, staging / f"new-{number:08d}"
        try:
            earlier = seen.get((file, file_state(path)))
            if earlier is not None and not (verify and content_sha256(path) != earlier.sha256):
                result.known += 1
                if earlier.state == "refused":
                    sentences.append((file, f"was refused before and has not changed: it {earlier.reason}"))
                continue
            staged = stage_file(path, file, number, source, folder, may_lack)
            if reason := unreadable.get(file):
                staged = replace(staged, refusal=reason, content=Content())
        except NotReadableYetError as problem:
            _drop(folder)
            sentences.append((file, str(problem)))
            continue
        state, reason = _state_of(staged, source, event_time, taken, batch, corrected)
        delivery = DeliveryRecord(
            name, staged.file, staged.sha256, staged.state.bytes, staged.rows, _time(staged.state), now, batch,
            state, reason,
        )  # fmt: skip
        result.records.append(delivery)
        if state == "taken":
            sentences += [(file, remark) for remark in _remarks(staged, source, taken)]
            extra[file] = extra_columns(staged.content.header, source)
            _move(folder, result, _layout(staged.content), staging)
            taken.add(delivery)
            number += 1
        _drop(folder)
    sentences += _on_other_columns(extra)
    result.notices += collated(sentences)
    return result


def _on_other_columns(extra: Mapping[str, tuple[str, ...]]) -> Sentences:
    """What to tell of columns that the contract does not name: file -> columns, however different they are."""
    kinds = set(filter(None, extra.values()))
    if len(kinds) > KINDS_SHOWN:
        every = tuple(dict.fromkeys(name for columns in extra.values() for name in columns))
        extra = {file: every for file, columns in extra.items() if columns}
    sentences = []
    for file, columns in extra.items():
        if columns:
            more = f" and {len(columns) - COLUMNS_SHOWN:,} more" if len(columns) > COLUMNS_SHOWN else ""
            named = f"{listed(columns[:COLUMNS_SHOWN])}{more}"
            sentences.append((file, f"{named} not in the contract; kept in bronze (`_extra`), used nowhere"))
    return sentences


def _layout(content: Content) -> Layout:
    return Layout((), split=True) if content.split else Layout(content.header, content.quoted)


def collated(sentences: Iterable[tuple[str, str]]) -> list[str]:
    """(file, sentence) -> one notice a sentence, with the first of its files."""
    files: dict[str, list[str]] = {}
    for file, sentence in sentences:
        files.setdefault(sentence, []).append(file)
    return [f"{_several(names)}: {sentence}" for sentence, names in files.items()]


def _several(names: Sequence[str]) -> str:
    shown = ", ".join(name if name.isprintable() else repr(name) for name in names[:FILES_SHOWN])
    return shown + (f" and {len(names) - FILES_SHOWN} more" if len(names) > FILES_SHOWN else "")


def _deliverable(landing: Path, source: Source, sentences: Sentences, notices: list[str]) -> list[str]:
    """The folder's files with a name of this source, oldest period first and corrections after what they correct."""
    try:
        visible = sorted(_visible(landing, source.names.in_folders, notices))
    except FileNotFoundError:
        return []
    except OSError as error:
        notices.append(f"{landing} cannot be read ({error.strerror}), so nothing in it was looked at")
        return []
    files, strangers = [], []
    for name in visible:
        known, problem = source.file_pattern.match(name), _no_file(landing / name)
        impossible = source.names.impossible_period(name)
        if known and problem:
            sentences.append((name, f"{problem}; left alone"))
        elif known:
            files.append(name)
        elif impossible:
            sentences.append((name, f"{_no_period(impossible, source)}; left alone"))
        elif not problem:
            strangers.append(name)
    if strangers:
        notices.append(f"not a file name of this source ({source.files_in_words}), left alone: {_several(strangers)}")
    return sorted(files, key=lambda name: _order(name, source))


def _visible(landing: Path, in_folders: bool, notices: list[str]) -> Iterator[str]:
    """Paths below the landing folder, without those that are hidden or not complete; folders too, if not looked into.

    Raises:
        OSError: the landing folder itself cannot be read.
    """
    for path in landing.iterdir():
        if path.name.startswith(".") or path.suffix == PART:
            continue
        if in_folders and path.is_dir() and not path.is_symlink():  # a link could lead round in a circle
            try:
                yield from (f"{path.name}/{name}" for name in _visible(path, in_folders, notices))
            except OSError as error:
                notices.append(f"{path} cannot be read ({error.strerror}), so nothing in it was looked at")
        else:
            yield path.name


def _no_period(text: str, source: Source) -> str:
    kind = source.names.kind
    form = "YYYY-MM with 01 to 12, in digits 0 to 9" if kind == "month" else f"one is written as {source.names.form}"
    return f"there is no {kind} {text}: {form}"


def _no_file(path: Path) -> str:
    """What it is instead of a file; '' where it is one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "is a link to a file that is not there" if path.is_symlink() else ""
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    if stat.S_ISREG(mode):
        return ""
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return f"is {kinds.get(stat.S_IFMT(mode), 'a device')}, not a file"


def _order(name: str, source: Source) -> tuple[str, int, list[tuple[int, str]]]:
    """Period, then the plain name, then corrections by their number: v2 before v10."""
    pieces = [(int(p), "") if p.isdecimal() else (-1, p) for p in re.split(r"(\d+)", name)]
    return source.names.period(name), int(source.names.is_correction(name)), pieces


class _Taken:
    """The files that are in the lake whole: by name, by content, and by the name without a version."""

    def __init__(self) -> None:
        self.names: dict[str, DeliveryRecord] = {}
        self.contents: dict[str, DeliveryRecord] = {}
        self.plain: dict[str, list[str]] = {}
        self.last: DeliveryRecord | None = None

    def add(self, delivery: DeliveryRecord) -> None:
        if delivery.state == "taken" and delivery.whole:
            self.names[delivery.file] = self.contents[delivery.sha256] = self.last = delivery
            self.plain.setdefault(_plain(delivery.file), []).append(delivery.file)


def _state_of(
    staged: Staged, source: Source, event_time: EventTime, taken: _Taken, batch: int, corrected: Corrected
) -> tuple[DeliveryState, str]:
    same_name, same_content = taken.names.get(staged.file), taken.contents.get(staged.sha256)
    if same_name is not None and same_name.sha256 == staged.sha256:
        return "repeated", "was delivered before with the same content"
    if same_name is not None:
        return "refused", (
            "was delivered before with other content; deliver corrections under a new name, "
            f"e.g. {corrected_name(staged.file)}: its rows replace those with the same key"
        )
    if impossible := source.names.impossible_period(staged.file):
        return "refused", _no_period(impossible, source)
    period, kind = source.period_of_file(staged.file), source.names.kind
    if period and source.join is None and (why := event_time.why_impossible(period)):
        return "refused", f"has the {kind} {period} in its name, which {why}; name it for the {kind} of its rows"
    if staged.refusal:
        return "refused", staged.refusal
    if same_content is not None and staged.rows:
        newer_here = taken.last is not same_content and taken.last is not None and taken.last.batch == batch
        if not newer_here and (same_content.batch == batch or not corrected(same_content)):
            return "repeated", f"has the same content as {same_content.file}, which was taken before"
    return "taken", ""


def _remarks(staged: Staged, source: Source, taken: _Taken) -> list[str]:
    """What to tell of a file that is taken now; `taken` were taken before it."""
    remarks = []
    if staged.content.header and (lacking := lacking_columns(staged.content.header, source)):
        remarks.append(f"lacks {listed(lacking)}: no row of it has a value there, as the contract allows")
    if staged.rows == 0:
        remarks.append("has a header and no rows" if staged.content.header else "has no rows")
    own = _correction(staged.file, source)
    later = [file for file in taken.plain.get(_plain(staged.file), ()) if _correction(file, source) > own > 0]
    if later:
        remarks.append(
            f"came after its correction {_several(later)}: of two files the one that is taken later wins, so its rows "
            "replace those of the same key"
        )
    return remarks


def _correction(file: str, source: Source) -> int:
    """1: the plain file, 2: its `.v2`; 0 where the name has no number."""
    if not source.names.is_correction(file):
        return 1
    number = VERSION.search(file)
    return int(number[1]) if number else 0


def _plain(file: str) -> str:
    """The name of the file that a version of it corrects."""
    return VERSION.sub("", file)


def _move(folder: Path, result: Admission, layout: Layout, staging: Path) -> None:
    target = result.layouts.setdefault(layout, staging / f"layout-{len(result.layouts):04d}")
    target.mkdir(parents=True, exist_ok=True)
    for part in folder.glob("*"):
        part.rename(target / part.name)


def _time(state: FileState) -> datetime:
    seconds, micros = divmod(state.modified, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)


def _drop(folder: Path) -> None:
    if folder.is_dir():
        for part in folder.iterdir():
            part.unlink()
        folder.rmdir()
