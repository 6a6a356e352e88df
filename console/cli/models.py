"""`lakeloop models`: which version serves, and a hand on it."""

from typing import Annotated

import typer

from console.cli.decisions import releases_table
from console.cli.options import open_use_case
from console.cli.render import DIM, console, table
from console.cli.use_case_option import UseCaseOption
from lakeloop.access.acting import who_acts
from lakeloop.exceptions import WrongUseError
from lakeloop.model_folders import pushed_at
from lakeloop.pushed_models import pushed_versions, version_states
from lakeloop.release_state import Action, Release
from lakeloop.releases import read_entries, read_release
from lakeloop.use_case import UseCase
from operations.releasing import release, wait_until_answered_by, why_not_answered

Version = Annotated[str, typer.Argument(help="A pushed version, or a label: champion, previous, challenger.")]
WhoOption = Annotated[str, typer.Option("--who", help="Who wants it; default: the user running this.")]
Why = Annotated[str, typer.Option(help="The reason, for those who ask later.")]


def list_command(use_case: UseCaseOption = "") -> None:
    """List the pushed versions, the newest first: which serves, which did before, which are retired."""
    case = open_use_case(use_case)
    state, states = _state(case), version_states(case.settings.model_server, case.name)
    rows = [
        (version, pushed_at(version), state.standing(version), states.get(version, "").lower())
        for version in reversed(pushed_versions(case))
    ]
    if not rows:
        console.print(f"no model of {case.name} was pushed yet; `lakeloop train` pushes one the gate has blessed")
        return
    console.print(table(("version", "pushed", "standing", "in the model server"), rows))
    _print_gone(state)


def show_command(use_case: UseCaseOption = "") -> None:
    """Say what serves, since when, by whom and why; and what was decided before."""
    case = open_use_case(use_case)
    state = _state(case)
    if not state.champion:
        console.print(f"no version of {case.name} serves; {state.command('list')} shows those that were pushed")
    else:
        pinned = ", pinned: a push does not replace it" if state.champion == state.pinned_version else ""
        since = f"since {state.by.when} ({state.by.who}: {state.by.why})" if state.by else "since it was pushed"
        console.print(f"version {state.champion} of {case.name} serves, {since}{pinned}")
    _print_gone(state)
    if state.challenger:
        console.print(f"version {state.challenger} challenges it, {state.stage_words}", soft_wrap=True)
    entries = read_entries(case.settings, case.name)
    if entries:
        console.print(releases_table(entries[::-1]))


def promote_command(version: Version, why: Why = "", who: WhoOption = "", use_case: UseCaseOption = "") -> None:
    """Have a pushed version serve; the one that serves now is the one before. The next push takes over again."""
    _decide("promote", version, why, who, use_case)


def pin_command(
    version: Version = "champion", why: Why = "", who: WhoOption = "", use_case: UseCaseOption = ""
) -> None:
    """Have a version serve until it is unpinned: neither a push nor a retrain replaces it."""
    _decide("pin", version, why, who, use_case)


def unpin_command(why: Why = "", who: WhoOption = "", use_case: UseCaseOption = "") -> None:
    """Let pushes replace the version that serves again, from the next one on."""
    _decide("unpin", "", why, who, use_case)


def rollback_command(why: Why = "", who: WhoOption = "", use_case: UseCaseOption = "") -> None:
    """Have the version serve that did before; it is still loaded, so it takes a moment."""
    _decide("rollback", "", why, who, use_case)


def retire_command(version: Version, why: Why = "", who: WhoOption = "", use_case: UseCaseOption = "") -> None:
    """Take a version out of service for good; its folder, records and lineage stay."""
    _decide("retire", version, why, who, use_case)


def restore_command(version: Version, why: Why = "", who: WhoOption = "", use_case: UseCaseOption = "") -> None:
    """Take back that a version was retired: it may be promoted again."""
    _decide("restore", version, why, who, use_case)


def challenge_command(version: Version, why: Why = "", who: WhoOption = "", use_case: UseCaseOption = "") -> None:
    """Try a pushed version beside the champion by the contract's `release`, as if it were pushed now."""
    _decide("challenge", version, why, who, use_case)


def abort_command(why: Why = "", who: WhoOption = "", use_case: UseCaseOption = "") -> None:
    """End the challenge that is under way: the champion stays."""
    _decide("abort", "", why, who, use_case)


def _decide(action: Action, version: str, why: str, who: str, name: str) -> None:
    case = open_use_case(name)
    if not why.strip():
        raise WrongUseError("say why with --why: others will ask")
    before, after = release(case, action, version, who_acts(case.settings, "decide", who), why)
    pinned = ", pinned" if after.champion == after.pinned_version else ""
    console.print(
        f"version {after.champion or 'none'} of {case.name} serves{pinned}; before it {after.previous or 'none'}"
    )
    if after.challenger:
        console.print(f"version {after.challenger} challenges it, {after.stage_words}")
    if after.champion == before.champion:
        return
    seconds = wait_until_answered_by(case, after.champion)
    if seconds is None:
        console.print(why_not_answered(case, after.champion), style=DIM, soft_wrap=True)
    else:
        console.print(f"the gateway answers by it after {seconds:.1f} s")


def _print_gone(state: Release) -> None:
    if state.gone:
        pinned = "; it is pinned, so that no push replaces it" if state.gone == state.pinned_version else ""
        console.print(
            f"version {state.gone} should serve, and its folder is gone: {state.champion or 'none'} does{pinned}"
        )


def _state(case: UseCase) -> Release:
    return read_release(case.settings, case.name)
