"""`lakeloop report`: one page about a pushed model, from its data to how it does in later periods."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import httpx
import orjson
import pandas as pd
import typer

from console.cli.options import open_use_case
from console.cli.render import console, table
from console.cli.use_case_option import UseCaseOption
from console.cli.validate import print_evaluation
from console.report.label_groups import label_groups
from console.report.page import Report, Served, write_report
from console.words import counted
from lakehouse.read.tables import rejects_by_reason
from lakeloop.contract import Contract
from lakeloop.exceptions import LakeloopError, NotFoundError
from lakeloop.fallback import NUMBER_OUTPUTS
from lakeloop.held_out import is_held_out
from lakeloop.model_input import instance, request_rows
from lakeloop.pushed_models import model_folder
from lakeloop.use_case import UseCase
from operations.baselines import (
    CHEAPEST,
    CONSTANT,
    MAJORITY,
    PERSISTENCE,
    RULES,
    baselines,
    beside_words,
)
from operations.evaluation import exported_rows, generated_rows
from operations.explained_models import explain_pushed
from operations.fetching.fetched_history import is_to_be_fetched
from operations.period_rows import played_periods
from operations.permutation_importance import run_importance
from operations.recorded_baselines import run_baselines
from serving.model_server.process import running_server
from tfx_pipeline.data_checks.statistics import read_statistics
from tfx_pipeline.evaluation.validate import open_model, validate_opened
from tfx_pipeline.runs.run_record import RunRecord, load_runs

REPORTED_PERIODS = range(37)
SHOWN_PERIODS = (12, 36)


def report_command(
    version: Annotated[str, typer.Option(help="The pushed version; default: the newest.")] = "",
    use_case: UseCaseOption = "",
) -> None:
    """Write an HTML report about a pushed model: data, statistics, training, gate, answers, quality by period.

    Asks the model three questions over REST, and evaluates it on later periods that the use case's generator or history
    knows.
    """
    case = open_use_case(use_case)
    records = _runs_of(case, version)
    record = explain_pushed(case, _with_importance(case, run_baselines(case, records[0])))
    records = [record, *records[1:]]
    manifest = Path(record.parameters.manifest)
    rejects = rejects_by_reason(case)
    rows = _rows_with_truth(case)
    later = list(rows)
    served, url = _ask(case, record.pushed_version, rows[later[0]]) if later else ([], "")
    curves = check_later_periods(case, record, rows) if later else {}
    frame = exported_rows(case.contract, manifest)
    path = write_report(
        Report(
            contract=case.contract,
            created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            frame=frame,
            manifest=str(manifest),
            runs=records,
            statistics=read_statistics(record.statistics_uri),
            periods=[case.contract.period_name(period) for period in later],
            scores=curves,
            served=served,
            url=url,
            rejects=rejects,
        ),
        Path(case.settings.area("reports")) / "index.html",
    )
    console.print(_story(case.contract, records, frame, curves, later))
    console.print(f"\nReport   {path}", soft_wrap=True)


def _runs_of(use_case: UseCase, version: str) -> list[RunRecord]:
    """The run that pushed the version, and after it those the gate refused on the same rows.

    Raises:
        NotFoundError: no run pushed such a version.
    """
    runs = load_runs(use_case)
    pushed = [run for run in runs if run.pushed_version and version in ("", run.pushed_version)]
    if not pushed:
        which = f"version {version}" if version else "a model"
        raise NotFoundError(f"no run of {use_case.name} pushed {which}; `lakeloop train` makes one")
    shown = pushed[-1]
    refused = [
        run
        for run in runs
        if run.blessed is False and not run.pushed_version and run.manifest_sha256 == shown.manifest_sha256
    ]
    return [shown, *refused[-1:]]


def _with_importance(use_case: UseCase, record: RunRecord) -> RunRecord:
    """What the model looks at; of a model that is gone nobody can tell any more."""
    try:
        return run_importance(use_case, record)
    except LakeloopError as error:
        console.print(f"what the model looks at is not known: {error}", soft_wrap=True, markup=False)
        return record


def _rows_with_truth(use_case: UseCase) -> dict[int, pd.DataFrame]:
    """The labelled rows of each period that can be had before it is due, of those whose truth is known then."""
    if not use_case.contract.plays_periods or is_to_be_fetched(use_case):
        return {}
    rows = {period: generated_rows(use_case, period) for period in played_periods(use_case, REPORTED_PERIODS)}
    return {period: frame for period, frame in rows.items() if not frame.empty}


def _ask(use_case: UseCase, version: str, frame: pd.DataFrame) -> tuple[list[Served], str]:
    """Start a model server, ask the version three questions over REST (one a class, or a third of numbers), stop it."""
    contract = use_case.contract
    held_out = frame[is_held_out(contract, frame)]
    groups = label_groups(contract, held_out)
    most = -(-3 // max(1, len(groups)))
    chosen = sorted({index for _, rows in groups for index in held_out.index[rows][:most]})
    questions = held_out.loc[chosen].head(3)
    name, served = use_case.name, []
    log = Path(use_case.settings.area("logs")) / "model_server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    truths = questions[contract.label.gold_columns[-1]]
    with (
        console.status("starting the model server …"),
        log.open("a", encoding="utf-8") as stream,
        TemporaryDirectory() as alone,
    ):
        (Path(alone) / version).symlink_to(model_folder(use_case, version))  # a server takes the newest of a folder
        server = running_server({name: Path(alone)}, log_to=stream)
        with server as running, httpx.Client(base_url=running.url) as client:
            path = f"/v1/models/{name}/versions/{version}:predict"
            console.print(f"POST {running.url}{path}")
            asked = request_rows(contract.features, questions)
            for row, truth in zip(asked, truths, strict=True):
                body = orjson.dumps({"instances": [instance(contract.features, row)]})
                began = time.perf_counter()
                answer = client.post(path, content=body).raise_for_status().json()["predictions"][0]
                milliseconds = (time.perf_counter() - began) * 1000
                served.append(Served(row, _in_words(truth), *_given(contract, answer), milliseconds))
            url = f"{running.url}{path}"
    console.print(
        table(
            ("question", "answer", "probabilities" if contract.label.classes else "interval", "truth", "ms"),
            [
                (
                    ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in s.question.items()),
                    s.answer,
                    " ".join(f"{value:.3f}" for value in s.given.values()),
                    s.truth,
                    f"{s.milliseconds:.1f}",
                )
                for s in served
            ],
            numbers=("ms",),
        )
    )
    return served, url


def _given(contract: Contract, answer: Mapping[str, Any]) -> tuple[dict[str, float], str]:
    """What came with an answer, by name, and the answer in words."""
    if contract.label.classes:
        names = contract.label.class_names
        answered = answer["set_id" if contract.label.several else "class_id"]
        return dict(zip(names, answer["probabilities"], strict=True)), contract.label.name_of(answered)
    return {name: answer[name] for name in NUMBER_OUTPUTS[1:]}, _in_words(answer[NUMBER_OUTPUTS[0]])


def _in_words(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def check_later_periods(
    use_case: UseCase, record: RunRecord, rows: Mapping[int, pd.DataFrame]
) -> dict[str, list[float]]:
    """Evaluate the pushed model on each period's rows, labelled by generator or history; curves of the metric that is
    told first, for the report.
    """
    folder = model_folder(use_case, record.pushed_version)
    model = open_model(folder)  # once: that takes longer than a period does
    naive = (RULES, PERSISTENCE, MAJORITY, CHEAPEST, CONSTANT)
    curves: dict[str, list[float]] = {"model": [], **{name: [] for name in naive}}
    with console.status(f"evaluating every {use_case.contract.period} …"):
        for period, frame in rows.items():
            report = validate_opened(model, use_case.contract, frame, name=use_case.contract.period)
            found = baselines(use_case, frame)
            curves["model"].append(next(iter(report.by_set.values())))
            for name in naive:
                if name in found:
                    curves[name].append(found[name])
            if period in shown_periods(list(rows)):
                print_evaluation(use_case, report, folder.name, period, frame, oracle=True)
    return {name: values for name, values in curves.items() if values}


def shown_periods(periods: Sequence[int]) -> tuple[int, ...]:
    """The periods that are told one by one: after one year and three, or where there are fewer, the last."""
    return tuple(period for period in SHOWN_PERIODS if period in periods) or tuple(periods[-1:])


def _story(
    contract: Contract,
    records: list[RunRecord],
    frame: pd.DataFrame,
    curves: dict[str, list[float]],
    periods: Sequence[int],
) -> str:
    record = records[0]
    assert record.gate is not None
    beside = beside_words(record)
    scores, shown = record.gate.by_set, record.gate.shown
    is_right = f"is right on {scores['train']:.3f} of the train and {scores['eval']:.3f} of the eval rows"
    is_off = f"has a {shown} of {scores['train']:.4g} on the train and {scores['eval']:.4g} on the eval rows"
    good = is_right if shown == "accuracy" else is_off
    text = (
        f"{len(frame):,} rows became a model that {good}; beside it: {beside}.\n"
        f"{how_pushed(record)} as version {record.pushed_version}."
    )
    if curves:
        own = set(frame[contract.period_column])
        later = ", ".join(
            f"{_short(contract, curves['model'][periods.index(m)])} in {contract.period} {m}"
            f"{' (of whose rows it was made)' * (contract.period_name(m) in own)}"
            for m in shown_periods(periods)
        )
        text += (
            f" Its {shown} is {later}; the truth of {contract.a_period} takes "
            f"{counted(contract.truth_delay, contract.period)} to arrive."
        )
    for refused in records[1:]:
        text += f"\nOn the same rows the gate refused run {refused.run_id} ({_failed(refused)})."
    return text


def _short(contract: Contract, score: float) -> str:
    return f"{score:.2f}" if contract.gate.shown == "accuracy" else f"{score:.4g}"


def how_pushed(record: RunRecord) -> str:
    """Why a model was pushed: it passed the gate, or a person wanted it though the gate refused it."""
    checks = len(record.gate.checks) if record.gate is not None else 0
    if record.blessed is False:
        return f"The gate refused it ({_failed(record)}); a person had it pushed all the same,"
    return f"It passed {checks} checks and was pushed"


def _failed(record: RunRecord) -> str:
    checks = record.gate.failed if record.gate is not None else ()
    return ", ".join(f"{check.name} {check.value:.3f}, wanted {check.bound}" for check in checks)
