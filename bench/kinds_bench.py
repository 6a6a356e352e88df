"""Networks and trees on the same rows of every use case: what each is worth beside what it has to beat.

Taken are the project's use cases; those of the tests, with more rows than the tests draw; customers of whom one in 50
leaves, drafted here; and those in `FOLDER/use_cases`, where `python -m bench kinds FOLDER` finds what
`LAKELOOP_USE_CASES=FOLDER/use_cases lakeloop new …` made of a table. A use case with a history is trained on all of it,
one with a generator on its first period, and one that has neither here, since its rows are fetched or written by a
test, is left out. An answer that knows no row goes through the same gate.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from bench.figure import Figure
from lakeloop.added_columns import with_label, with_period
from lakeloop.contract import Contract
from lakeloop.contract.model import MODEL_KINDS
from lakeloop.drawn_rows import sample_period
from lakeloop.settings import PROJECT, load_settings
from lakeloop.use_case import CONTRACT_FILE, UseCase, open_use_case
from operations.baselines import split_baselines
from operations.evaluation import exported_rows
from operations.history import history_periods, history_rows
from operations.new_use_case.create import create
from operations.new_use_case.draft import Wishes, look
from tests.exports import export_frame
from tests.untouched_tables import telephone_customers
from tfx_pipeline.evaluation.answers import EVAL, TRAIN, Answers, ModelAnswers, NumberAnswers, SetAnswers
from tfx_pipeline.evaluation.gate import GateReport, check_gate
from tfx_pipeline.evaluation.naive import naive_answers
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.runner import run_pipeline

SHIPPED, OF_TESTS = PROJECT / "data", PROJECT / "tests" / "use_cases"
ROWS = 5_000
"""Of the tests' use cases, whose own few hundred tell no kind of model from another."""
RARE = 0.02


def measure(home: Path) -> list[Figure]:
    """The metric that decides, of each kind of model with usual settings and of what it has to beat."""
    return [figure for use_case in use_cases(home) for figure in compared(use_case)]


def use_cases(home: Path) -> Iterator[UseCase]:
    """All that are compared, each with a new home of its own."""
    drafts = home / "kinds" / "use_cases"
    shutil.rmtree(home / "kinds", ignore_errors=True)
    drafts.mkdir(parents=True)
    settings = load_settings(home=home / "kinds", use_case="customers", use_cases=drafts)
    create(settings, "customers", "Customers", look([telephone_customers(drafts, share=RARE)], Wishes("churn")))
    for folder in (SHIPPED, OF_TESTS, drafts, home / "use_cases"):
        for contract in sorted(folder.glob(f"*/{CONTRACT_FILE}")):
            name = contract.parent.name
            use_case = open_use_case(load_settings(home=home / "kinds" / name, use_case=name, use_cases=folder))
            history = use_case.contract.history
            if use_case.contract.generator or (history and (use_case.own_folder / history).is_dir()):
                yield use_case


def compared(use_case: UseCase) -> Iterator[Figure]:
    """Both kinds on the use case's rows, and what is beside them."""
    contract = _without_champion(use_case.contract)
    alone = UseCase(use_case.settings, contract)
    manifest = export(use_case)
    about = f"{use_case.name}, {contract.gate.decides}"
    beside = split_baselines(use_case, manifest)
    for name, score in (beside.decided or beside.shown).items():
        yield Figure(f"{about}: {name}", score, "", None)
    yield from _scores(f"{about}: an answer that knows no row", _constant(contract, manifest))
    for kind in MODEL_KINDS:
        changes = {} if contract.model.kind == kind else {"kind": kind}
        record = run_pipeline(alone, run_parameters(contract, manifest, changes), push=False)
        trainer = record.node("Trainer")
        assert record.gate is not None and trainer is not None, record
        yield from _scores(f"{about}: {kind}", record.gate)
        yield Figure(f"{use_case.name}: the Trainer, {kind}", trainer.seconds, "s", None)
        for check in record.gate.checks:
            if " gap " in check.name:
                yield Figure(f"{use_case.name}, {kind}: {check.name}", check.value, "", None)


def export(use_case: UseCase) -> Path:
    """Rows with their truth as an export, without a lakehouse; the manifest's path."""
    contract = use_case.contract
    if contract.history is None:
        rows = sample_period(use_case, 0, ROWS if use_case.settings.use_cases == OF_TESTS else None)
    else:
        rows = pd.concat([history_rows(use_case, number) for number in history_periods(use_case)], ignore_index=True)
    rows = rows if contract.period_column in rows else with_period(contract, rows)
    return export_frame(contract, with_label(contract, rows), use_case.settings.home / "export")


def _constant(contract: Contract, manifest: Path) -> GateReport:
    """The gate's word on an answer that knows no row."""
    known: dict[str, Answers] = {}
    columns = {}
    for on in (TRAIN, EVAL):
        frame = exported_rows(contract, manifest, on)
        labels = frame[contract.label.name].to_numpy()
        columns[on] = {str(name): values.to_numpy() for name, values in frame.items()}
        if contract.label.several:
            known[on] = SetAnswers(labels, np.zeros((len(frame), len(contract.label.classes))))
        elif contract.label.classes:
            known[on] = ModelAnswers(
                labels, np.zeros((len(frame), len(contract.label.classes))), costs=contract.label.costs
            )
        else:
            known[on] = NumberAnswers(labels, labels, labels, labels, contract.label.interval)
    answers = {
        on: replace(naive_answers(contract.gate.the_metric, known[TRAIN], rows), columns=columns[on])
        for on, rows in known.items()
    }
    return check_gate(contract.gate, answers, None, contract.label.class_names, contract.period_column)


def _scores(what: str, gate: GateReport) -> Iterator[Figure]:
    """By the metric that decides, with the gate's verdict."""
    verdict = f"refused: {', '.join(check.name for check in gate.failed)}" if gate.failed else "passed"
    for on, score in (gate.decided or gate.by_set).items():
        yield Figure(f"{what}, {on} rows{f' ({verdict})' if on == EVAL else ''}", score, "", None)


def _without_champion(contract: Contract) -> Contract:
    """The contract with a gate that compares no model with the one before."""
    return contract.model_copy(update={"gate": contract.gate.model_copy(update={"champion_margin": None})})
