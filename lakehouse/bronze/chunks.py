"""A delivered file's bytes as they come, chunk by chunk: what it begins with, and its lines."""

from collections.abc import Iterator
from itertools import chain

from lakehouse.bronze import parts
from lakehouse.exceptions import FileRefusedError


def beginning(chunks: Iterator[bytes], size: int, until: bytes | None = None) -> tuple[bytes, Iterator[bytes]]:
    """The first chunks, so many that they have `size` bytes or, sooner, `until` in them; and all chunks, these too."""
    start = b""
    while len(start) < size and (until is None or until not in start) and (more := next(chunks, b"")):
        start += more
    return start, joined(start, chunks)


def joined(start: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """All of it in chunks, none of them empty: to who asks for the next one, an empty one is the end."""
    return filter(None, chain((start,), chunks))


def lines_of(chunks: Iterator[bytes], hint: str) -> Iterator[bytes]:
    """The lines, each with its line end, which the last one may lack.

    Raises:
        FileRefusedError: a line is too long to be one; `hint` says what to look at.
    """
    held = b""
    for chunk in chunks:
        *lines, held = (held + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(held) > parts.LINE_BYTES:
            raise FileRefusedError(f"has a line of more than {parts.LINE_BYTES:,} bytes; {hint}")
    if held:
        yield held
