"""`lakeloop demo` and `lakeloop exercise`: the main job and the gate exercise, told while they happen."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lakeloop.cli.options import UseCase, open_use_case
from lakeloop.cli.render import console, print_gate, table
from lakeloop.contract import Contract
from lakeloop.errors import LakeloopError, WrongUse
from lakeloop.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from lakeloop.report.page import Served
    from tfx_pipeline.run_record import RunRecord

REPORTED_MONTHS = range(37)
ASKED_MONTHS = (12, 36)
FEWER_UNITS = 0.5


def demo(use_case: UseCase = "") -> None:
    """From landing files to a validated, served model, with a report; a second run works on top of the first."""
    settings, contract = open_use_case(use_case)
    if contract.generator is None:
        raise WrongUse(f"the demo needs data, and use case {contract.use_case} has no `generator` in its contract")
    started = time.monotonic()
    manifest, rejects = _from_files_to_export(settings, contract)
    _chapter("Train, evaluate and gate a model (TFX), push it if the gate agrees")
    from lakeloop.cli.pipeline import train_on

    record = train_on(settings, contract, manifest, {}, trigger="demo")
    if not record.blessed:
        raise LakeloopError("the demo's model was refused by its own gate; the table above says why")
    served, url = _ask(settings, contract)
    curves = _judge_later_months(settings, contract, record)
    units = max(1, round(contract.model.units * FEWER_UNITS))
    _chapter(f"Retrain with {units} units: does the gate notice?")
    smaller = train_on(settings, contract, manifest, {"units": str(units)}, trigger="demo")
    _finish(settings, contract, (record, smaller), manifest, rejects, served, url, curves, time.monotonic() - started)


def exercise(use_case: UseCase = "") -> None:
    """The gate exercise: half the units are refused, the contract's own number passes and is pushed."""
    from lakeloop.cli.pipeline import train_on

    settings, contract = open_use_case(use_case)
    manifest, _ = _from_files_to_export(settings, contract)
    full = contract.model.units
    records = []
    for units in (max(1, round(full * FEWER_UNITS)), full):
        _chapter(f"Train with {units} units")
        records.append(train_on(settings, contract, manifest, {"units": str(units)}, trigger="exercise"))
    _chapter("The exercise side by side")
    judged = [(r.parameters.model.units, {c.name: c for c in r.gate.checks}) for r in records if r.gate]
    names = list(judged[0][1])
    console.print(
        table(
            ("check", "bound", *(f"{units} units" for units, _ in judged)),
            [
                (
                    name,
                    judged[0][1][name].bound,
                    *(f"{c[name].value:.4f} {'pass' if c[name].passed else 'FAIL'}" for _, c in judged if name in c),
                )
                for name in names
            ],
        )
    )
    for record in records:
        word = f"passes, version {record.pushed_version}" if record.blessed else "is refused and not pushed"
        console.print(f"{record.parameters.model.units} units: the model {word}")


def _from_files_to_export(settings: Settings, contract: Contract) -> tuple[Path, dict[str, int]]:
    """Month 0 from files through bronze, silver and gold to CSV; the manifest's path, and rejected rows by reason."""
    from lakehouse.delivery import generate
    from lakehouse.tables import rejects_by_reason
    from lakeloop.cli.lake import ingest_with, spark_of
    from lakeloop.cli.pipeline import export_with

    _chapter("Month 0 is delivered")
    for delivery in generate(contract, settings, [0]):
        console.print(f"{delivery.path}: {delivery.rows:,} rows", soft_wrap=True)
    _chapter("Ingest: bronze, silver, gold (Spark + Delta Lake)")
    with spark_of(settings) as spark:
        ingest_with(spark, settings, contract)
        _chapter("Export one version of gold as CSV with a manifest")
        return export_with(spark, settings, contract, (0, 0)), rejects_by_reason(spark, settings)


def _ask(settings: Settings, contract: Contract) -> tuple[list["Served"], str]:
    """Start the model server, ask it one question a class (three at most) over REST, stop it."""
    import httpx

    from lakeloop.report.page import Served
    from lakeloop.use_case import sample_month, with_label
    from serving.model_server.process import running_server

    _chapter("Serve it and ask three questions over REST")
    frame = with_label(contract, sample_month(contract, settings, 0))
    held_out = frame[frame[contract.key.column].map(contract.split.is_eval)]
    questions = held_out.groupby(contract.label.name).head(-(-3 // len(contract.label.classes))).head(3)
    name, served = contract.use_case, []
    log = Path(settings.area("logs")) / "model_server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with console.status("starting the model server …"), log.open("a", encoding="utf-8") as stream:
        server = running_server({name: settings.folder("models")}, log_to=stream)
        with server as running, httpx.Client(base_url=running.url) as client:
            path = f"/v1/models/{name}:predict"
            console.print(f"POST {running.url}{path}")
            for row in questions.to_dict("records"):
                instance = {feature: row[feature] for feature in contract.features}
                began = time.perf_counter()
                answer = client.post(path, json={"instances": [instance]}).raise_for_status().json()["predictions"][0]
                class_name = contract.label.class_names[answer["class_id"]]
                milliseconds = (time.perf_counter() - began) * 1000
                served.append(
                    Served(
                        instance,
                        row[contract.label.name_column],
                        answer["probabilities"],
                        class_name,
                        milliseconds,
                    )
                )
            url = f"{running.url}{path}"
    console.print(
        table(
            ("question", "answer", "probabilities", "truth", "ms"),
            [
                (
                    ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in s.question.items()),
                    s.class_name,
                    " ".join(f"{p:.3f}" for p in s.probabilities),
                    s.truth,
                    f"{s.milliseconds:.1f}",
                )
                for s in served
            ],
            numbers=("ms",),
        )
    )
    return served, url


def _judge_later_months(settings: Settings, contract: Contract, record: "RunRecord") -> dict[str, list[float]]:
    """Judge the pushed model on later months with the generator's labels; accuracy curves for the report."""
    from lakeloop.evaluation import baselines, labelled_rows, when_known
    from tfx_pipeline.validate import model_folder, validate_model

    _chapter(f"How does this model do in months {' and '.join(map(str, ASKED_MONTHS))}?")
    folder = model_folder(settings, record.pushed_version)
    curves: dict[str, list[float]] = {"model": [], "rules": [], "majority": []}
    with console.status("judging every month …"):
        for month in REPORTED_MONTHS:
            frame = labelled_rows(settings, contract, month, oracle=True)
            report = validate_model(folder, contract, frame)
            found = baselines(settings, contract, frame)
            curves["model"].append(next(iter(report.accuracy.values())))
            for name in ("rules", "majority"):
                if name in found:
                    curves[name].append(found[name])
            if month in ASKED_MONTHS:
                print_gate(report, f"Version {folder.name} on month {month} ({contract.month_name(month)})")
                console.print(when_known(settings, contract, month, oracle=True))
    return {name: values for name, values in curves.items() if values}


def _finish(
    settings: Settings,
    contract: Contract,
    records: Sequence["RunRecord"],
    manifest: Path,
    rejects: dict[str, int],
    served: list["Served"],
    url: str,
    curves: dict[str, list[float]],
    seconds: float,
) -> None:
    """Write the report and tell the story in a few sentences with their numbers."""
    from lakeloop.evaluation import baselines, exported_rows
    from lakeloop.report.page import Report, write_report
    from tfx_pipeline.statistics import read_statistics

    frame = exported_rows(contract, manifest)
    found = baselines(settings, contract, frame)
    record, smaller = records
    path = write_report(
        Report(
            contract=contract,
            created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            frame=frame,
            manifest=str(manifest),
            runs=records,
            statistics=read_statistics(record.statistics_uri),
            baselines=found,
            months=[contract.month_name(month) for month in REPORTED_MONTHS],
            accuracy=curves,
            served=served,
            url=url,
            rejects=rejects,
        ),
        Path(settings.area("reports")) / "index.html",
    )
    _chapter("What happened")
    console.print(_story(contract, record, smaller, frame, found, curves))
    console.print(f"\nReport   {path}", soft_wrap=True)
    console.print(f"Models   {settings.folder('models')}   serve them: .venv/bin/lakeloop serve models", soft_wrap=True)
    console.print("Tables   .venv/bin/lakeloop lake tables")
    console.print(f"Runs     .venv/bin/tensorboard --logdir {settings.folder('tfx')}", soft_wrap=True)
    console.print(f"\nDone in {seconds:.0f} s.")


def _story(
    contract: Contract,
    record: "RunRecord",
    smaller: "RunRecord",
    frame: "pd.DataFrame",
    found: dict[str, float],
    curves: dict[str, list[float]],
) -> str:
    assert record.gate is not None
    beside = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
    later = ", ".join(f"{curves['model'][m]:.2f} in month {m}" for m in ASKED_MONTHS)
    if smaller.gate is not None and not smaller.blessed:
        refused = ", ".join(f"{c.name} {c.value:.3f}, wanted {c.bound}" for c in smaller.gate.failed)
        ending = (
            f"With {smaller.parameters.model.units} units the gate refused the model ({refused}): nothing was pushed."
        )
    else:
        ending = f"With {smaller.parameters.model.units} units the gate let the model pass."
    return (
        f"{len(frame):,} rows of month 0 became a model that is right on {record.gate.accuracy['train']:.3f} of the "
        f"train and {record.gate.accuracy['eval']:.3f} of the eval rows; beside it: {beside}.\n"
        f"It passed {len(record.gate.checks)} checks and serves as version {record.pushed_version}. "
        f"The world moves on: its accuracy is {later}, and the truth of a month takes {contract.truth_delay} months "
        f"to arrive.\n{ending}"
    )


def _chapter(title: str) -> None:
    console.print()
    console.rule(title, align="left", style="dim")
