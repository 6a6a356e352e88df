"""Points in time as people write them: a clock's month, or a moment; and which keys are asked about at which."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lakeloop.contract import Contract
from lakeloop.contract.key import JOINT
from lakeloop.exceptions import WrongUseError

if TYPE_CHECKING:
    import pyarrow as pa

AS_OF = "as_of"
SEPARATORS = (",", ";", "\t")
ALLOWED = "write a month (7 or 2023-08), a day (2026-11-22) or a moment (2026-11-22T10:30:00Z)"
LATEST_MONTH = 1_200
Point = str | datetime
"""The name of a clock's month, `YYYY-MM`, or a moment in UTC."""


@dataclass(frozen=True)
class Points:
    """What is asked for: keys, each with its point in time, or one point for every key there is.

    `table` has the key's column and `as_of`, texts of months or moments, no pair twice; None: all keys at `point`.
    """

    point: Point | None
    table: "pa.Table | None" = None

    @property
    def in_months(self) -> bool:
        """Whether time is the use case's clock; else it is when the lake took something in."""
        if self.table is None:
            return isinstance(self.point, str)
        import pyarrow as pa

        return bool(pa.types.is_string(self.table.schema.field(AS_OF).type))


def parse_point(text: str, contract: Contract, clock: int, now: datetime) -> Point:
    """A month by number or name, a day (its end), or a moment; without a zone UTC.

    Raises:
        WrongUseError: it is none of these, or lies in the future or before the use case's first month.
    """
    text = text.strip()
    if re.fullmatch(r"\d{1,4}", text) or re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        return _month(text, contract, clock)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            end = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
            return min(end, now) if end - timedelta(days=1) <= now else _refuse_future(text, now)
        moment = datetime.fromisoformat(text.upper())
    except (ValueError, OverflowError):
        raise WrongUseError(f"{text!r} is no point in time; {ALLOWED}") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment if moment <= now else _refuse_future(text, now)


def parse_since(text: str, contract: Contract) -> Point:
    """A month by number or name, a day (its beginning), or a moment, however late; raises as `parse_point`."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text.strip()):
        text = f"{text.strip()}T00:00:00"
    return parse_point(text, contract, LATEST_MONTH, datetime.max.replace(tzinfo=UTC))


def _month(text: str, contract: Contract, clock: int) -> str:
    number = int(text) if text.isdigit() else contract.month_number(text)
    if number < 0:
        raise WrongUseError(f"{text} lies before month 0 of {contract.use_case}, {contract.event_time.start}")
    if number > clock:
        raise WrongUseError(
            f"month {number} ({contract.month_name(min(number, LATEST_MONTH))}) is in the future: the clock of "
            f"{contract.use_case} stands at month {clock} ({contract.month_name(clock)}), and nobody knows yet what "
            "will be delivered after that"
        )
    return contract.month_name(number)


def _refuse_future(text: str, now: datetime) -> Point:
    raise WrongUseError(f"{text} is in the future: it is {now:%Y-%m-%dT%H:%M:%SZ} now")


def read_points(path: Path, point: str, contract: Contract, clock: int, now: datetime) -> Points:
    """Keys from a CSV (comma, semicolon or tab) or Parquet file; its column `as_of`, or `point` for all of them.

    A compound key may stand there in its parts.

    Raises:
        WrongUseError: the file cannot be read, lacks the key, has no rows or an empty value, or says the time twice.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

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
        found[AS_OF].cast(pa.string()).to_pylist() if AS_OF in found.column_names else [point or str(clock)] * len(keys)
    )
    for line, (one, text) in enumerate(zip(keys, texts, strict=True), start=1):
        if not one or not text:
            raise WrongUseError(f"{path}, row {line}: `{AS_OF if one else key}` is empty")
    parsed = {text: parse_point(text, contract, clock, now) for text in dict.fromkeys(texts)}
    kinds = {isinstance(one, str) for one in parsed.values()}
    if len(kinds) > 1:
        raise WrongUseError(
            f"{path} mixes months and moments in `{AS_OF}`: the clock's months and the lake's time are two"
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
