"""Decides which delivered files are new: compares the landing folder with what was delivered before.

Spark's own file stream remembers paths only, so it would silently ignore other content under a known name. Here a
file is known by name and content.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from lakehouse.bronze.delivered_columns import Content, extra_columns, lacking_columns, listed
from lakehouse.bronze.delivery_record import DeliveryRecord, DeliveryState, modified_at
from lakehouse.bronze.landing import no_such_period, read_landing
from lakehouse.bronze.notices import Sentences, collated, some_files
from lakehouse.bronze.staging import Staged, content_sha256, file_state, stage_file
from lakehouse.exceptions import NotReadableYetError
from lakeloop.contract import EventTime, Source
from lakeloop.contract.file_names import VERSION, corrected_name

COLUMNS_SHOWN = 20
KINDS_SHOWN = 2


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
    `renamed`: file -> its columns that have another name than the contract says first, by their own.
    """

    first: int = 1
    records: list[DeliveryRecord] = field(default_factory=list)
    layouts: dict[Layout, Path] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    known: int = 0
    renamed: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def taken(self) -> list[DeliveryRecord]:
        """Of them those of the files that are taken."""
        return [record for record in self.records if record.state == "taken"]


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
    there = read_landing(landing, source)
    result, taken = Admission(number, notices=there.notices), _Taken()
    sentences = there.sentences
    for delivery in past:
        taken.add(delivery)
    extra: dict[str, tuple[str, ...]] = {}
    for file in there.files:
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
            name, staged.file, staged.sha256, staged.state.bytes, staged.rows, modified_at(staged.state), now, batch,
            state, reason,
        )  # fmt: skip
        result.records.append(delivery)
        if state == "taken":
            sentences += [(file, remark) for remark in _remarks(staged, source, taken)]
            result.renamed[file] = staged.content.renamed
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
        return "refused", no_such_period(impossible, source)
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
            f"came after its correction {some_files(later)}: of two files the one that is taken later wins, so its "
            "rows replace those of the same key"
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


def _drop(folder: Path) -> None:
    if folder.is_dir():
        for part in folder.iterdir():
            part.unlink()
        folder.rmdir()
