"""Which column says when a row happened, and what is told about the choice."""

import numpy as np

from operations.new_use_case.problems import Findings
from operations.new_use_case.tables import TableDraft
from operations.new_use_case.time_zones import UTC, zone_of
from operations.new_use_case.times import TimeColumn, best_time, on_clock


def chosen_time(table: TableDraft, wanted: str, findings: Findings) -> tuple[TimeColumn | None, list[TimeColumn]]:
    """The column that says when, and all that could; `wanted`: the one somebody named, by its delivered name."""
    if wanted and wanted not in table.columns:
        findings.problems.append(f"--time {wanted}: there is no such column; columns: {', '.join(table.columns)}")
        return None, []
    time, times = best_time(table.columns, wanted)
    if wanted and time is None:
        column = table.columns[wanted]
        row = int(np.argmax(column.codes >= 0))
        findings.problems.append(
            f"{table.sample.where(row)}: `{wanted}` is {column.values[column.codes[row]]!r}, and so are others: "
            "no time that can be read (ISO 8601, day.month.year, month/day/year, seconds since 1970 and more are "
            "known); name another column, or leave --time out"
            if column.distinct
            else f"--time {wanted}: has no value in any row"
        )
    elif time is not None and (bad := time.unreadable).size:
        codes = time.column.codes[bad]
        there = bad[codes >= 0]
        what = (
            f", first {time.column.values[time.column.codes[there[0]]]!r} in {table.sample.where(int(there[0]))}"
            if there.size
            else ""
        )
        findings.notes.append(
            f"time: `{time.name}` is missing or cannot be read in {bad.size:,} rows{what}; the lake rejects them, "
            "and the history leaves them out"
        )
    if time is not None and time.format == "timestamp" and (zone := zone_of(time.column)).offsets:
        time, times = on_clock(time, zone), [on_clock(one, zone) for one in times]
        findings.notes.append(f"time: {_whose_clock(time)}")
    if time is not None and time.either:
        findings.notes.append(
            f"time: every `{time.name}` can be read as {time.format} and as {time.either}; the first is assumed. The "
            "other: `event_time.format`"
        )
    if time is not None and time.parts:
        findings.notes.append(
            f"time: {', '.join(f'`{name}`' for name in time.delivered)} say together when; they are joined to one "
            "time. Others: `event_time.columns`"
        )
    if not wanted and time is not None and len(times) > 1:
        others = ", ".join(f"`{one.name}`" for one in times[1:6])
        findings.notes.append(f"time: `{time.name}` says when; {others} could as well. Another: --time")
    return time, times


def _whose_clock(time: TimeColumn) -> str:
    said, name = " and ".join(time.zone.offsets), time.zone.name
    if name == UTC:
        return f"`{time.name}` says {said}, which no known clock shows at these times; periods are counted in UTC"
    return (
        f"`{time.name}` says {said}, as the clock of {name} does; periods are counted on it. Another: "
        "`event_time.timezone`"
    )
