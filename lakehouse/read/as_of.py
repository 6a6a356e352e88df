"""Points in time as people write them: a clock's period, or a moment; and which keys are asked about at which.

By a simulated clock a period is a time of its own: what has come by then says the contract. By the wall clock it is a
stretch of real time and stands for its end, so that known is what had been delivered by then.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lakeloop.clock import Clock
from lakeloop.contract import Contract
from lakeloop.contract.key import JOINT
from lakeloop.contract.periods import PERIODS, moment_of
from lakeloop.exceptions import WrongUseError

if TYPE_CHECKING:
    import pyarrow as pa

AS_OF = "as_of"
SEPARATORS = (",", ";", "\t")
DAY = PERIODS["day"]
INSTANT = timedelta(microseconds=1)
"""What ends with a period ends before the next one begins."""
Point = str | datetime
"""The name of a simulated clock's period, e.g. `YYYY-MM`, or a moment in UTC."""


@dataclass(frozen=True)
class Points:
    """What is asked for: keys, each with its point in time, or one point for every key there is.

    `table` has the key's column and `as_of`, texts of periods or moments, no pair twice; None: all keys at `point`.
    """

    point: Point | None
    table: "pa.Table | None" = None

    @property
    def in_periods(self) -> bool:
        """Whether time is a simulated clock; else it is when the lake took something in."""
        if self.table is None:
            return isinstance(self.point, str)
        import pyarrow as pa

        return bool(pa.types.is_string(self.table.schema.field(AS_OF).type))


def parse_point(text: str, clock: Clock) -> Point:
    """A period by number or name (by the wall clock its end), a day (its end), or a moment; without a zone the
    contract's.

    Raises:
        WrongUseError: it is none of these, or lies in the future or before the use case's first period.
    """
    contract, now = clock.contract, clock.now
    text, zone = text.strip(), contract.event_time.timezone
    if (number := _period_number(text, contract)) is not None:
        name = _period(text, number, clock)
        return min(contract.period_start(number + 1) - INSTANT, now) if clock.is_wall else name
    try:
        if DAY.is_name(text):
            return (
                min(DAY.end(text, zone) - INSTANT, now) if DAY.start(text, zone) <= now else _refuse_future(text, now)
            )
        moment = datetime.fromisoformat(text.upper())
        moment = moment_of(moment, zone) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongUseError(f"{text!r} is no point in time; {_allowed(contract)}") from None
    return moment if moment <= now else _refuse_future(text, now)


def parse_since(text: str, contract: Contract) -> Point:
    """A period by number or name, a day (its beginning), or a moment, however late; raises as `parse_point`."""
    text = text.strip()
    if DAY.is_name(text) and contract.event_time.period != "day":
        return DAY.start(text, contract.event_time.timezone)
    latest = Clock(contract, "simulated", contract.event_time.of_kind.most, datetime.max.replace(tzinfo=UTC))
    return parse_point(text, latest)


def _period_number(text: str, contract: Contract) -> int | None:
    """The number of a period that is written as number or name; None: it is written as none."""
    if contract.event_time.of_kind.is_name(text):
        return contract.period_number(text)
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None


def _period(text: str, number: int, clock: Clock) -> str:
    contract = clock.contract
    kind, most = contract.event_time.period, contract.event_time.of_kind.most
    if number < 0:
        raise WrongUseError(f"{text} lies before {kind} 0 of {contract.use_case}, {contract.event_time.start}")
    if number > clock.period:
        raise WrongUseError(
            f"{kind} {number} ({contract.period_name(min(number, most))}) is in the future: the clock of "
            f"{contract.use_case} stands at {kind} {clock.period} ({clock.name}), and nobody knows yet what "
            "will be delivered after that"
        )
    return contract.period_name(number)


def _allowed(contract: Contract) -> str:
    days = "" if contract.period == "day" else "a day (2026-11-22) "
    return f"write {contract.a_period} (7 or {contract.period_name(7)}), {days}or a moment (2026-11-22T10:30:00Z)"


def _refuse_future(text: str, now: datetime) -> Point:
    raise WrongUseError(f"{text} is in the future: it is {now:%Y-%m-%dT%H:%M:%SZ} now")


def read_points(path: Path, point: str, clock: Clock) -> Points:
    """Keys from a CSV (comma, semicolon or tab) or Parquet file; its column `as_of`, or `point` for all of them.

    A compound key may stand there in its parts.

    Raises:
        WrongUseError: the file cannot be read, lacks the key, has no rows or an empty value, or says the time twice.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    contract = clock.contract
    key, parts = contract.key.column, contract.key.columns
    found = _read(path, (key, *parts))
    if key not in found.column_names and parts and set(parts) <= set(found.column_names):
        joined = pc.binary_join_element_wise(*(found[part].cast(pa.string()) for part in parts), JOINT)
        found = found.append_column(key, joined)
    if key not in found.column_names:
        raise WrongUseError(f"{path} has no column `{key}`, the key; its columns are {', '.join(found.column_names)}")
    if not found.num_rows:
        raise WrongUseError(f"{path} has no rows; write a {key} a line")
    keys = found[key].cast(pa.string()).to_pylist()
    if AS_OF in found.column_names and point:
        raise WrongUseError(f"{path} has a column `{AS_OF}`, so leave --as-of out, or the column")
    texts = (
        found[AS_OF].cast(pa.string()).to_pylist()
        if AS_OF in found.column_names
        else [point or str(clock.period)] * len(keys)
    )
    for line, (one, text) in enumerate(zip(keys, texts, strict=True), start=1):
        if not one or not text:
            raise WrongUseError(f"{path}, row {line}: `{AS_OF if one else key}` is empty")
    parsed = {text: parse_point(text, clock) for text in dict.fromkeys(texts)}
    kinds = {isinstance(one, str) for one in parsed.values()}
    if len(kinds) > 1:
        kind = contract.event_time.period
        raise WrongUseError(
            f"{path} mixes {kind}s and moments in `{AS_OF}`: the clock's {kind}s and the lake's time are two"
        )
    pairs = list(dict.fromkeys((one, parsed[text]) for one, text in zip(keys, texts, strict=True)))
    of_type = pa.string() if kinds == {True} else pa.timestamp("us", "UTC")
    columns = {key: pa.array([p[0] for p in pairs], pa.string()), AS_OF: pa.array([p[1] for p in pairs], of_type)}
    return Points(None, pa.table(columns))


def _read(path: Path, keys: Sequence[str]) -> "pa.Table":
    """The file's table; the columns `keys`, where it has them, as texts."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if path.suffix == ".parquet":
            return parquet.read_table(path)
        with path.open(encoding="utf-8-sig") as stream:
            header = stream.readline()
        separator = next((s for s in SEPARATORS if set(keys) & set(header.rstrip("\n").split(s))), ",")
        texts = {name: pa.string() for name in (*keys, AS_OF)}
        return csv.read_csv(
            path,
            parse_options=csv.ParseOptions(delimiter=separator),
            convert_options=csv.ConvertOptions(column_types=texts),
        )
    except (OSError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise WrongUseError(f"{path} cannot be read as CSV or Parquet: {error}") from error
