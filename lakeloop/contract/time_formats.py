"""How a time of an event is written: its formats, what each must have, and how one text of it is read.

Spark reads columns of such texts by the same patterns (`lakehouse.silver.event_time`).
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from lakeloop.contract.periods import PeriodKind, moment_of

PERIOD, DATE, TIMESTAMP = "period", "date", "timestamp"
UNIX = {"unix_seconds": 1_000_000, "unix_milliseconds": 1_000}
"""Formats that count from 1970 on, with the microseconds of one."""
WORDS = {
    DATE: "a date",
    TIMESTAMP: "a time in ISO 8601",
    "unix_seconds": "a number of seconds since 1970",
    "unix_milliseconds": "a number of milliseconds since 1970",
}
OF_MOMENTS = tuple(WORDS)
"""The formats with a name that say a moment or a day, unlike `period`."""
EXAMPLES = {
    DATE: "2024-01-31", TIMESTAMP: "2024-01-31T13:45:00", "unix_seconds": "1706708700",
    "unix_milliseconds": "1706708700000",
}  # fmt: skip
ZONE = "(?:Z|[+-][0-9]{2}:?[0-5][0-9])"
CLOCK = "[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\\.[0-9]{1,9})?)?"
TEXTS = {
    DATE: "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    TIMESTAMP: f"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:{CLOCK}(?: ?(?:UTC|Z|[+-][0-9]{{2}}(?::?[0-9]{{2}})?))?)?",
    **dict.fromkeys(UNIX, "[+-]?[0-9]+(?:\\.[0-9]*)?(?:E[+-]?[0-9]{1,2})?"),
}
"""What a text of a format looks like in upper case, as a regular expression without anchors."""
DIRECTIVES = {
    "Y": "[0-9]{4}", "y": "[0-9]{2}", "m": "(?:1[0-2]|0?[1-9])", "d": "(?:3[01]|[12][0-9]|0?[1-9])",
    "b": "[A-Z]{3}", "B": "[A-Z]+", "H": "(?:2[0-3]|[01]?[0-9])", "I": "(?:1[0-2]|0?[1-9])", "p": "[AP]M",
    "M": "[0-5]?[0-9]", "S": "[0-5]?[0-9]", "f": "[0-9]{1,6}", "z": ZONE, "%": "%",
}  # fmt: skip
"""The directives of a pattern of one's own, as of Python's strptime, with what each stands for."""
SAYS = {"year": ("Y", "y"), "month": ("m", "b", "B"), "day": ("d",), "hour": ("H", "I")}
NEEDED: dict[PeriodKind, tuple[str, ...]] = {
    "year": ("year",), "quarter": ("year", "month"), "month": ("year", "month"), "week": ("year", "month", "day"),
    "day": ("year", "month", "day"), "hour": ("year", "month", "day", "hour"),
}  # fmt: skip
"""What a time must say for its period to be known."""
FURTHEST_SECONDS = 253_402_300_800
"""Since 1970: the end of the year 9999."""
_PIECE = re.compile("%(.)|([^%]+)|(%)", re.DOTALL)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def pieces(pattern: str) -> list[tuple[str, str]]:
    """A pattern of one's own as (directive, '') and ('', text)."""
    return [(directive, text or percent) for directive, text, percent in _PIECE.findall(pattern)]


def format_problem(given: str, kind: PeriodKind) -> str:
    """What is wrong with a format for periods of a kind; '' if nothing is."""
    if given in (PERIOD, TIMESTAMP, *UNIX):
        return ""
    if given == DATE:
        return "" if kind != "hour" else "is date, which says no hour, and periods are hours; take timestamp"
    return pattern_problem(given, NEEDED[kind], f"periods are {kind}s", (PERIOD, *OF_MOMENTS))


def pattern_problem(given: str, needed: Sequence[str], why: str, words: Sequence[str] = OF_MOMENTS) -> str:
    """What is wrong with a pattern of one's own; '' if nothing is. `needed`: what it must say, and `why`.

    `words`: what else could stand there.
    """
    directives = [directive for directive, _ in pieces(given) if directive]
    if not directives:
        return f"is {given!r}; allowed: {', '.join(words)}, or a pattern such as '%d.%m.%Y %H:%M'"
    if unknown := [f"%{directive}" for directive in directives if directive not in DIRECTIVES]:
        return f"has {unknown[0]}; a pattern may have {', '.join(f'%{known}' for known in DIRECTIVES)}"
    plain = [directive for directive in directives if directive != "%"]
    if twice := [each for each in dict.fromkeys(plain) if plain.count(each) > 1]:
        return f"has %{twice[0]} twice; write each once"
    if ("I" in plain) != ("p" in plain):
        return "has one of %I and %p; an hour of 1 to 12 needs both"
    for part in needed:
        if not set(SAYS[part]) & set(plain):
            ways = " or ".join(f"%{directive}" for directive in SAYS[part])
            return f"is {given!r}, which says no {part}, and {why}; it needs {ways}"
    return ""


def text_pattern(given: str) -> str:
    """The regular expression of a format's texts in upper case, without anchors."""
    if given in TEXTS:
        return TEXTS[given]
    return "".join(DIRECTIVES[each] if each else _escaped(text.upper()) for each, text in pieces(given))


def meaning(given: str) -> str:
    """What a text of a format is, in words, e.g. `a date, such as 2024-01-31`."""
    example = EXAMPLES.get(given) or datetime(2024, 1, 31, 13, 45, tzinfo=UTC).strftime(given)
    return f"{WORDS.get(given, f'written {given}')}, such as {example}"


def read_moment(text: str, given: str, zone: str) -> datetime | None:
    """A text of a format as a moment (UTC); None where it is none. Without a zone it is of `zone`."""
    text = text.strip().upper()
    if not re.fullmatch(text_pattern(given), text):
        return None
    try:
        if given in UNIX:
            return _EPOCH + timedelta(microseconds=int(float(text) * UNIX[given] // 1))
        if given == DATE:
            return moment_of(datetime.combine(date.fromisoformat(text), datetime.min.time()), zone)
        if given == TIMESTAMP:
            found = datetime.fromisoformat(re.sub(" ?(UTC|Z)$", "Z", re.sub(" (?=[+-])", "", text)))
        else:
            found = datetime.strptime(text, given)
        return moment_of(found, zone) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _escaped(text: str) -> str:
    """Python's and Java's alike: what is neither a letter, a digit nor white space gets a backslash."""
    return re.sub(r"([^\w\s])", r"\\\1", text, flags=re.ASCII)
