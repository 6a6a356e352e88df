"""Measures drift: false alarms over stable windows, the time of a window, small and large, and of three years."""

import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from bench.figure import Figure
from lakeloop.added_columns import with_label
from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.drift_report import DriftReport, Window
from lakeloop.manifest import ExportedFile, Manifest, file_sha256
from lakeloop.model_card import ModelCard
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from monitoring.drift.detector import detect_drift
from monitoring.drift.reference import Reference
from monitoring.drift.watched_answers import PREDICTION
from operations.simulation import simulate, without_gateway

STABLE_WINDOWS, WINDOWS_TIMED, LARGE = 500, 50, 1_000_000
MONTHS = range(1, 37)
VERSION = "1"


def reference_of(use_case: UseCase) -> Reference:
    """Month 0; in place of a model, class shares of a third each."""
    contract = use_case.contract
    rows = sample_period(use_case, 0)[list(contract.features)]
    return Reference(VERSION, "", rows, pd.Series(_classes(contract, len(rows), 0), dtype=object))


def window_of(use_case: UseCase, month: int, rows: int, seed: int) -> pd.DataFrame:
    """A fresh draw of a month with stable predictions."""
    contract = use_case.contract
    frame = sample_period(use_case, month, rows, seed)[list(contract.features)]
    return frame.assign(**{PREDICTION: _classes(contract, rows, seed)})


def _classes(contract: Contract, rows: int, seed: int) -> np.ndarray:
    names = np.array(contract.label.class_names, dtype=object)
    return names[np.random.default_rng(seed).integers(len(names), size=rows)]


def measured(reference: Reference, contract: Contract, rows: pd.DataFrame) -> DriftReport:
    """The report on rows that are one window."""
    return detect_drift(reference, rows, contract, Window(kind="tumbling", rows=len(rows)))


def false_alarms(use_case: UseCase) -> list[Figure]:
    """How often windows of the reference month's own distribution are called drifted, in per cent."""
    contract = use_case.contract
    reference, size = reference_of(use_case), contract.monitoring.window
    drifted: Counter[str] = Counter()
    for seed in range(1, STABLE_WINDOWS + 1):
        report = measured(reference, contract, window_of(use_case, 0, size, seed))
        drifted.update(["data set"] if report.dataset_drift else [])
        drifted.update(report.drifted)
        drifted.update([PREDICTION] if report.prediction is not None and report.prediction.drifted else [])
    what = f"false alarms over {STABLE_WINDOWS} stable windows of {size:,}"
    return [
        Figure(f"{what}: {name}", 100 * drifted[name] / STABLE_WINDOWS, "%", 1.0 if name == "data set" else None)
        for name in ("data set", *contract.features, PREDICTION)
    ]


def one_window(use_case: UseCase) -> Figure:
    """The median time of a window of the contract's size, features and prediction."""
    contract = use_case.contract
    reference, size = reference_of(use_case), contract.monitoring.window
    seconds = []
    for seed in range(WINDOWS_TIMED):
        rows = window_of(use_case, 12, size, seed)
        began = time.perf_counter()
        measured(reference, contract, rows)
        seconds.append(time.perf_counter() - began)
    return Figure(f"one window of {size:,} x {len(contract.features) + 1}, median", float(np.median(seconds)), "s", 1.0)


def large_window() -> list[Figure]:
    """Time, peak memory and stated error of a window of a million rows, in a process of its own."""
    command = [sys.executable, "-m", "bench.drift_bench"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    what = f"one window of {LARGE:,} rows"
    return [
        Figure(what, found["seconds"], "s", 30.0),
        Figure(f"{what}: peak memory of the process", found["gib"], "GiB", 2.0),
        Figure(f"{what}: largest standard error of a score", 1000 * found["error"], "thousandths", None),
    ]


def measure_large() -> dict[str, float]:
    """What the process of its own tells: the import of SciPy's tests counts, the making of the rows does not."""
    use_case = open_use_case(load_settings())
    contract = use_case.contract
    reference, rows = reference_of(use_case), window_of(use_case, 12, LARGE, 1)
    began = time.perf_counter()
    report = measured(reference, contract, rows)
    seconds = time.perf_counter() - began
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return {"seconds": seconds, "gib": int(peak.split()[1]) / 2**20, "error": report.standard_error or 0.0}


def three_years(home: Path) -> list[Figure]:
    """36 months from the lake into gold/drift, by the command a user runs."""
    use_case = open_use_case(load_settings(home=home))
    simulate(use_case, MONTHS, without_gateway(use_case, "bench"), label="bench")
    push_champion(use_case)
    _lakeloop(home, "lake", "stream")
    times, cpu = [], []
    for _ in range(2):
        began, before = time.perf_counter(), _children()
        shown = _lakeloop(home, "drift")
        times.append(time.perf_counter() - began)
        cpu.append(_children() - before)
    if "from 2023-12 (month 11)" not in shown:
        raise RuntimeError(f"the drift of month 11 was not found:\n{shown}")
    return [
        Figure("36 months from Delta measured into gold/drift", times[0], "s", 60.0),
        Figure("the same, CPU", cpu[0], "s", None),
        Figure("the same again, nothing new", times[1], "s", None),
        Figure("the same again, nothing new, CPU", cpu[1], "s", None),
    ]


def _children() -> float:
    """CPU seconds of the processes that have ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def push_champion(use_case: UseCase) -> None:
    """An export of month 0 and a version that says it was trained on it; the rules answered, so no model is asked."""
    contract = use_case.contract
    frame = with_label(contract, sample_period(use_case, 0))
    folder = use_case.folder("export").absolute() / "0"
    shard = folder / "train" / "data-00000-of-00001.csv"
    shard.parent.mkdir(parents=True, exist_ok=True)
    columns = [contract.key.column, contract.period_column, *contract.features, contract.label.name]
    frame[columns].to_csv(shard, index=False)
    file = ExportedFile(
        path=str(shard.relative_to(folder)), split="train", rows=len(frame), bytes=shard.stat().st_size,
        sha256=file_sha256(shard),
    )  # fmt: skip
    manifest = Manifest(
        use_case=use_case.name, table="gold/training", version=0, query="bench", columns=tuple(columns),
        label=contract.label.name, schema_sha256=contract.schema_sha256, split="all train", rows=len(frame),
        files=(file,), created_at="",
    ).save(folder)  # fmt: skip
    card = ModelCard(
        use_case=use_case.name, run_id="bench", manifest=manifest, manifest_sha256=file_sha256(manifest),
        model=contract.model,
    )  # fmt: skip
    pushed = use_case.folder("models") / VERSION
    card.save(pushed)
    (pushed / "saved_model.pb").touch()
    kept = use_case.folder("reports") / "reference" / f"{VERSION}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    answers = {"manifest_sha256": card.manifest_sha256, "classes": contract.label.class_names}
    kept.write_text(json.dumps(answers | {"class_ids": frame[contract.label.name].tolist()}), encoding="utf-8")


def _lakeloop(home: Path, *arguments: str) -> str:
    """What a command prints; raises if it fails."""
    program = "import sys; from console.cli import main; sys.exit(main())"
    environment = {**os.environ, "LAKELOOP_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"lakeloop {' '.join(arguments)} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def measure(home: Path) -> list[Figure]:
    """Everything that is promised about drift."""
    use_case = open_use_case(load_settings(home=home / "drift"))
    return [
        *false_alarms(use_case),
        one_window(use_case),
        *large_window(),
        *three_years(home / "drift"),
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure_large()))
