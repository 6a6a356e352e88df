"""A home in which three runs were made and two months measured, written as the platform writes them, without Spark."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import write_deltalake
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList, Histogram

from console.pages.router import Present, pages_router
from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.drift_report import ColumnDrift, DriftReport, Window
from lakeloop.drift_rows import rows_of
from lakeloop.gate_check import GateCheck
from lakeloop.model_folders import SAVED_MODEL, models_folder
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from monitoring.drift.reference import NoReference, Reference
from tests.exports import month_export
from tfx_pipeline.evaluation.gate import GateReport
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import (
    Evaluation,
    FeatureContribution,
    FeatureContributions,
    FeatureImportance,
    History,
    PermutationImportance,
    RunRecord,
    SliceScore,
    save_run,
)

OLD, SERVES = "1700000000", "1700000060"
NOTHING = NoReference("", "no model serves")


def gate(passed: bool) -> GateReport:
    check = GateCheck(name="accuracy_eval", value=0.88 if passed else 0.61, bound="> 0.85", passed=passed)
    return GateReport(
        decides="log_loss", decided={"train": 0.3, "eval": 0.31},
        checks=(check,), accuracy={"train": 0.87, "eval": check.value}, rows={"train": 1207, "eval": 293},
        interval_set="eval", interval=(0.84, 0.92),
    )  # fmt: skip


def record(contract: Contract, manifest: Path, run_id: str, version: str = "", **changes: object) -> RunRecord:
    values: dict[str, object] = {
        "run_id": run_id, "use_case": contract.use_case, "started": f"2026-01-01T00:00:0{len(run_id)}",
        "state": "succeeded", "parameters": run_parameters(contract, manifest, trigger="test"),
        "gate": gate(bool(version)), "blessed": bool(version), "pushed_version": version,
        "baselines": {"random": 1 / 3, "majority": 0.44, "trees": 0.9} if version == SERVES else {},
        "baselines_decided": {"shares": 1.09, "trees": 0.3} if version == SERVES else {},
        "history": History(loss=(1.0, 0.5), accuracy=(0.4, 0.8), val_loss=(0.9, 0.6), val_accuracy=(0.5, 0.7)),
    }  # fmt: skip
    return RunRecord.model_validate(values | changes)


@pytest.fixture
def manifest(settings: Settings, contract: Contract) -> Path:
    return month_export(contract, settings, open_use_case(settings).folder("export").absolute() / "0")


@pytest.fixture
def told(settings: Settings, contract: Contract, manifest: Path) -> Settings:
    """The home with its past: an old version whose folder is gone, the one that serves, and a refused run."""
    whole = SliceScore(feature="", value="", rows=293, score=0.88, champion_score=0.87)
    failed = {"accuracy": 0.8, "champion_accuracy": 0.9, "failed": ("bounds", "champion")}
    part = SliceScore.model_validate({"feature": "training", "value": "1", "rows": 51, **failed})
    evaluation = Evaluation(above=0.85, below=0.95, champion_margin=0.01, slices=(whole, part))
    save_run(open_use_case(settings), record(contract, manifest, "old", OLD))
    counted = str(statistics(contract, settings, open_use_case(settings).folder("tfx").absolute() / "statistics"))
    save_run(
        open_use_case(settings),
        record(
            contract,
            manifest,
            "newer",
            SERVES,
            evaluation=evaluation,
            statistics_uri=counted,
            importance=importance(),
            contributions=contributions(contract),
        ),
    )
    save_run(open_use_case(settings), record(contract, manifest, "refused"))
    pushed(settings, SERVES)
    lake = Path(settings.area("lake"))
    write_deltalake(str(lake / "gold" / contract.use_case / "drift"), drift_rows(contract))
    write_deltalake(str(lake / "silver" / contract.use_case / "predictions"), predictions(contract, settings))
    return settings


def importance() -> PermutationImportance:
    found = [("age", 0.2, 0.01), ("miles", 0.1, 0.02), ("training", 0.001, 0.004)]
    features = tuple(FeatureImportance(feature=name, mean=mean, spread=spread) for name, mean, spread in found)
    return PermutationImportance(metric="accuracy", rows=293, of_rows=293, repeats=5, seconds=0.4, features=features)


def contributions(contract: Contract) -> FeatureContributions:
    listed = [("age", (0.21, 0.11, 0.1)), ("miles", (0.08, 0.02, 0.06))]
    levels = np.random.default_rng(1).uniform(size=90).round(2)
    signs = (1, -1, 1)
    points = {
        name: tuple(
            tuple(((levels - 0.5) * size * sign).tolist()) for size, sign in zip(sizes, signs, strict=True)
        )
        for name, sizes in listed
    }  # fmt: skip
    return FeatureContributions(
        what="the probability of each class", outputs=contract.label.class_names, rows=90, background_rows=50,
        seconds=2.5, features=tuple(
            FeatureContribution(feature=name, by_output=sizes, points=points[name], levels=tuple(levels.tolist()))
            for name, sizes in listed
        ),
    )  # fmt: skip


def statistics(contract: Contract, settings: Settings, folder: Path) -> Path:
    """Moments and a histogram of every feature, as StatisticsGen lays them down; TFDV itself would bring TensorFlow."""
    rows = sample_period(UseCase(settings, contract), 0).head(200)
    for split, part in (("train", rows[:160]), ("eval", rows[160:])):
        listed = DatasetFeatureStatisticsList()
        dataset = listed.datasets.add(name=split, num_examples=len(part))
        for name in contract.features:
            values = part[name].astype(float)
            stats = dataset.features.add(path={"step": [name]}).num_stats
            stats.common_stats.num_non_missing = len(values)
            stats.mean, stats.std_dev, stats.min, stats.max = values.mean(), values.std(), values.min(), values.max()
            stats.median = values.median()
            counts, edges = np.histogram(values, 10)
            histogram = stats.histograms.add(type=Histogram.STANDARD)
            for count, low, high in zip(counts, edges, edges[1:], strict=False):
                histogram.buckets.add(low_value=low, high_value=high, sample_count=count)
        (folder / f"Split-{split}").mkdir(parents=True)
        (folder / f"Split-{split}" / "FeatureStats.pb").write_bytes(listed.SerializeToString())
    return folder


def drift_rows(contract: Contract) -> pd.DataFrame:
    """Two months of the version that serves, the second drifted, and one smaller window within it."""
    rows = []
    for kind, month, score in (("month", "2023-02", 0.02), ("month", "2023-03", 0.2), ("tumbling", "2023-03", 0.3)):
        age = ColumnDrift(column="age", test="wasserstein", score=score, threshold=0.1, drifted=score > 0.1)
        first, last = f"{month}-01T00:00:00+00:00", f"{month}-{28 if kind == 'month' else 14}T00:00:00+00:00"
        report = DriftReport(
            use_case=contract.use_case,
            model_version=SERVES,
            window=Window.model_validate({"kind": kind, "first": first, "last": last, "rows": 60, "month": month}),
            state="drift" if age.drifted else "stable",
            features=(age,),
            share_threshold=0.5,
            judged_from="test",
        )
        rows += rows_of(report)
    return pd.DataFrame(rows).astype({"sampled_rows": float, "standard_error": float})


def predictions(contract: Contract, settings: Settings) -> pd.DataFrame:
    """60 requests of 2023-03: 40 answered by the version that serves, 10 by the old one, 10 by rules alone."""
    rows = sample_period(UseCase(settings, contract), 2).head(60)[list(contract.features)].copy()
    rows["month"] = "2023-03"
    rows["at"] = [f"2023-03-{1 + number % 28:02d}T00:00:00+00:00" for number in range(60)]
    rows["answered_at"] = pd.Timestamp("2026-01-01T00:00:00Z")
    rows["_source_file"], rows["_batch"] = "requests.jsonl", 1
    rows["model_version"] = [SERVES] * 40 + [OLD] * 10 + [None] * 10
    answers = np.random.default_rng(1).dirichlet([1, 1, 1], 60)
    answers[50:] = np.nan
    for number, name in enumerate(contract.label.class_names):
        rows[f"probability_{name}"] = answers[:, number]
    return rows


def pushed(settings: Settings, *versions: str) -> None:
    for version in versions:
        folder = models_folder(settings, "insurance") / version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SAVED_MODEL).touch()


@pytest.fixture
def site(settings: Settings, contract: Contract) -> FastAPI:
    return pages(settings, contract)


def pages(
    settings: Settings,
    contract: Contract,
    window: Callable[[], tuple[Reference | NoReference, pd.DataFrame]] = lambda: (NOTHING, pd.DataFrame()),
    serving: str | None = SERVES,
) -> FastAPI:
    app = FastAPI()
    app.include_router(pages_router(UseCase(settings, contract), Present(lambda: serving, window)))
    return app


@pytest.fixture
def client(site: FastAPI) -> Iterator[TestClient]:
    with TestClient(site) as started:
        yield started
