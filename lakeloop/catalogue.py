"""The data catalogue: a contract in words, as Markdown."""

from collections.abc import Iterable, Iterator, Mapping

from lakeloop.contract import Contract, When

MISSING = {
    "median": "the model gets the training rows' median",
    "mean": "the model gets the training rows' mean",
    "zero": "the model gets 0",
    "category": "the model has a category of its own for that",
}
CLOCK = "  \n**Clock** the real time: what is delivered is known from then on"


def catalogue_markdown(contract: Contract) -> str:
    """Sources, features, label, gate and fallback of a contract as one Markdown document."""
    kind = contract.event_time.period
    zone = contract.event_time.in_zone
    parts = [
        f"# {contract.title}\n\n{contract.description}",
        f"**Key** `{contract.key.column}`{_origin(contract)}: {contract.key.description}  \n"
        f"**Event time** `{contract.event_time.column}`: {contract.event_time.description} "
        f"({kind} 0 is {contract.event_time.start}{zone})"
        f"{'' if contract.clock == 'simulated' else CLOCK}",
        "## Sources",
        _table(
            ("source", "files", "separator", "arrives", "columns", "what it is"),
            (
                (
                    n,
                    s.files_in_words,
                    s.separator if (written := s.format_of(s.files)) == "csv" else written,
                    f"{s.delay} {kind}s later" if s.delay else f"in its {kind}",
                    ", ".join(s.columns),
                    f"{s.description}; joined by {s.join.in_words}" if s.join else s.description,
                )
                for n, s in contract.sources.items()
            ),
        ),
        "## Features",
        _table(
            ("feature", "type", "role", "unit", "allowed", "drift test", "what it is"),
            (
                (
                    n,
                    f.type,
                    f.role,
                    f.unit,
                    f"{f.allowed}; may be missing: {MISSING[f.missing]}" if f.optional else f.allowed,
                    f"{f.drift.test}, {f.drift.threshold:g}",
                    f"{f.description}; derived from {', '.join(f.derived_from)}" if f.derived_from else f.description,
                )
                for n, f in contract.features.items()
            ),
        ),
        _label_text(contract),
        _label_table(contract),
        "## Quality gate",
        _table(
            ("requirement", "bound"),
            _requirements(contract),
        ),
    ]
    if contract.fallback:
        ranges = contract.fallback.ranges.items()
        parts += [
            f"## Fallback\n\nThe rules (`{contract.fallback.rules}`) answer where {_unsure(contract)}"
            "an input is unusual:",
            _table(("feature", "usual"), ((n, f"{r.at_least:g} to below {r.below:g}") for n, r in ranges)),
        ]
    return "\n\n".join(parts) + "\n"


def _requirements(contract: Contract) -> Iterator[tuple[str, str]]:
    """Each requirement with its bounds; named checks as they are called everywhere."""
    gate = contract.gate
    for name, bound in gate.model_dump(exclude_none=True, exclude={"decides", "checks", "beats_naive"}).items():
        yield name, ", ".join(f"{k} {v}" for k, v in bound.items()) if isinstance(bound, dict) else f"{bound:g}"
    for check in gate.checks:
        where = f", for each {check.sliced_by}" if isinstance(check.slice, str) and check.gap_below is None else ""
        where = f", where {_only(check.slice)}" if isinstance(check.slice, dict) else where
        bounds = {"above": check.above, "below": check.below if check.gap_below is None else check.gap_below}
        yield check.title + where, ", ".join(f"{k} {v:g}" for k, v in bounds.items() if v is not None)
    yield "better than an answer that knows no row", "beyond chance" if gate.beats_naive else "not asked"
    if contract.persistence is not None and gate.beats_naive:
        yield f"better than {contract.persistence.in_words}", "beyond chance"
    yield "compared with the champion by", gate.decides


def _only(value: Mapping[str, object]) -> str:
    return ", ".join(f"{name} is {only}" for name, only in value.items())


def _unsure(contract: Contract) -> str:
    if contract.fallback is None or not contract.label.classes:
        return ""
    if contract.label.several:
        return f"the likeliest set of labels is less likely than {contract.fallback.confidence_below:g} or "
    return f"the model's highest probability is below {contract.fallback.confidence_below:g} or "


def _label_text(contract: Contract) -> str:
    label = contract.label
    heading = f"## Label `{label.name}`\n\n{label.description}, "
    if label.several:
        return f"{heading}those of the columns of `{label.source}` that say yes; a row may have several, or none."
    return (
        f"{heading}{'derived from' if label.classes else 'the number in'} `{label.source}.{label.column}`"
        f"{f', computed as `{label.made}`' if label.made else ''}{_later(contract)}{_in_parts(contract)} "
        f"({label.truth.description}; allowed: {label.truth.allowed})."
    )


def _later(contract: Contract) -> str:
    """Of a later period by how many."""
    return f", {contract.ahead} {contract.period}{'' if contract.ahead == 1 else 's'} later" if contract.ahead else ""


def _label_table(contract: Contract) -> str:
    """The classes; several labels; or how often the interval around a number holds it."""
    label = contract.label
    if not label.classes:
        return f"With each number comes an interval that holds the truth of {label.interval:.0%} of such rows."
    if label.several:
        named = ((str(i), name) for i, name in enumerate(label.columns))
        return _table(("id", "label"), named)
    return _table(
        ("id", "class", f"when {label.column} is"),
        ((str(i), c.name, _when(c.when)) for i, c in enumerate(label.classes)),
    )


def _origin(contract: Contract) -> str:
    key = contract.key
    return "" if key.delivered else f" (made when rows come into bronze, {key.origin})"


def _in_parts(contract: Contract) -> str:
    truth = contract.label.truth
    return f", {truth.combine} of its parts, which `{truth.part}` tells apart" if truth.in_parts else ""


def _when(when: When | None) -> str:
    if when is None:
        return "anything else"
    return next(f"{word} {value}" for word, value in when.model_dump().items() if value is not None)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; pipes inside cells are escaped."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(header), line("---" for _ in header), *map(line, rows)])
