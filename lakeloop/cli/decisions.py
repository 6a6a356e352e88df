"""`lakeloop decisions`: what was tried, how it was judged, what was done."""

from typing import Annotated

import typer

from lakeloop.cli.lake import spark_of
from lakeloop.cli.options import UseCase, open_use_case
from lakeloop.cli.render import BAD, GOOD, console, table, verdict
from lakeloop.decision import OUTCOMES, Decision, JudgedCandidate

app = typer.Typer(no_args_is_help=True, help="The record of every retrain: candidates, checks, winner, who decided.")


@app.command("list")
def list_(use_case: UseCase = "") -> None:
    """List the decisions, the oldest first."""
    from lakehouse.decisions import read_decisions

    settings, _ = open_use_case(use_case)
    with spark_of(settings) as spark:
        found = read_decisions(spark, settings)
    if not found:
        console.print("nothing was decided yet; `lakeloop retrain` does")
        return
    header = ("decision", "clock", "trigger", "strategy", "truth", "passed", "winner", "outcome", "version", "by")
    rows = [
        (
            d.decision_id, d.clock, d.trigger, d.strategy, "new" if d.with_truth else "old",
            f"{sum(c.passed for c in d.candidates)} of {len(d.candidates)}", d.winner or "none", d.outcome, d.version,
            d.decided_by,
        )
        for d in found
    ]  # fmt: skip
    console.print(table(header, rows, ("clock",)))


@app.command()
def show(
    decision: Annotated[str, typer.Argument(help="As `list` shows it; default: the newest.")] = "",
    json: Annotated[bool, typer.Option("--json", help="The whole record as JSON, for other programs.")] = False,
    use_case: UseCase = "",
) -> None:
    """Show one decision with every check of every candidate."""
    from lakehouse.decisions import find_decision

    settings, _ = open_use_case(use_case)
    with spark_of(settings) as spark:
        found = find_decision(spark, settings, decision)
    if json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        print_decision(found)


def print_decision(decision: Decision) -> None:
    """The record in a terminal."""
    console.print(f"\nDecision {decision.decision_id} at clock {decision.clock}", style="bold")
    truth = "with newer truth" if decision.with_truth else "without newer truth"
    console.print(f"why: {decision.trigger}; strategy {decision.strategy}, judged {truth}; by {decision.decided_by}")
    if decision.champion_checks:
        failed = ", ".join(f"{c.name} {c.value:.3f}" for c in decision.champion_checks if not c.passed)
        said = f"fails {failed}" if failed else "passes"
        console.print(f"champion {decision.champion} on {decision.champion_judged_on}: {said}")
    if decision.candidates:
        console.print(_scores(decision))
        console.print(_checks(decision.candidates))
    if decision.judged_on:
        weighted = f"; they tell as much as {decision.effective_rows:.0f}" if decision.effective_rows else ""
        console.print(f"compared on {decision.judged_on}{weighted}")
    for candidate in decision.candidates:
        if candidate.error:
            console.print(f"{candidate.name} failed: {candidate.error}", style=BAD, soft_wrap=True)
    pushed = f" as version {decision.version}" if decision.version else ""
    style = BAD if decision.outcome == "none passed" else GOOD
    console.print(f"{decision.outcome}{pushed}: {OUTCOMES[decision.outcome]}", style=style)
    console.print(decision.reason, soft_wrap=True)


def _scores(decision: Decision) -> object:
    rows = [(c.name, c.what, c.run_id, verdict(c.passed), _number(c.score)) for c in decision.candidates]
    champion = (f"champion {decision.champion}", "", "", "", _number(decision.champion_score))
    return table(
        ("candidate", "how it was made", "run", "gate", "score"),
        [champion, *rows] if decision.champion else rows,
        ("score",),
    )


def _checks(candidates: tuple[JudgedCandidate, ...]) -> object:
    names = dict.fromkeys(check.name for candidate in candidates for check in candidate.checks)
    found = [{check.name: check for check in candidate.checks} for candidate in candidates]
    rows = [
        (
            name,
            *(
                f"{checks[name].value:.4f} {'pass' if checks[name].passed else 'FAIL'}" if name in checks else ""
                for checks in found
            ),
        )
        for name in names
    ]
    return table(("check", *(candidate.name for candidate in candidates)), rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
