"""`lakeloop decide`: a person's approval, where no candidate settled a decision."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from console.cli.decision_stages import decision_result
from console.cli.decisions import print_decision
from console.cli.result import write_result
from console.cli.retrain_options import workplace
from console.cli.use_case_option import UseCaseOption
from console.cli.warm_server import start_warm_server
from lakeloop.access.acting import who_acts
from lakeloop.decision import CHOICES, Choice
from lakeloop.exceptions import WrongUseError
from operations.retraining import stages
from operations.retraining.approval import Approval, parse_requirements
from operations.retraining.record_table import load_record
from operations.retraining.retrain import decide
from operations.retraining.retrain_lock import held_record


def decide_command(
    decision: Annotated[str, typer.Argument(help="The decision, as `lakeloop decisions list` shows it.")],
    choice: Annotated[str, typer.Option(metavar="|".join(CHOICES), help="What is to be done.")],
    candidate: Annotated[str, typer.Option(help="Whom to promote; default: the best scored.")] = "",
    gate: Annotated[
        list[str] | None,
        typer.Option(help="A bound to require instead, e.g. class_share_tolerance=0.3; may be repeated."),
    ] = None,
    segment: Annotated[str, typer.Option(help="For whom the rules answer, e.g. 'age < 25'; default: all rows.")] = "",
    why: Annotated[str, typer.Option(help="The reason, for those who ask later.")] = "",
    by: Annotated[str, typer.Option(help="Who decides; default: the user running this.")] = "",
    at: Annotated[str, typer.Option(help="When, ISO 8601; default: now.")] = "",
    push: Annotated[
        bool,
        typer.Option("--push/--no-push", help="Push what is promoted and record it; or only decide."),
    ] = True,
    use_case: UseCaseOption = "",
) -> None:
    """Answer a decision that waits: promote anyway, change the requirement, keep the champion, or fall back.

    Goes to gold/decisions, the decision's page and ML Metadata with who and when. The same answer again changes
    nothing; another one is refused.
    """
    checked = _choice(choice)
    work = workplace(use_case)
    who = who_acts(work.use_case.settings, "decide", by)
    load_record(work.use_case, decision)
    if work.use_case.settings.airflow_run_id and checked in ("promote", "change"):
        start_warm_server(work.use_case)  # while the person thought, it may have ended
    bounds = [text for texts in gate or [] for text in texts.split(",") if text.strip()]
    approval = Approval(
        checked, who, _time(at), why, candidate,
        parse_requirements(work.use_case.contract.gate, bounds) if checked == "change" else {}, segment,
    )  # fmt: skip
    if push:
        made = decide(work, decision, approval)
        print_decision(made)
        write_result(decision_result(made))
        return
    with held_record(work.use_case, decision) as waiting:
        approved = stages.approve(work, waiting, approval)
    print_decision(approved.the_decision)
    write_result(decision_result(approved.the_decision) | {"next": approved.next_step})


def _choice(text: str) -> Choice:
    found = next((choice for choice in CHOICES if choice == text), None)
    if found is None:
        raise WrongUseError(f"there is no choice {text!r}; choices: {', '.join(CHOICES)}")
    return found


def _time(text: str) -> datetime:
    if not text:
        return datetime.now(UTC)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUseError(f"--at {text!r} is no time; write it like 2026-01-31T12:00:00+00:00") from None
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)
