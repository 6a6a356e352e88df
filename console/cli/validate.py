"""`lakeloop validate`: a pushed model on a period's labelled rows, with the gate's own checks."""

from typing import Annotated

import pandas as pd
import typer
from rich.markup import escape

from console.cli.fetched_history import with_history
from console.cli.options import check_period, open_use_case
from console.cli.render import BAD, console, print_gate
from console.cli.use_case_option import UseCaseOption
from lakehouse.gold.labelled import labelled_period
from lakeloop.exceptions import GateRefusedError
from lakeloop.pushed_models import model_folder
from lakeloop.use_case import UseCase
from operations.evaluation import generated_rows, seen_in_training, whose_truth
from tfx_pipeline.evaluation.gate import GateReport
from tfx_pipeline.evaluation.validate import validate_model


def validate_command(
    period: Annotated[int, typer.Option("--period", min=0, help="Number of the period to evaluate it on.")],
    model: Annotated[str, typer.Option("--model", help="A pushed version; default: the champion.")] = "",
    oracle: Annotated[
        bool,
        typer.Option(
            "--oracle", help="Take the truth from generator or history before it is known, for evaluation only."
        ),
    ] = False,
    use_case: UseCaseOption = "",
) -> None:
    """Evaluate a pushed model on one period's labelled data with the gate's own checks (exit 3 if it fails).

    Says so where the model was made from rows of that period.
    """
    case = open_use_case(use_case)
    check_period(period, case.contract.event_time)
    folder = model_folder(case, model)
    if oracle:
        with_history(case)
    frame = generated_rows(case, period) if oracle else labelled_period(case, period)
    report = validate_model(folder, case.contract, frame, name=case.contract.period)
    print_evaluation(case, report, folder.name, period, frame, oracle)
    if not report.passed:
        raise GateRefusedError(
            f"version {folder.name} does not meet the gate on {case.contract.period} {period}: "
            + ", ".join(check.name for check in report.failed)
        )


def print_evaluation(
    use_case: UseCase, report: GateReport, version: str, period: int, frame: pd.DataFrame, oracle: bool
) -> None:
    """A version's gate table on the rows of a period, whose truth it was evaluated by, and whether it knew them."""
    contract = use_case.contract
    print_gate(
        report, f"{use_case.name} version {version} on {contract.period} {period} ({contract.period_name(period)})"
    )
    console.print(whose_truth(use_case, period, oracle, len(frame)))
    seen = seen_in_training(use_case, version, set(frame[contract.key.column]))
    if seen:
        console.print(f"[{BAD}]note:[/{BAD}] {escape(seen)}", soft_wrap=True)
