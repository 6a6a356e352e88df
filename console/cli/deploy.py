"""`lakeloop deploy`: is the pushed version there, does it answer, does it do well? If not, it is taken back."""

from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import DIM, console
from console.cli.result import write_result
from console.cli.use_case_option import UseCaseOption
from lakeloop.pushed_models import pushed_version, pushed_versions
from lakeloop.releases import read_release
from operations.deployment import as_result, deploy, wait_until_available


def deploy_command(
    version: Annotated[str, typer.Option(help="The pushed version; default: the newest.")] = "",
    wait_only: Annotated[
        bool, typer.Option("--wait-only", help="Only wait until the model server has it AVAILABLE.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the model server.")] = 120.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="Watch the gateway for so long,")] = 30.0,
    answers: Annotated[int, typer.Option(min=1, help="or for so many answers.")] = 200,
    use_case: UseCaseOption = "",
) -> None:
    """Wait until the model server has a pushed version, ask it, watch the gateway, and take it back if it fails.

    It fails when it does not answer a row made from the contract, when more than 1 % of the watched answers came from
    the rules because of it, or when the 99th percentile of the time to answer exceeds the contract's `budget_ms`.
    It is then retired, the version before serves again, and the exit code is 1. A version that does not serve, since
    another one is pinned or it challenges the champion first, is left alone.
    """
    case = open_use_case(use_case)
    newest = (pushed_versions(case) or [""])[-1]
    wanted = pushed_version(case, version or newest)
    why_not = read_release(case.settings, case.name).why_not(wanted)
    if why_not:
        console.print(f"version {wanted} of {case.name} does not serve: {why_not}", soft_wrap=True, markup=False)
        write_result(as_result(wanted, None))
        return
    wait_until_available(case, wanted, wait)
    console.print(f"version {wanted} of {case.name} is AVAILABLE at {case.settings.model_server}", soft_wrap=True)
    write_result({"version": wanted})
    if wait_only:
        return
    seen = deploy(case, wanted, seconds, answers, lambda line: console.print(line, soft_wrap=True))
    write_result(as_result(wanted, seen))
    if seen is None:
        console.print(f"no gateway answers at {case.settings.gateway}, so nothing could be watched", style=DIM)
        return
    slow = "too few for a percentile" if seen.p99_ms is None else f"99 % of them within {seen.p99_ms:.0f} ms"
    console.print(
        f"watched {seen.answers:,} answers in {seen.seconds:g} s, {slow}, {seen.model_errors} failed: "
        f"version {wanted} stays",
        soft_wrap=True,
    )
