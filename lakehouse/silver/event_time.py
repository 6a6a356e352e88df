"""When an event happened, as Spark sees it: which period a row or a moment is of, and what no event can be of."""

from pyspark.sql import Column as Expression
from pyspark.sql import functions as sf

from lakehouse.silver.problems import shown, wrong
from lakeloop.contract import Contract, EventTime
from lakeloop.contract.periods import Period
from lakeloop.contract.time_formats import DATE, FURTHEST_SECONDS, TIMESTAMP, UNIX, pieces, text_pattern

FORMS = {"hour": "yyyy-MM-dd'T'HH", "day": "yyyy-MM-dd", "month": "yyyy-MM", "year": "yyyy"}
"""Of the kinds of period whose names Java's calendar writes."""
JAVA = {
    "Y": "yyyy", "y": "yy", "m": "M", "d": "d", "b": "MMM", "B": "MMMM", "H": "H", "I": "h", "p": "a", "M": "m",
    "S": "s", "f": "SSSSSS", "z": "[XXX][XX]",
}  # fmt: skip
"""Java's letters for the directives of strptime; a single letter takes one digit or two."""
DIGITS = ("Y", "y", "m", "d", "H", "I", "M", "S", "f")
DATE_LENGTH = len("2024-01-31")


def fits_event_time(contract: Contract, text: Expression) -> Expression:
    """Whether the delivered event time keeps the contract; null counts as no."""
    event_time = contract.event_time
    if event_time.dated:
        first, end = contract.period_start(0), contract.period_start(event_time.of_kind.most + 1)
        moment = event_moment(event_time, text)
        return (moment >= sf.lit(first)) & (moment < sf.lit(end))
    return is_name(text, event_time.of_kind) & text.between(*known_periods(contract))


def event_time_problem(contract: Contract, text: Expression) -> Expression:
    """What is wrong with the delivered event time, as `wrong` gives it; null if nothing is."""
    event_time = contract.event_time
    name = event_time.column
    beside = shown(name, text)
    first, last = known_periods(contract)
    if event_time.dated:
        moment = event_moment(event_time, text)
        period, unreadable = period_of(moment, event_time), moment.isNull()
    else:
        period, unreadable = text, ~is_name(text, event_time.of_kind)
    return (
        sf.when(text.isNull() | (text == ""), wrong(f"`{name}` is missing{_joined_from(event_time)}"))
        .when(unreadable, wrong(f"`{name}` is not {event_time.meaning}", beside))
        .when(period < first, wrong(f"`{name}` is before {first}, where this use case starts", beside))
        .when(period > last, wrong(f"`{name}` is after {last}, a century ahead", beside))
    )


def _joined_from(event_time: EventTime) -> str:
    return f", since one of {', '.join(event_time.delivered)} is" if event_time.columns else ""


def known_periods(contract: Contract) -> tuple[str, str]:
    """The first and the last period that an event may be of."""
    return contract.period_name(0), contract.period_name(contract.event_time.of_kind.most)


def is_name(text: Expression, period: Period) -> Expression:
    """Whether a text is a period's name and nothing more; Java's `$` would let a line end follow."""
    written = text.rlike(f"^{period.pattern}$") & (sf.length(text) == len(period.example))
    if period.kind in ("hour", "day"):
        return written & sf.left(text, sf.lit(10)).try_cast("date").isNotNull()
    if period.kind == "week":  # the year's last week is the one of 28 December
        last = sf.weekofyear(sf.make_date(sf.left(text, sf.lit(4)).try_cast("int"), sf.lit(12), sf.lit(28)))
        return written & (sf.right(text, sf.lit(2)).try_cast("int") <= last)
    return written


def period_of(moment: Expression, event_time: EventTime) -> Expression:
    """The name of the period that a timestamp lies in."""
    local = moment if event_time.timezone == "UTC" else sf.from_utc_timestamp(moment, event_time.timezone)
    if event_time.period == "week":
        year = sf.extract(sf.lit("YEAROFWEEK"), local)
        return sf.format_string("%04d-W%02d", year, sf.weekofyear(local))
    if event_time.period == "quarter":
        return sf.concat(sf.date_format(local, "yyyy"), sf.lit("-Q"), sf.quarter(local).cast("string"))
    return sf.date_format(local, FORMS[event_time.period])


def period_begins(name: Expression, event_time: EventTime) -> Expression:
    """The moment that a period begins at, by its name; null where it is none."""
    kind, year = event_time.period, sf.left(name, sf.lit(4)).try_cast("int")
    if kind == "week":
        fourth = sf.make_date(year, sf.lit(1), sf.lit(4))  # always in the year's first week
        days = (sf.right(name, sf.lit(2)).try_cast("int") - 1) * 7
        local = sf.date_add(sf.date_trunc("week", fourth).cast("date"), days).cast("timestamp")
    elif kind == "quarter":
        month = sf.right(name, sf.lit(1)).try_cast("int") * 3 - 2
        local = sf.make_date(year, month, sf.lit(1)).cast("timestamp")
    else:
        missing = {"year": "-01-01", "month": "-01", "day": "", "hour": ":00:00"}[kind]
        local = sf.concat(name, sf.lit(missing)).try_cast("timestamp")
    return _at_zone(local, event_time.timezone)


def event_moment(event_time: EventTime, text: Expression) -> Expression:
    """The delivered event time as a timestamp; null where it cannot be read. `EventTime.moment` reads the same."""
    return moment(text, event_time.format, event_time.timezone)


def moment(text: Expression, given: str, zone: str) -> Expression:
    """A text of a format as a timestamp, null where it is none, as `read_moment`; without a zone it is of `zone`."""
    text = sf.upper(sf.trim(text))
    written = text.rlike(f"^(?:{text_pattern(given)})$")
    if given in UNIX:
        number = text.try_cast("double") * UNIX[given]
        within = sf.abs(number) < FURTHEST_SECONDS * 1e6
        return sf.when(written & within, sf.timestamp_micros(sf.floor(number).cast("bigint")))
    if given == DATE:
        return sf.when(written, _at_zone(text.try_cast("date").cast("timestamp"), zone))
    if given == TIMESTAMP:
        plain = sf.length(text) <= DATE_LENGTH
        zoned = ~plain & sf.substring(text, DATE_LENGTH + 1, 40).rlike("Z|UTC|[+-]")
        own = sf.regexp_replace(sf.regexp_replace(text, " ?(UTC|Z)$", "Z"), " (?=[+-])", "").try_cast("timestamp")
        return sf.when(written, sf.when(zoned, own).otherwise(_at_zone(text.try_cast("timestamp"), zone)))
    read = sf.try_to_timestamp(text, sf.lit(java_pattern(given)))
    if "%y" in given:  # as strptime reads it: 69 is 1969
        read = sf.when(sf.year(read) >= 2069, read - sf.expr("INTERVAL '100' YEAR")).otherwise(read)
    return sf.when(written, read if "%z" in given else _at_zone(read, zone))


def java_pattern(given: str) -> str:
    """A pattern of strptime's directives as Java writes it."""
    parts, found = pieces(given), []
    for position, (directive, text) in enumerate(parts):
        if directive in JAVA:
            beside = [parts[at][0] for at in (position - 1, position + 1) if 0 <= at < len(parts)]
            letters = JAVA[directive]
            found.append(letters * 2 if len(letters) == 1 and any(each in DIGITS for each in beside) else letters)
        else:
            literal_text = (text or "%").upper().replace("'", "''")
            found.append(f"'{literal_text}'")
    return "".join(found)


def _at_zone(local: Expression, zone: str) -> Expression:
    """A timestamp that shows a zone's clock, as the moment it is there."""
    return local if zone == "UTC" else sf.to_utc_timestamp(local, zone)
