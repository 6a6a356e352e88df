"""The present is the same whether Prometheus is asked or the exporters' own pages are read."""

import asyncio
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import generate_latest

from lakeloop.contract import Contract
from lakeloop.drift_report import ColumnDrift, DriftReport, Window
from lakeloop.fallback import Prediction
from monitoring.dashboard.panels import PANELS
from monitoring.dashboard.present import Present, Value, histogram_quantile, present
from monitoring.exporter import Exporter
from monitoring.live import Snapshot
from serving.gateway.metrics import Metrics
from tests.ports import free_ports
from tests.waiting import eventually

STARTED = 240.0


def snapshot(contract: Contract) -> Snapshot:
    """One window in which `age` drifted."""

    def column(name: str, score: float) -> ColumnDrift:
        return ColumnDrift(column=name, test="psi", score=score, threshold=0.1, drifted=score >= 0.1)

    report = DriftReport(
        use_case=contract.use_case,
        model_version="7",
        window=Window(kind="rolling", rows=1500),
        state="stable",
        features=tuple(column(name, 0.25 if name == "age" else 0.01) for name in contract.features),
        prediction=column("prediction", 0.05),
    )
    return Snapshot(model_version="7", report=report, rows=1500, rules=30, model_available=True, estimated=0.86)


@pytest.fixture
def exporters(contract: Contract) -> tuple[bytes, bytes]:
    """The metrics pages of a monitor and of a gateway, another use case beside."""
    gateway = Metrics(contract.use_case, 100)
    gateway.model_version("7")
    gateway.count(Prediction("low", 2, (0.1, 0.1, 0.8), "model", "ok"))
    for millisecond in range(1, 101):
        gateway.seconds.labels(contract.use_case, "/predict").observe(millisecond / 1000)
    shown = snapshot(contract)
    beside = contract.model_copy(update={"use_case": "other"})
    monitor = Exporter({
        contract.use_case: (contract, lambda: shown),
        "other": (beside, lambda: Snapshot(model_version="9", rows=999999)),
    })  # fmt: skip
    return monitor.text(), generate_latest(gateway)


def ask(contract: Contract, prometheus: str, *pages: bytes) -> Present:
    def page(text: bytes):  # type: ignore[no-untyped-def]
        async def fetch() -> bytes:
            return text

        return fetch

    return asyncio.run(present(contract.use_case, prometheus, {str(i): page(text) for i, text in enumerate(pages)}))


def test_every_panel_has_its_values_from_the_exporters(contract: Contract, exporters: tuple[bytes, bytes]) -> None:
    found = ask(contract, "", *exporters)
    assert found.problems == ()
    assert found.values["dataset_drift"] == [Value("dataset drift", 0.0)]
    assert found.values["drifted_columns"] == [Value("drifted", 1.0), Value("of", 6.0)]
    assert found.values["model_version"] == [Value("7", 1.0)]
    assert found.values["requests"] == [Value("requests", 1500.0)]
    assert Value("age", 0.25) in found.values["scores"] and Value("threshold age", 0.1, True) in found.values["scores"]
    assert found.values["accuracy"] == [Value("estimated", 0.86), Value("gate", 0.85, True)]
    assert found.values["fallback"][0] == Value("rules", 0.02)
    median, high = (value.value for value in found.values["latency"])
    assert 0.04 < median < 0.06 and 0.09 < high < 0.1


def test_a_page_that_is_away_leaves_its_panels_empty_and_is_named(
    contract: Contract, exporters: tuple[bytes, bytes]
) -> None:
    async def away() -> bytes:
        raise httpx.ConnectError("nobody there")

    async def here() -> bytes:
        return exporters[0]

    found = asyncio.run(present(contract.use_case, "", {"the monitor": here, "the gateway": away}))
    assert found.problems == ("the gateway does not answer (ConnectError)",)
    assert found.values["latency"] == [] and found.values["requests"] == [Value("requests", 1500.0)]


def test_without_prometheus_the_exporters_are_read_and_it_is_said(
    contract: Contract, exporters: tuple[bytes, bytes]
) -> None:
    found = ask(contract, "http://127.0.0.1:9", *exporters)
    assert found.source == "the exporters" and "127.0.0.1:9 does not answer" in found.problems[0]
    assert found.values["requests"] == [Value("requests", 1500.0)]


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [({}, None), ({1.0: 0.0, float("inf"): 0.0}, None), ({1.0: 5.0, 2.0: 10.0, float("inf"): 10.0}, 1.0),
     ({1.0: 0.0, 2.0: 10.0, float("inf"): 10.0}, 1.5), ({1.0: 1.0, float("inf"): 10.0}, 1.0)],
)  # fmt: skip
def test_quantiles_of_a_histogram(buckets: dict[float, float], expected: float | None) -> None:
    assert histogram_quantile(0.5, buckets) == expected


@pytest.fixture
def prometheus(exporters: tuple[bytes, bytes], tmp_path: Path) -> Iterator[str]:
    """A real Prometheus that scrapes the two pages every 200 ms."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("Prometheus is not installed: `make system` installs it")
    scraped, asked = free_ports(2)
    app = FastAPI()
    for name, text in zip(("monitor", "gateway"), exporters, strict=True):
        app.get(f"/{name}")(lambda text=text: Response(text, media_type="text/plain; version=0.0.4"))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=scraped, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    jobs = "".join(
        f"  - job_name: {name}\n    metrics_path: /{name}\n    static_configs: [{{targets: ['127.0.0.1:{scraped}']}}]\n"
        for name in ("monitor", "gateway")
    )
    (tmp_path / "p.yml").write_text(
        f"global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n{jobs}"
    )
    url = f"http://127.0.0.1:{asked}"
    process = subprocess.Popen(
        [binary, f"--config.file={tmp_path / 'p.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}",
         f"--web.listen-address=127.0.0.1:{asked}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + STARTED
        while time.monotonic() < until:
            try:
                query = {"query": "count(lakeloop_gateway_model_version_info) + count(dataset_drift)"}
                if httpx.get(f"{url}/api/v1/query", params=query, trust_env=False, timeout=60).json()["data"]["result"]:
                    break
            except (httpx.HTTPError, ValueError):
                pass
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(240)
        server.should_exit = True


def test_prometheus_says_the_same(contract: Contract, exporters: tuple[bytes, bytes], prometheus: str) -> None:
    still = [panel.key for panel in PANELS if panel.key not in ("latency", "window_age")]
    read = ask(contract, "", *exporters)
    expected = {key: read.values[key] for key in still}

    def told() -> Present | None:  # a scrape that took too long makes a value vanish until the next
        asked = ask(contract, prometheus, *exporters)
        return asked if {key: asked.values[key] for key in still} == expected else None

    asked = eventually(told, STARTED)
    assert asked.source == f"Prometheus at {prometheus}" and asked.problems == ()
