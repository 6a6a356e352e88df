"""How long questions of lineage and the pages take, among 200 models and a million logged predictions."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TypeVar

import httpx
import numpy as np
from ml_metadata import metadata_store
from pyspark.sql import functions as sf

from bench.figure import Figure
from bench.own_platform import own_environment, timed
from lakehouse.storage.session import spark_session
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.simulation import simulate, without_gateway
from tfx_pipeline.metadata.lineage.models import model_of
from tfx_pipeline.metadata.lineage.runs import run_graph, run_of_artifact
from tfx_pipeline.metadata.store import MODEL_ID_PROPERTY, VERSION_PROPERTY, open_store
from tfx_pipeline.runs.run_record import load_runs, save_run

MODELS, PREDICTIONS, FILES, TIMES = 200, 1_000_000, 100, 5
T = TypeVar("T")


def measure(home: Path) -> list[Figure]:
    """A real model of month 0 and a real month of requests; then copies of both, until there are many."""
    environment = own_environment(home / "lineage")
    use_case = open_use_case(load_settings(home=home / "lineage"))
    for command in (("data", "generate", "--periods", "0"), ("lake", "ingest"), ("train", "--periods", "0")):
        timed(environment, *command)
    asker = without_gateway(use_case, "bench")
    simulate(use_case, range(1, 2), asker, label="bench")
    timed(environment, "lake", "stream")
    (version,) = [path.name for path in use_case.folder("models").iterdir() if path.name.isdigit()]
    _copy_predictions(use_case, [version], 1, 1500)  # the simulated ones had no model
    few = _asked(environment, use_case, version)
    versions = [version, *_copy_model(use_case, version, MODELS - 1)]
    _copy_predictions(use_case, versions, FILES, PREDICTIONS)
    many = _asked(environment, use_case, versions[-2])
    touched = _timed(environment, "affected-by", "claims-2023-01.csv")
    _copy_record(use_case, version, versions[1:])
    start, page = _pages(environment, use_case.settings, version)
    return [
        Figure("lineage of one request, one model, 1,500 predictions", few, "s", None),
        Figure("lineage of one request, 200 models, a million predictions", many, "s", 3),
        Figure("affected-by the file all 200 models were trained on", touched, "s", None),
        Figure("start page, 200 models", start, "s", 1),
        Figure("page of one model among 200", page, "s", None),
    ]


def _asked(environment: Mapping[str, str], use_case: UseCase, version: str) -> float:
    """Median seconds of the command for a request that a version answered."""
    import pyarrow.dataset as ds

    found = open_lake_table(use_case, "silver/predictions")
    assert found is not None
    one = dataset_of(found).scanner(columns=["request_id"], filter=ds.field("model_version") == version).head(1)
    return _timed(environment, "prediction", one["request_id"][0].as_py())


def _timed(environment: Mapping[str, str], *command: str) -> float:
    return float(np.median([timed(environment, "lineage", *command) for _ in range(TIMES)]))


def _pages(environment: Mapping[str, str], settings: Settings, version: str) -> tuple[float, float]:
    """Median seconds of the start page and of a model's page, asked of a monitor of its own."""
    command = [str(Path(sys.executable).parent / "lakeloop"), "monitor"]
    monitor = subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{environment['LAKELOOP_MONITOR_PORT']}"
    try:
        with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
            _until_it_answers(client)
            return _seconds(client, "/"), _seconds(client, f"/models/{version}")
    finally:
        monitor.terminate()
        monitor.wait()


def _until_it_answers(client: httpx.Client) -> None:
    for _ in range(120):
        try:
            client.get("/health")
        except httpx.ConnectError:
            time.sleep(0.5)
        else:
            return
    raise TimeoutError("the monitor did not start within a minute")


def _seconds(client: httpx.Client, path: str) -> float:
    found = []
    for _ in range(TIMES):
        began = time.perf_counter()
        client.get(path).raise_for_status()
        found.append(time.perf_counter() - began)
    return float(np.median(found))


def _copy_record(use_case: UseCase, version: str, versions: Sequence[str]) -> None:
    """The record of the run that pushed a version, once for each of the others."""
    (record,) = [run for run in load_runs(use_case) if run.pushed_version == version]
    for other in versions:
        named = {"run_id": f"{record.run_id}-{other}", "pushed_version": other}
        save_run(use_case, record.model_copy(update=named))


def _copy_model(use_case: UseCase, version: str, times: int) -> list[str]:
    """The run that pushed a version, so many times again under other names; the new versions."""
    with open_store(use_case.settings) as store:
        known = model_of(store, use_case.name, version)
        assert known is not None and known.model is not None
        run = run_of_artifact(store, known.model.id)
        return [_copy_run(store, run, str(int(version) + number)) for number in range(1, times + 1)]


def _copy_run(store: metadata_store.MetadataStore, run: str, version: str) -> str:
    graph = run_graph(store, run)
    context = store.get_context_by_type_and_name("pipeline_run", run)
    pipeline = next(c for c in store.get_parent_contexts_by_context(context.id) if c.type == "pipeline")
    assert graph is not None
    artifacts = store.get_artifacts_by_id([artifact.id for artifact in graph.artifacts])
    executions = store.get_executions_by_id([execution.id for execution in graph.executions])
    place = {artifact.id: number for number, artifact in enumerate(artifacts)}
    order = {execution.id: number for number, execution in enumerate(executions)}
    events = store.get_events_by_execution_ids(list(order))
    edges = [
        (order[event.execution_id], place[event.artifact_id], _without(event, "artifact_id", "execution_id"))
        for event in events
    ]
    copied = [_anew(thing) for thing in (*artifacts, *executions, context)]
    copied[-1].name = f"{run}-{version}"
    made = copied[: len(artifacts)]
    _, ids, _ = store.put_lineage_subgraph(copied[len(artifacts) : -1], made, [copied[-1], pipeline], edges)
    for artifact, artifact_id in zip(made, ids, strict=True):
        artifact.id = artifact_id
    (push,) = [artifact for artifact in made if VERSION_PROPERTY in artifact.custom_properties]
    model = next(a for a, old in zip(made, artifacts, strict=True) if old.type == "Model")
    push.custom_properties[VERSION_PROPERTY].string_value = version
    push.custom_properties[MODEL_ID_PROPERTY].int_value = model.id
    store.put_artifacts([push])
    return version


def _anew(thing: T) -> T:
    """A copy without what the store gives: id, times and the name, which is unique."""
    return _without(thing, "id", "name", "create_time_since_epoch", "last_update_time_since_epoch")


def _without(thing: T, *names: str) -> T:
    copy = deepcopy(thing)
    for name in names:
        copy.ClearField(name)  # type: ignore[attr-defined]
    return copy


def _copy_predictions(use_case: UseCase, versions: list[str], files: int, rows: int) -> None:
    """The month's requests again and again under other ids, answered by the versions in turn, in so many files."""
    path = use_case.table("silver/predictions")
    spark = spark_session(use_case.settings)
    try:
        month = spark.read.format("delta").load(path).where("model_version IS NULL")
        times = -(-rows // month.count())
        answered = sf.array(*map(sf.lit, versions))[sf.col("id") % len(versions)]
        copied = month.crossJoin(spark.range(times)).withColumns(
            {
                "request_id": sf.concat_ws("-", "request_id", sf.lit(str(rows)), "id"),
                "model_version": answered,
                "predictor_type": sf.lit("model"),
            }
        )
        copied.drop("id").limit(rows).repartition(files).write.format("delta").mode("append").save(path)
    finally:
        spark.stop()
