"""`lakeloop train`: from gold to a model that the gate has checked."""

from pathlib import Path
from typing import Annotated

import typer

from console.cli.comparison_table import comparison_table
from console.cli.export import export_periods
from console.cli.options import open_use_case, parse_periods
from console.cli.render import BAD, GOOD, console, node_line, print_gate
from console.cli.training_options import check_training_options, parse_changes
from console.cli.use_case_option import UseCaseOption
from console.report.model_card_page import write_card
from lakeloop.contract import Contract
from lakeloop.exceptions import GateRefusedError, OwnCodeError
from lakeloop.git import git_commit
from lakeloop.releases import read_release
from lakeloop.use_case import UseCase
from operations.baselines import beside_words
from operations.comparison import TRIGGER, Variant, check_variants, compare_variants, read_variant
from operations.explained_models import explain_pushed
from operations.permutation_importance import importance_words, run_importance
from operations.recorded_baselines import run_baselines
from operations.split_check import run_split_check, split_words
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord
from tfx_pipeline.runs.runner import run_pipeline


def train_command(
    periods: Annotated[
        str, typer.Option("--periods", "-p", help="Periods to train on: 0, 0-12; default: all with truth.")
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="A hyper-parameter, e.g. units=50, kind=trees, balance=smote; repeatable."),
    ] = None,
    drop: Annotated[list[str] | None, typer.Option("--drop", help="A feature to leave out; may be repeated.")] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            help="Train two models on the same rows and compare them; nothing is pushed. Each is `contract` or changes "
            "to it: kind=trees,leaves=15 or balance=weights or drop=FEATURE.",
        ),
    ] = None,
    use_case: UseCaseOption = "",
) -> None:
    """Export gold, train, evaluate, gate and push a model. A model the gate refuses is not pushed (exit 3)."""
    case = open_use_case(use_case)
    changes = parse_changes(set_ or [])
    check_training_options(case.contract, changes, tuple(drop or ()))
    if compare is not None:
        first, second = (read_variant(text, changes, tuple(drop or ())) for text in compare)
        check_variants(case.contract, (first, second))
    manifest = export_periods(case, parse_periods(periods, case.contract.event_time) if periods else None)
    if compare is not None:
        return _compare(case, manifest, (first, second), periods)
    record = train_on(case, manifest, changes, tuple(drop or ()))
    if record.gate is not None:
        record = _with_baselines(case, record)
        record = run_importance(case, record)
        if record.importance is not None:
            console.print(f"it looks at: {importance_words(record.importance)}", soft_wrap=True)
        record = run_split_check(case, record)
        for sentence in split_words(case.contract, record.split_check) if record.split_check else ():
            console.print(sentence, style=BAD, soft_wrap=True, markup=False)
    tell_card(case, record)
    if not record.blessed:
        failed = ", ".join(check.name for check in record.gate.failed) if record.gate else "no verdict"
        raise GateRefusedError(f"the quality gate refused the model ({failed}); nothing was pushed")


def _with_baselines(use_case: UseCase, record: RunRecord) -> RunRecord:
    """What the model has to beat; where the rules fail that is not known, and the model is what it is."""
    try:
        record = run_baselines(use_case, record)
    except OwnCodeError as error:
        console.print(f"what it has to beat is not known: {error}", style=BAD, soft_wrap=True, markup=False)
        return record
    console.print(f"beside it on the eval rows: {beside_words(record)}")
    return record


def _compare(use_case: UseCase, manifest: Path, variants: tuple[Variant, Variant], periods: str) -> None:
    """Train both, a line a node, and say which is better."""
    told = list[Variant]()

    def start(variant: Variant, node: str) -> None:
        if variant not in told:
            told.append(variant)
            console.print(f"\n{variant.text}", style="bold", markup=False)
        status.update(f"{node} …")

    with console.status("starting TFX …") as status:
        found = compare_variants(use_case, manifest, variants, start, lambda result: console.print(node_line(result)))
    console.print(f"\nOn the same {found.rows:,} eval rows, with 95 %", style="bold")
    console.print(comparison_table(found))
    decides, better = found.metrics[0].title, found.better
    if better is None:
        console.print(f"by {decides}, which decides, they cannot be told apart on these rows; nothing was pushed")
        return
    console.print(f"by {decides}, which decides, `{better.text}` is better", style=GOOD, markup=False)
    command = " ".join(filter(None, ["lakeloop train", periods and f"--periods {periods}", better.options]))
    console.print(f"nothing was pushed; to push it: {command}", soft_wrap=True, markup=False)


def tell_card(use_case: UseCase, record: RunRecord) -> None:
    """Write the card of a version that was pushed beside it, with what its answers are explained by, and say where."""
    if record.pushed_version:
        card = write_card(use_case, explain_pushed(use_case, record))
        console.print(f"model card: {card}", soft_wrap=True)


def unseen_words(contract: Contract, record: RunRecord) -> str:
    """Of which classes, or labels, no row was trained on, and what to do; '' where there is none such."""
    unseen = record.trained.unseen(contract.label.class_names) if record.trained is not None else []
    if not unseen:
        return ""
    return (
        f"no row {'with label' if contract.label.several else 'of class'} {', '.join(unseen)} is among those trained "
        "on, so the model cannot know any: train on more periods, or take it out of the contract"
    )


def train_on(
    use_case: UseCase,
    manifest: Path,
    changes: dict[str, str],
    drop: tuple[str, ...] = (),
    trigger: str = TRIGGER,
) -> RunRecord:
    """Run the pipeline on an export: a line a node, then the gate table and the verdict."""
    parameters = run_parameters(use_case.contract, manifest, changes, drop, trigger=trigger, git_commit=git_commit())
    with console.status("starting TFX …") as status:
        record = run_pipeline(
            use_case,
            parameters,
            on_node=lambda result: console.print(node_line(result)),
            on_start=lambda node: status.update(f"{node} …"),
        )
    console.print(f"  run {record.run_id}: {record.seconds:.1f} s")
    if unseen := unseen_words(use_case.contract, record):
        console.print(unseen, style=BAD, soft_wrap=True, markup=False)
    if record.gate is not None:
        print_gate(record.gate, "Quality gate")
    if record.blessed:
        console.print(f"blessed, pushed as version {record.pushed_version}", style=GOOD)
        why_not = read_release(use_case.settings, use_case.name).why_not(record.pushed_version)
        if why_not:
            console.print(f"it does not serve: {why_not}", style=BAD, soft_wrap=True, markup=False)
    else:
        console.print("refused: this model is not pushed", style=BAD)
    return record
