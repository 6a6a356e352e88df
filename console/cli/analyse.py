"""`lakeloop analyse`: what changed between a model's training data and a period."""

import json
from typing import Annotated

import typer

from console.cli.fetched_history import with_history
from console.cli.options import check_period, open_use_case
from console.cli.render import DIM, console, table
from console.cli.use_case_option import UseCaseOption
from console.report.analysis_page import write_analysis
from console.report.segments_page import search_words, segment_rows, segments_json, write_segments
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase
from monitoring.analysis.segments import QUESTIONS
from monitoring.analysis.words import headline, sentences
from operations.analysis.odd_segments import fallback_line, search_segments
from operations.analysis.period_comparison import analyse


def analyse_command(
    period: Annotated[int, typer.Option("--period", min=0, help="Number of the period to look at.")],
    model: Annotated[str, typer.Option("--model", help="A pushed version; default: the serving one.")] = "",
    oracle: Annotated[
        bool, typer.Option("--oracle", help="Take rows and truth from generator or history, before they are known.")
    ] = False,
    segments: Annotated[
        bool, typer.Option("--segments", help="Rank where it is weak, asked something else, or worse than the rules.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --segments: as JSON, for other programs.")] = False,
    use_case: UseCaseOption = "",
) -> None:
    """Compare a period with what a model was made from, and write an HTML report that opens offline.

    Distributions, drift by period, five ways to measure side by side, what the features say about the target, and what
    it means in words. With --segments: which bins and categories, and pairs of them, stand out beyond chance.
    """
    case = open_use_case(use_case)
    check_period(period, case.contract.event_time)
    if as_json and not segments:
        raise WrongUseError("--json goes with --segments; the whole comparison is a page")
    if oracle:
        with_history(case)
    if segments:
        _tell_segments(case, period, model, oracle, as_json)
        return
    with console.status("comparing …"):
        analysis = analyse(case, period, model, oracle)
        path = write_analysis(case, analysis)
    console.print(headline(analysis.comparison))
    for sentence in sentences(analysis.comparison):
        console.print(f"  - {sentence}")
    console.print(f"report: {path}", soft_wrap=True)


def _tell_segments(use_case: UseCase, period: int, model: str, oracle: bool, as_json: bool) -> None:
    with console.status("searching …"):
        search = search_segments(use_case, period, model, oracle)
    path = write_segments(use_case, search, oracle)
    if as_json:
        typer.echo(json.dumps(segments_json(search), indent=2))
        return
    for line in search_words(search):
        console.print(line, soft_wrap=True, markup=False)
    for question, meaning in QUESTIONS[use_case.contract.label.task].items():
        if found := search.segments.of(question):
            console.print(f"\n{meaning[:1].upper()}{meaning[1:]}:", style="bold")
            header, rows = segment_rows(question, found)
            console.print(table(header, rows, header[1:]))
    lines = [line for one in search.segments.found if (line := fallback_line(search.contract, one))]
    if not lines and search.segments.found:
        console.print("\nNo switch is proposed: there are no rules that are known to do better there.", style=DIM)
    if lines:
        console.print("\nTo have the rules answer there:", style="bold")
        for line in dict.fromkeys(lines):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print(f"report: {path}", soft_wrap=True)
