"""`lakeloop notify`: what people are told, and whether they can be."""

from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import BAD, GOOD, console, table
from console.cli.use_case_option import UseCaseOption
from lakeloop.exceptions import LakeloopError, WrongUseError
from lakeloop.notifications import problems_of, target_states, told_notifications
from lakeloop.settings import load_settings
from monitoring.notification_messages import Message
from monitoring.notification_targets import NotToldError, read_targets

NEWEST = 20
OfUseCase = Annotated[str, typer.Option("--use-case", "-u", help="Of this use case alone; default: of all.")]


def test_command(use_case: UseCaseOption = "") -> None:
    """Send one message to each target, and say what came of it (exit 1 if one failed)."""
    case = open_use_case(use_case)
    targets = read_targets(case.settings)
    if not targets:
        raise WrongUseError(
            "there is nobody to tell: set LAKELOOP_NOTIFY to URLs of apprise, such as "
            "mailtos://USER:PASSWORD@SMTP-HOST?to=ADDRESS, or LAKELOOP_NOTIFY_FILE to a file of them"
        )
    text = f"This is a test of `lakeloop notify test`. Whoever reads it is told of {case.name} and all other use cases."
    message = Message(f"[{case.name}] test", f"{text}\n\n{case.settings.pages(case.name)}/", ())
    failed = 0
    for target in targets:
        with console.status(f"{target.name} …"):
            problem = ""
            try:
                target.tell(message)
            except NotToldError as error:
                problem, failed = str(error), failed + 1
        said = f"{target.name}: {problem or 'it took the message'}"
        console.print(said, style=BAD if problem else GOOD, soft_wrap=True, markup=False)
    if failed:
        raise LakeloopError(f"{failed} of {len(targets)} targets did not take the message")


def list_command(
    every: Annotated[bool, typer.Option("--all", help=f"All, not the newest {NEWEST}.")] = False,
    use_case: OfUseCase = "",
) -> None:
    """Say what people were told, of all use cases, and what waits for a target."""
    settings = load_settings()
    found = told_notifications(settings, use_case, None if every else NEWEST)
    if found:
        head = ("number", "at (UTC)", "use case", "kind", "what", "told")
        rows = [
            (one.notification.id, one.notification.created_at[:19], one.notification.use_case,
             one.notification.kind, " ".join((one.notification.text, one.notification.link)).strip(), one.in_words)
            for one in found
        ]  # fmt: skip
        console.print(table(head, rows))
    else:
        console.print("there was nothing to tell yet")
    states = target_states(settings)
    for state in states:
        waiting = f"{state.waiting} wait" if state.waiting else "nothing waits"
        console.print(f"{state.name}: {waiting}", soft_wrap=True, markup=False)
    if problem := problems_of(states):
        console.print(problem, style=BAD, soft_wrap=True, markup=False)
    if not states:
        console.print("nobody is told: LAKELOOP_NOTIFY is not set")
