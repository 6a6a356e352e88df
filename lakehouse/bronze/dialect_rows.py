"""CSV lines with another quote or an escape -> rows, by Python's csv module."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from lakehouse.bronze.chunks import lines_of
from lakehouse.bronze.delivered_columns import Content, extra_text
from lakehouse.bronze.parts import RowParts
from lakeloop.contract import Source

CUT = "the line has no line end, it may be cut off"


def dialect(source: Source) -> dict[str, Any]:
    """The source's dialect as csv.reader takes it."""
    read = source.read
    given: dict[str, Any] = {"delimiter": source.separator, "escapechar": read.escape, "doublequote": not read.escape}
    return given | ({"quotechar": read.quote} if read.quote else {"quoting": csv.QUOTE_NONE})


def stage_dialect(
    chunks: Iterator[bytes], source: Source, header: tuple[str, ...], written: RowParts, first_line: int
) -> Content:
    """Split by the contract's own quote and escape. A record that cannot be is flawed; its first line alone is."""
    extra = [(place, name) for place, name in enumerate(header) if name not in source.columns]
    places = [header.index(name) if name in header else None for name in source.columns]
    waiting: deque[tuple[int, str]] = deque()
    broken: set[str] = set()
    numbered = enumerate(_texts(chunks, broken), first_line)
    consumed: list[tuple[int, str]] = []

    def given() -> Iterator[str]:
        while (line := waiting.popleft() if waiting else next(numbered, None)) is not None:
            consumed.append(line)
            yield line[1]

    reader = csv.reader(given(), strict=True, **dialect(source))
    comment = source.read.comment
    try:
        while True:
            consumed.clear()
            fields, flaw = _next_record(reader)
            if not consumed:
                break
            line, text = consumed[0]
            if comment and text.startswith(comment):
                flaw = ""
                fields = []
            elif fields is not None and fields and len(fields) != len(header):
                noun = "field" if len(fields) == 1 else "fields"
                flaw = f"the line has {len(fields)} {noun}, {len(header)} expected"
            if not consumed[-1][1].endswith("\n") and (flaw or fields):
                flaw = CUT
            elif broken and not broken.isdisjoint(line for _, line in consumed):
                flaw = "the line is not valid UTF-8"
            if flaw or (comment and text.startswith(comment)):
                waiting.extendleft(reversed(consumed[1:]))
                reader = csv.reader(given(), strict=True, **dialect(source))
            if flaw:
                written.add_flawed(line, text.rstrip("\n"), flaw)
            elif fields:
                values = [None if place is None else fields[place] or None for place in places]
                written.add(line, values, extra_text((name, fields[place]) for place, name in extra))
    finally:
        written.close()
    return Content(header, written.rows, split=True)


def _next_record(reader: Iterator[list[str]]) -> tuple[Sequence[str] | None, str]:
    try:
        return next(reader, None), ""
    except csv.Error:
        return None, "the line's quotes do not match"


def _texts(chunks: Iterator[bytes], broken: set[str]) -> Iterator[str]:
    """The lines as texts; those that are not UTF-8 are also put among `broken`."""
    for line in lines_of(chunks, "check where its lines end"):
        text = line.decode("utf-8", "replace")
        if "\ufffd" in text and text.encode() != line:
            broken.add(text)
        yield text
