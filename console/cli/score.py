"""`lakeloop score`: a pushed model over a whole table."""

from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import DIM, console, progress
from console.cli.result import write_result
from console.cli.spark import lake_of
from console.cli.use_case_option import UseCaseOption
from lakehouse.storage.lock import check_free
from lakeloop.contract import ScoreFile
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase
from operations.batch_scoring.progress import Wanted, nothing_to_score_yet, score_wanted
from operations.batch_scoring.records import finish
from operations.batch_scoring.score import ROWS_A_PART, SCORE_LOCK, score


def score_command(
    table: Annotated[
        str,
        typer.Argument(
            metavar="[TABLE[@VERSION]]", help="e.g. gold/training, silver/policies@3; default: the contract's."
        ),
    ] = "",
    model: Annotated[str, typer.Option("--model", help="Version of the pushed model; default: the champion.")] = "",
    file: Annotated[
        str, typer.Option("--file", help="Write the scores as a file, too: csv or parquet.", metavar="KIND")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Score it anew, as after a change of rules or ranges; replaces its rows.")
    ] = False,
    if_ready: Annotated[
        bool, typer.Option("--if-ready", help="Where table or model are not there yet, do nothing and say so.")
    ] = False,
    rows_a_part: Annotated[
        int, typer.Option("--part", min=1, help="Rows that are committed together: what a kill may cost.")
    ] = ROWS_A_PART,
    use_case: UseCaseOption = "",
) -> None:
    """Score a table's rows into gold/scores, with the same model, rules and switches as the gateway.

    The same version of a table is scored with the same model once, and anew when something else is switched off. A run
    that was killed is gone on with by the same command; no row is there twice. What `lakeloop fallback` has switched
    off, and what lies outside the contract's ranges, the rules answer, and `reason` says why.

    By itself: `scoring: {after: gold}` or `{every: 1 day}` in the contract makes the DAG <use case>_score.
    """
    case = open_use_case(use_case)
    name, at, number = table.partition("@")
    if at and not number.isdigit():
        raise WrongUseError(f"{table!r}: the version after @ is a number, e.g. {name or 'gold/training'}@3")
    kind = _kind(file)
    if if_ready and (why := nothing_to_score_yet(case, name, model)):
        console.print(f"nothing to score yet: {why}")
        return
    wanted = score_wanted(case, name, int(number) if at else None, model, again)
    if wanted.done:
        _tell_done(case, wanted, kind)
        return
    check_free(case.work_folder / SCORE_LOCK, "scoring")
    _tell_before(wanted)
    with lake_of(case) as lake, progress() as bar:
        task = bar.add_task("rows", total=wanted.rows, completed=wanted.scored)

        def tell(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)
            if bar.disable and done:  # a log, as of a task
                console.print(f"{done:,} of {of:,} rows ({done / of:.0%})")

        report = score(lake, wanted, again, rows_a_part, tell)
    if report.wanted.off != wanted.off:
        off = report.wanted.off or "nothing"
        console.print(f"switched off meanwhile, so that all rows were scored anew: {off}", soft_wrap=True, markup=False)
    _finish(case, report.wanted, kind)
    console.print(
        f"{_what(report.wanted)}: {report.rows:,} rows in gold/scores, {report.rules / report.rows:.1%} answered by "
        f"the rules{f'; {report.added:,} of them now' if report.added != report.rows else ''}"
    )


def _kind(text: str) -> ScoreFile | None:
    if text in ("csv", "parquet"):
        return text  # type: ignore[return-value]
    if text:
        raise WrongUseError(f"--file {text!r}: a file of scores is csv or parquet")
    return None


def _what(wanted: Wanted) -> str:
    return f"{wanted.table} version {wanted.version} with model {wanted.model}"


def _tell_before(wanted: Wanted) -> None:
    """What is special about what begins now."""
    if wanted.others:
        console.print(f"{wanted.others:,} earlier scores of {_what(wanted)} are replaced", style=DIM)
    elif wanted.scored:
        console.print(f"going on with scoring {wanted.scoring}: {wanted.scored:,} rows are there already", style=DIM)
    if wanted.off:
        console.print(f"switched off, so that the rules answer: {wanted.off}", style=DIM, soft_wrap=True, markup=False)


def _tell_done(case: UseCase, wanted: Wanted, kind: ScoreFile | None) -> None:
    """Nothing is left to score; the file and the record may be."""
    if wanted.rows and (wanted.scoring or kind is not None):
        _finish(case, wanted, kind)
    why = f"gold/scores has its {wanted.rows:,} rows already" if wanted.rows else "the table has no row"
    console.print(f"{_what(wanted)}: nothing to do, {why}")


def _finish(case: UseCase, wanted: Wanted, kind: ScoreFile | None) -> None:
    record, new = finish(case, wanted, kind)
    if new:
        write_result({"scored": record.model_dump(mode="json")})
    if kind is not None:
        console.print(f"the file is {record.file}", soft_wrap=True)
