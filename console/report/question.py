"""What a person is asked when no candidate passes: the gate's table and what may be answered, as Markdown."""

from pathlib import Path

from console.report.decision_page import common_bounds
from lakeloop.decision import CHOICES, Decision

MEANING = {
    "promote": "the best scored candidate is pushed though the gate refused it (or the one named in the form)",
    "change": "the bounds given in the form replace the contract's for this decision; who meets them and is best wins",
    "keep": "nothing changes; also what is done when nobody answers",
    "fallback": "the use case's rules answer instead of the model for the segment in the form; empty: for all rows",
}


def question(decision: Decision, page: Path) -> str:
    """The decision's candidates with every check, and what each answer means."""
    champion = f"champion {decision.champion}" if decision.champion else "no champion yet"
    score = f", {decision.champion_score:.3f}" if decision.champion_score is not None else ""
    truth = "with new truth" if decision.with_truth else "without new truth"
    lines = [
        f"**Decision {decision.decision_id}** at clock {decision.clock}, because of {decision.trigger}; {truth}.",
        f"{decision.reason[:1].upper()}{decision.reason[1:]}.",
        "",
        f"Compared on {decision.judged_on or 'nothing'}: {champion}{score}.",
        "",
        *_table(decision),
        "",
        *(f"- {c.name} failed: {_inline(c.error)}" for c in decision.candidates if c.error),
        "",
        *(f"- **{CHOICES[choice]}**: {MEANING[choice]}" for choice in CHOICES),
        "",
        f"The whole record: `{page}`",
    ]
    return "\n".join(lines)


def _table(decision: Decision) -> list[str]:
    checked = [c for c in decision.candidates if c.checks]
    if not checked:
        return []
    by_name = [{check.name: check for check in candidate.checks} for candidate in checked]
    head = ["check", "bound", *(_inline(c.name) for c in checked)]
    rows = [["**score**", "", *(f"{c.score:.3f}" if c.score is not None else "" for c in checked)]]
    for name, bound in common_bounds(decision).items():
        cells = []
        for checks in by_name:
            check = checks.get(name)
            mark = "" if check is None else f"{check.value:.3f}" if check.passed else f"**{check.value:.3f} FAIL**"
            cells.append(mark)
        rows.append([name, _inline(bound), *cells])
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _inline(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ").replace("<", "&lt;").replace(">", "&gt;")
