"""`lakeloop analyse`: what changed between a model's training data and a period."""

from typing import Annotated

import typer

from console.cli.options import check_period, open_use_case
from console.cli.render import console
from console.cli.use_case_option import UseCaseOption
from console.report.analysis_page import write_analysis
from monitoring.analysis.words import headline, sentences
from operations.analysis.period_comparison import analyse


def analyse_command(
    period: Annotated[int, typer.Option("--period", min=0, help="Number of the period to look at.")],
    model: Annotated[str, typer.Option("--model", help="A pushed version; default: the serving one.")] = "",
    oracle: Annotated[
        bool, typer.Option("--oracle", help="Take rows and truth from generator or history, before they are known.")
    ] = False,
    use_case: UseCaseOption = "",
) -> None:
    """Compare a period with what a model was made from, and write an HTML report that opens offline.

    Distributions, drift by period, five ways to measure side by side, what the features say about the target, and what
    it means in words.
    """
    case = open_use_case(use_case)
    check_period(period, case.contract.event_time)
    with console.status("comparing …"):
        analysis = analyse(case, period, model, oracle)
        path = write_analysis(case, analysis)
    console.print(headline(analysis.comparison))
    for sentence in sentences(analysis.comparison):
        console.print(f"  - {sentence}")
    console.print(f"report: {path}", soft_wrap=True)
