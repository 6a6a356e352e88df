"""`lakeloop simulate`: periods of production in minutes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from console.cli.fetched_history import with_history
from console.cli.options import Periods, open_use_case, parse_periods
from console.cli.render import console, progress
from console.cli.use_case_option import UseCaseOption
from console.words import counted
from lakeloop.clock import check_simulated, period_spans, read_clock
from lakeloop.contract import Contract
from lakeloop.exceptions import WrongUseError
from lakeloop.gateway_client import GatewayClient, check_gateway
from operations.period_rows import period_rows, played_periods
from operations.simulation import SimulationReport, advance, simulate, through_gateway, without_gateway

MOST = 1000


def simulate_command(
    periods: Periods = "",
    url: Annotated[str, typer.Option(help="The gateway; default: the one of this home.")] = "",
    rate: Annotated[float | None, typer.Option(min=0.01, help="Requests a second.")] = None,
    period_seconds: Annotated[float | None, typer.Option(min=0.01, help="Seconds that a period takes.")] = None,
    as_fast_as_possible: Annotated[
        bool, typer.Option("--as-fast-as-possible", help="No pauses (the default).")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, max=MOST, help="Rows a request; above 1: /predict/batch.")] = 1,
    connections: Annotated[int, typer.Option(min=1, max=256, help="Connections at a time.")] = 8,
    mock_predictions: Annotated[
        bool, typer.Option("--mock-predictions", help="No gateway: write a request log with the rules' answers.")
    ] = False,
    until: Annotated[int | None, typer.Option(min=0, help="Then run the clock on to this period.")] = None,
    label: Annotated[str, typer.Option(help="The run; each has request ids of its own.")] = "first",
    use_case: UseCaseOption = "",
) -> None:
    """Ask each period's rows through the gateway, move a simulated clock, deliver ground truth when it is due.

    Interrupted, it goes on where it was: request ids depend on use case, key and label, so nothing is counted twice.
    `--until 60` alone runs the clock on without requests, which delivers outstanding ground truth. A use case of the
    wall clock is simulated in a home of its own, with LAKELOOP_CLOCK=simulated.
    """
    case = open_use_case(use_case)
    kind, period_name = case.contract.period, case.contract.period_name
    if not periods and until is None:
        raise WrongUseError("say what to simulate: --periods 1-36, or --until 60 to run the clock on")
    if sum([rate is not None, period_seconds is not None, as_fast_as_possible]) > 1:
        raise WrongUseError("--rate, --period-seconds and --as-fast-as-possible exclude each other; give one of them")
    check_simulated(case, "simulated")
    if not periods:
        delivered = advance(case, until or 0)
        _print_clock(case.contract, read_clock(case).period, delivered)
        return
    first, last = parse_periods(periods, case.contract.event_time)
    wanted = range(first, last + 1)
    with_history(case)
    there = played_periods(case, wanted)
    size = len(period_rows(case, there[0] if there else first))
    if mock_predictions:
        asker = without_gateway(case, label)
    else:
        gateway = (url or case.settings.gateway).rstrip("/")
        token = case.settings.own_token
        check_gateway(gateway, case.contract, token)
        pace = rate if period_seconds is None else size / period_seconds
        client = GatewayClient(gateway, case.contract, batch=batch, rate=pace, connections=connections, token=token)
        asker = through_gateway(client)
    with progress() as bar:
        task = bar.add_task("simulating", total=size * sum(period > 0 for period in there))
        report = simulate(
            case, wanted, asker, label=label, until=until,
            on_period=lambda period, _: bar.update(task, description=f"{kind} {period} ({period_name(period)})"),
            on_answers=lambda count: bar.update(task, advance=count),
        )  # fmt: skip
    _print_report(report, case.contract)


def _print_report(report: SimulationReport, contract: Contract) -> None:
    answered = report.answered
    if answered.requests:
        console.print(
            f"{contract.use_case}: {answered.requests:,} requests in {report.seconds:.1f} s, "
            f"{answered.requests / max(report.seconds, 1e-9):,.0f} a second, "
            f"{answered.rules / answered.requests:.1%} answered by the rules"
        )
    if report.skipped:
        many = len(report.skipped)
        were = "was" if many == 1 else "were"
        console.print(f"{counted(many, contract.period)} {were} answered before and not asked again")
    if report.empty:
        console.print(f"the history has no rows of {period_spans(report.empty)}; nothing was asked there")
    if answered.requests:
        console.print("`lakeloop lake stream` brings the requests into the lake")
    _print_clock(contract, report.clock, report.delivered)


def _print_clock(contract: Contract, clock: int, delivered: Sequence[Path]) -> None:
    console.print(
        f"the clock stands at {contract.period} {clock}; {counted(len(delivered), 'file')} of ground truth delivered"
    )
    if delivered:
        console.print("`lakeloop lake ingest` takes them in")
