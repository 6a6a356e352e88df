"""The odd segments of a period: as a page that opens without a network, as rows of a table, as JSON."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from console.report.html_file import write_page
from lakeloop.use_case import UseCase
from monitoring.analysis.segments import FALSE_SHARE, QUESTIONS, OddSegment, Question
from operations.analysis.odd_segments import SegmentSearch, fallback_line


def write_segments(use_case: UseCase, search: SegmentSearch, oracle: bool) -> Path:
    """Write the page into the reports; its name says the period, the model and whose truth it is."""
    name = f"segments-{search.period:03d}-{search.model_version}{'-oracle' if oracle else ''}.html"
    tables = [
        (question, meaning, *segment_rows(question, search.segments.of(question)))
        for question, meaning in QUESTIONS[search.contract.label.task].items()
    ]
    lines = [line for one in search.segments.found if (line := fallback_line(search.contract, one))]
    return write_page(
        "segments.html",
        use_case.folder("reports") / name,
        contract=search.contract,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        search=search,
        words=search_words(search),
        tables=tables,
        lines=list(dict.fromkeys(lines)),
    )


def search_words(search: SegmentSearch) -> list[str]:
    """What was looked at, and by what, in sentences."""
    contract, found = search.contract, search.segments
    good = f"{_how_good(search)} of {search.labelled_rows:,} labelled rows {search.labelled_from}."
    good += f" {search.seen}" if search.seen else ""
    return [
        f"Model {search.model_version} in {contract.period} {search.period} ({contract.period_name(search.period)}): "
        f"{search.rows:,} rows beside the {search.reference_rows:,} that it was made from.",
        good,
        f"{found.looked_at:,} segments were looked at; {len(found.found) or 'none'} stand out beyond chance (of those "
        f"that are named {FALSE_SHARE:.0%} may be false).",
    ]


def _how_good(search: SegmentSearch) -> str:
    if search.error is not None:
        rules = "" if search.rules_error is None else f", the rules by {search.rules_error:.4g}"
        return f"It is off by {search.error:.4g} on average{rules},"
    rules = "" if search.rules_accuracy is None else f", the rules in {search.rules_accuracy:.3f}"
    return f"It is right in {search.accuracy:.3f}{rules}"


def segment_rows(question: Question, found: Sequence[OddSegment]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of one question's table; all columns but the first are numbers."""
    if question == "drifted":
        header: tuple[str, ...] = ("segment", "rows", "share", "share before", "p")
        return header, [
            (one.segment, f"{one.rows:,}", f"{one.share:.1%}", f"{one.share_before or 0.0:.1%}", _p(one))
            for one in found
        ]
    if any(one.error is not None for one in found):
        header = ("segment", "rows", "off by", "elsewhere", "rules", "p")
        return header, [
            (one.segment, f"{one.rows:,}", _number(one.error), _number(one.error_elsewhere), _number(one.rules_error),
             _p(one))
            for one in found
        ]  # fmt: skip
    header = ("segment", "rows", "right", "with 95 %", "elsewhere", "rules", "p")
    return header, [
        (one.segment, f"{one.rows:,}", _share(one.accuracy), _ends(one), _share(one.accuracy_elsewhere),
         _share(one.rules_accuracy), _p(one))
        for one in found
    ]  # fmt: skip


def segments_json(search: SegmentSearch) -> dict[str, Any]:
    """All of it in plain values, each segment with the command that has the rules answer there, or ''."""
    plain = {
        name: getattr(search, name)
        for name in ("model_version", "period", "rows", "reference_rows", "labelled_rows", "labelled_from", "accuracy",
                     "rules_accuracy", "error", "rules_error", "seen")
    }  # fmt: skip
    segments = [one.model_dump() | {"fallback": fallback_line(search.contract, one)} for one in search.segments.found]
    return {"use_case": search.contract.use_case, **plain, "looked_at": search.segments.looked_at, "segments": segments}


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _ends(one: OddSegment) -> str:
    return "" if one.interval is None else f"{one.interval[0]:.2f} to {one.interval[1]:.2f}"


def _p(one: OddSegment) -> str:
    return f"{one.p_value:.1g}" if one.p_value >= 1e-4 else "< 0.0001"
