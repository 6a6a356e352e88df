"""`lakeloop decisions`: what was tried, how it fared, what was done."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from console.cli.options import open_use_case
from console.cli.render import BAD, GOOD, console, table, verdict
from console.cli.use_case_option import UseCaseOption
from lakeloop.decision import OUTCOMES, Decision, ScoredCandidate
from lakeloop.decision_table import find_decision, read_decisions
from lakeloop.exceptions import NotFoundError

if TYPE_CHECKING:
    from lakeloop.release_state import ReleaseEntry
    from operations.retraining.record import RetrainRecord
    from operations.retraining.undecided import Whereabouts


def list_command(use_case: UseCaseOption = "") -> None:
    """List the decisions, and the retrains that came to none or have not yet, the oldest first.

    What was decided of versions (`lakeloop models`) follows.
    """
    from lakeloop.releases import read_entries  # noqa: PLC0415 - the database, which a listing alone needs
    from operations.retraining.undecided import KILLED, undecided  # noqa: PLC0415 - a quarter of a second of imports

    case = open_use_case(use_case)
    found = read_decisions(case)
    others = undecided(case, [decision.decision_id for decision in found])
    released = read_entries(case.settings, case.name)
    if not found and not others and not released:
        console.print("nothing was decided yet; `lakeloop retrain` does")
        return
    if found or others:
        console.print(decisions_table(found, others))
    if any(state == "killed" for _, state in others):
        console.print(f"killed: {KILLED}")
    if released:
        console.print(releases_table(released))


def show_command(
    decision: Annotated[str, typer.Argument(help="As `list` shows it; default: the newest.")] = "",
    json: Annotated[bool, typer.Option("--json", help="The whole record as JSON, for other programs.")] = False,
    use_case: UseCaseOption = "",
) -> None:
    """Show one decision with every check of every candidate."""
    case = open_use_case(use_case)
    try:
        found = find_decision(case, decision)
    except NotFoundError:
        from operations.retraining.undecided import find_decided  # noqa: PLC0415 - who finds it needs no database

        found = find_decided(case, decision)
    if json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        print_decision(found)


def decisions_table(found: Sequence[Decision], others: "Sequence[tuple[RetrainRecord, Whereabouts]]" = ()) -> Table:
    """A line a decision, and one for each of the `others`, which have none; few columns, for a narrow terminal."""
    header = ("decision", "clock", "trigger", "strategy", "candidates", "outcome", "by")
    rows: list[tuple[object, ...]] = [
        (
            d.decision_id, d.clock, d.trigger, d.strategy,
            f"{sum(c.passed for c in d.candidates)} of {len(d.candidates)} passed" if d.candidates else "",
            " ".join([d.outcome, *([d.winner] if d.winner else []), *([f"as {d.version}"] if d.version else [])]),
            d.decided_by,
        )
        for d in found
    ]  # fmt: skip
    rows += [
        (
            record.decision_id, "" if record.plan is None else record.plan.clock, record.trigger,
            record.request.strategy, record.scored_of_planned, state, record.request.decided_by,
        )
        for record, state in others
    ]  # fmt: skip
    times = [*(d.at for d in found), *(record.at for record, _ in others)]
    in_order = [row for _, row in sorted(zip(times, rows, strict=True), key=lambda pair: pair[0])]
    return table(header, in_order, ("clock",), whole=("decision", "strategy"))


def releases_table(found: "Sequence[ReleaseEntry]") -> Table:
    """A line for each thing that was decided of a version."""
    rows = [(e.number, e.when, e.action, e.version, e.who, e.why) for e in found]
    return table(("number", "at", "action", "version", "who", "why"), rows)


def print_decision(decision: Decision) -> None:
    """The record in a terminal."""
    console.print(f"\nDecision {decision.decision_id} at clock {decision.clock}", style="bold")
    truth = "with new truth" if decision.with_truth else "without new truth"
    console.print(
        f"{decision.at:%Y-%m-%d %H:%M} UTC, by {decision.decided_by}; why: {decision.trigger}; "
        f"strategy {decision.strategy}, compared {truth}"
    )
    if decision.champion_checks:
        failed = ", ".join(f"{c.name} ({c.value:.3f})" for c in decision.champion_checks if not c.passed)
        said = f"fails {failed}" if failed else "passes"
        console.print(f"champion {decision.champion} on {decision.champion_judged_on}: {said}")
    if decision.changed_rows:
        console.print(
            f"{decision.changed_rows:,} rows of the champion's periods were corrected, added or withdrawn since"
        )
    if decision.drifted:
        console.print(f"drifted, the furthest first: {', '.join(decision.drifted)}")
    if decision.candidates:
        console.print("", _scores(decision), "", _checks(decision.candidates), "", sep="\n")
    if decision.judged_on:
        gold = f" of gold/training@{decision.judged_version}" if decision.judged_version is not None else ""
        weighted = f"; they tell as much as {decision.effective_rows:.0f}" if decision.effective_rows else ""
        console.print(f"compared on {decision.judged_on}{gold}{weighted}")
    for candidate in decision.candidates:
        if candidate.error:
            console.print(f"{candidate.name} failed: {candidate.error}", style=BAD, soft_wrap=True)
    pushed = f" as version {decision.version}" if decision.version else ""
    style = BAD if decision.outcome == "none passed" else GOOD
    if decision.choice:
        when = f"{decision.chosen_at:%Y-%m-%d %H:%M} UTC" if decision.chosen_at is not None else ""
        details = f" ({decision.choice_details})" if decision.choice_details else ""
        console.print(f"answered: {decision.choice}{details}, by {decision.chosen_by}, {when}")
    console.print(f"{decision.outcome}{pushed}: {OUTCOMES[decision.outcome]}", style=style)
    console.print(decision.reason, soft_wrap=True)


def _scores(decision: Decision) -> Table:
    rows = [
        (c.name, c.what, c.run_id, Text("error", BAD) if c.error else verdict(c.passed), _number(c.score))
        for c in decision.candidates
    ]
    champion = (f"champion {decision.champion}", "", "", "", _number(decision.champion_score))
    return table(
        ("candidate", "how it was made", "run", "gate", decision.decides),
        [champion, *rows] if decision.champion else rows,
        (decision.decides,),
        whole=("run",),
    )


def _checks(candidates: tuple[ScoredCandidate, ...]) -> Table:
    """A line a check, with what was wanted where all candidates were held to the same."""
    bounds: dict[str, set[str]] = {}
    for check in (check for candidate in candidates for check in candidate.checks):
        bounds.setdefault(check.name, set()).add(check.bound)
    found = [{check.name: check for check in candidate.checks} for candidate in candidates]
    rows = [
        (
            name,
            next(iter(wanted)) if len(wanted) == 1 else "",
            *(
                f"{checks[name].value:.4f} {'pass' if checks[name].passed else 'FAIL'}" if name in checks else ""
                for checks in found
            ),
        )
        for name, wanted in bounds.items()
    ]
    return table(("check", "wanted", *(candidate.name for candidate in candidates)), rows, whole=("check",))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
