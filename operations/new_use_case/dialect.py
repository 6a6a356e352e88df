"""How a CSV text is written: encoding, separator, quote, escape, comment, lines above the header, and the header."""

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from charset_normalizer import from_bytes

SEPARATORS = (",", ";", "\t", "|", "^", "~")
ENCODINGS = ["cp1252", "latin_1", "iso8859_15", "cp1250", "cp1251", "cp1253", "cp1254", "shift_jis", "gb18030", "big5"]
"""What a text that is not Unicode may be in: those that offices and spreadsheets write."""
WESTERN = 0.4
"""Of the letters in lines with any beyond ASCII, up to so many are: a Western text, which latin-1 or cp1252 writes."""
LOOKED_AT = 400
MOST_PREAMBLE = 60
NUMBER = re.compile(r"\s*[+-]?[$€£¥]?\s*[+-]?[0-9][0-9.,]*([eE][+-]?[0-9]+)?\s*[%$€£¥]?\s*")
DATE = re.compile(r"\s*[0-9]{1,4}[-./][0-9]{1,2}([-./][0-9]{1,4})?([T ].*)?\s*")
MISSING = (
    "?", "-", "--", ".", "..", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "(null)", "\\N",
    "k.A.", "k. A.", "n.a.", "N.A.",
)  # fmt: skip
"""Texts that mean: no value. `NA` could be a word in a column of words; it is said when it is taken so."""


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written, in the contract's words; `names` are the columns' as delivered."""

    encoding: str = "utf-8"
    separator: str = ","
    quote: str = '"'
    escape: str = ""
    comment: str = ""
    skip_lines: int = 0
    header: bool = True
    names: tuple[str, ...] = ()

    @property
    def layout(self) -> tuple[str, int, bool]:
        """What must be the same in all files of a table."""
        return self.separator, self.skip_lines, self.header


def lines_above(data: bytes, dialect: Dialect) -> bytes:
    """What stands above the rows of a file's text, the header and comments above it among it."""
    at = 0
    for _ in range(dialect.skip_lines):
        at = _next_line(data, at)
    while at < len(data) and is_comment(data[at : at + 16], dialect):
        at = _next_line(data, at)
    return data[: _next_line(data, at)] if dialect.header else data[:at]


def _next_line(data: bytes, at: int) -> int:
    return data.find(b"\n", at) + 1 or len(data)


def is_comment(line: bytes, dialect: Dialect) -> bool:
    """Whether a line is no row."""
    return bool(dialect.comment) and line.startswith(dialect.comment.encode())


def encoding_of(pieces: Sequence[bytes]) -> str:
    """Python's name of the encoding; utf-8 wherever that fits, and '' where it is no text at all."""
    start = pieces[0]
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for piece in pieces:
        try:
            piece[:-4].decode("utf-8")
        except UnicodeDecodeError as error:
            if error.start >= 4:
                break
            continue
    else:
        return "utf-8"
    odd = b"".join(line + b"\n" for piece in pieces for line in piece.splitlines()[:20_000] if not line.isascii())
    encoding = "cp1252"
    if len(re.findall(rb"[\x80-\xff]", odd)) > WESTERN * len(re.findall(rb"[A-Za-z\x80-\xff]", odd)):
        found = from_bytes(odd[:200_000], cp_isolation=ENCODINGS).best()
        encoding = found.encoding if found is not None else encoding
    encoding = "latin-1" if encoding in ("latin_1", "cp1252") and not re.search(rb"[\x80-\x9f]", odd) else encoding
    text = odd[:100_000].decode(encoding, "replace")
    strange = sum(
        unicodedata.category(character) in ("Cc", "Cn", "Co") and character not in "\r\n\t" for character in text
    )
    return "" if strange > len(text) / 50 else encoding


def dialect_of(text: str, encoding: str) -> Dialect:
    """How the text is written, by its first lines."""
    lines = text.splitlines()[:LOOKED_AT]
    quote = _quote(lines)
    separator = _separator(lines, quote)
    escape = "\\" if re.search(rf"\\{quote}", "\n".join(lines)) else ""
    rows = _rows(lines, separator, quote, escape)
    width = _usual_width(rows)
    comment, places = "", list(range(len(lines)))
    if any(line.startswith("#") and len(row) != width for line, row in zip(lines, rows, strict=False)):
        comment = "#"
        places = [place for place, line in enumerate(lines) if not line.startswith("#")]
        lines = [lines[place] for place in places]
        rows = _rows(lines, separator, quote, escape)
    first = _first_data_row(rows, width)
    above = rows[first - 1] if first else []
    lines_to_skip = [0, *(place + 1 for place in places)]  # comments among them, as the lake counts
    is_header = bool(first) and _is_header(above, width)
    if is_header:
        named = _named(above)
        if len(set(named)) == len(named):
            return Dialect(encoding, separator, quote, escape, comment, lines_to_skip[first - 1], True, named)
        # The lake takes columns that share a name by their places.
        return Dialect(encoding, separator, quote, escape, comment, lines_to_skip[first], False, _told_apart(named))
    names = _from_preamble(rows[:first], width)
    if first and _is_header(above, width - 1):  # R writes the rows' numbers without a name above them
        names = ("column_1", *_named(above))
    return Dialect(encoding, separator, quote, escape, comment, lines_to_skip[first], False, names)


def _quote(lines: Sequence[str]) -> str:
    text = "\n".join(lines)
    single = len(re.findall(r"(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|]|$)", text, re.MULTILINE))
    double = len(re.findall(r'(?:^|[,;\t|])"[^"\n]*"(?=[,;\t|]|$)', text, re.MULTILINE))
    return "'" if single > double and single > 3 else '"'


def _rows(lines: Sequence[str], separator: str, quote: str, escape: str) -> list[list[str]]:
    """One row a line; line breaks inside quotes make a row of more than one, which is no matter here."""
    options = {"delimiter": separator, "quotechar": quote, "escapechar": escape or None, "doublequote": not escape}
    found = []
    for line in lines:
        try:
            found.append(next(csv.reader([line], **options), []))  # type: ignore[arg-type]
        except csv.Error:
            found.append([])
    return found


def _separator(lines: Sequence[str], quote: str) -> str:
    """The one that cuts most lines into the same number of fields, more than one."""
    best, score = ",", 0.0
    for separator in SEPARATORS:
        widths = Counter(len(row) for row in _rows(lines, separator, quote, ""))
        width, times = max(((w, n) for w, n in widths.items() if w > 1), key=lambda one: one[1], default=(0, 0))
        found = times / max(1, len(lines)) + min(width, 50) / 10_000
        if found > score:
            best, score = separator, found
    return best


def _usual_width(rows: Sequence[Sequence[str]]) -> int:
    widths = Counter(len(row) for row in rows if row)
    return max(widths.items(), key=lambda one: (one[1], one[0]), default=(1, 0))[0]


def _shape(cell: str) -> str:
    """What a cell looks like: nothing, a number, a date or a text."""
    if cell.strip() in ("", *MISSING):
        return ""
    return "number" if NUMBER.fullmatch(cell) else "date" if DATE.fullmatch(cell) else "text"


def _first_data_row(rows: Sequence[Sequence[str]], width: int) -> int:
    """The first row that looks like those far below: numbers and dates stand where they do there."""
    sound = [row for row in rows if len(row) == width]
    below = sound[len(sound) // 2 :]
    shapes = [Counter(_shape(row[place]) for row in below) for place in range(width)]
    usual = [max((s for s in shape if s), key=lambda s: shape[s], default="") for shape in shapes]
    firm = [
        place for place, shape in enumerate(usual)
        if shape in ("number", "date") and shapes[place][shape] >= 0.8 * (len(below) - shapes[place][""])
    ]  # fmt: skip
    if not firm:
        return next((i + 1 for i, row in enumerate(rows) if len(row) == width), 0)
    for position, row in enumerate(rows[:MOST_PREAMBLE]):
        if len(row) != width:
            continue
        found = [_shape(row[place]) for place in firm]
        there = [shape for shape in found if shape]
        like = sum(shape == usual[place] for place, shape in zip(firm, found, strict=True))
        if there and like >= 0.5 * len(there) and like >= min(len(firm), 2) * 0.5:
            return position
    return 0


def _is_header(row: Sequence[str], width: int) -> bool:
    names = [cell.strip() for cell in row]
    filled = [name for name in names if name]
    return (
        len(names) == width
        and len(filled) >= width - 1
        and len(set(filled)) >= 0.5 * len(filled)
        and sum(_shape(name) == "text" for name in filled) >= 0.7 * len(filled)
    )


def _named(row: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip() or f"column_{place}" for place, name in enumerate(row, 1))


def _told_apart(names: Sequence[str]) -> tuple[str, ...]:
    """The same, with the place after those that came before."""
    return tuple(f"{name} {place}" if name in names[: place - 1] else name for place, name in enumerate(names, 1))


def _from_preamble(rows: Sequence[Sequence[str]], width: int) -> tuple[str, ...]:
    """Names from what stands above the columns, where anything does above most; otherwise numbers."""
    above = [
        " ".join(dict.fromkeys(cell.strip() for row in rows for cell in row[place : place + 1] if cell.strip()))
        for place in range(width)
    ]
    first_lines = {cell.strip() for row in rows for cell in row[:1] if sum(map(bool, row)) <= 1}
    names = []
    for place, text in enumerate(above, 1):
        own = " ".join(part for part in [text] if place > 1 or part not in first_lines)
        names.append(own[:60] if place > 1 and own else f"column_{place}")
    doubled = {name for name in names if names.count(name) > 1}
    return tuple(f"column_{place}" if name in doubled else name for place, name in enumerate(names, 1))
