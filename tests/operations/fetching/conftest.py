"""A use case of rides that an API gives month by month, and that API: a real server on this machine."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case

CONTRACT = """\
use_case: rides
title: Rides
description: Was there a tip?
key: {column: ride, description: Ride}
event_time: {column: month, description: Month of the ride, start: 2024-01}
sources:
  rides:
    description: Rides of a month
    files: "rides-{month}*.json"
    read: {records: items}
    columns: [ride, month, fare, tip]
    fetch: {timeout: 1 minute}
  weather:
    description: The same months' tips, from elsewhere
    files: "weather-{month}.csv"
    columns: [ride, tip]
    fetch: {command: weather.py}
  prices:
    description: The same months' tips, as somebody else's table has them
    delta: {path: /nowhere/prices, every: 1 day}
    columns: [ride, tip]
features:
  fare: {description: Fare, type: float, role: numeric}
label:
  name: tipped
  description: There was a tip
  source: rides
  column: tip
  truth: {description: Whether there was a tip, type: bool}
  classes: [{name: no_tip}, {name: tip}]
split: {salt: "1", every: 4}
gate: {accuracy: {above: 0.5, below: 0.999}}
"""
FETCH = '''\
"""Rides of a month, a page at a time."""

import json
import os
import urllib.request


def fetch(source, period, folder):
    page, more = 1, True
    while more:
        with urllib.request.urlopen(f"{os.environ['RIDES_API']}/{source}?month={period}&page={page}") as answer:
            document = json.load(answer)
        if document["items"]:
            (folder / f"rides-{period}-{page}.json").write_text(json.dumps(document))
        print(f"page {page}: {len(document['items'])} rides")
        page, more = page + 1, document["more"]
'''
WEATHER = """\
def fetch(source, period, folder):
    (folder / f"weather-{period}.csv").write_text("ride,tip\\n")
"""


@dataclass
class Api:
    """Pages of rides by month; `failing` pages answer 500, and `asked` is every question."""

    pages: dict[str, list[int]] = field(default_factory=dict)
    failing: set[tuple[str, int]] = field(default_factory=set)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def answer(self, month: str, page: int) -> dict[str, object] | None:
        self.asked.append((month, page))
        if (month, page) in self.failing:
            return None
        pages = self.pages.get(month, [])
        count = pages[page - 1] if page <= len(pages) else 0
        items = [
            {"ride": f"{month}-{page}-{n}", "month": month, "fare": n + 0.5, "tip": n % 2 == 0} for n in range(count)
        ]
        return {"items": items, "more": page < len(pages)}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    known = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            answer = known.answer(asked["month"], int(asked["page"]))
            self.send_response(500 if answer is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *arguments: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("RIDES_API", f"http://127.0.0.1:{server.server_port}")
    yield known
    server.shutdown()
    server.server_close()


def write_use_case(use_cases: Path, name: str, script: str = FETCH, timeout: str = "1 minute") -> Path:
    """A folder with the use case under a name."""
    folder = use_cases / name
    folder.mkdir(parents=True, exist_ok=True)
    contract = CONTRACT.replace("use_case: rides", f"use_case: {name}").replace("1 minute", timeout)
    for file, text in {"contract.yaml": contract, "fetch.py": script, "weather.py": WEATHER}.items():
        (folder / file).write_text(text)
    return folder


@pytest.fixture
def rides(tmp_path: Path) -> Callable[..., UseCase]:
    """The use case with a `fetch.py`; called again, the same home with another one."""

    def make(script: str = FETCH, timeout: str = "1 minute") -> UseCase:
        folder = write_use_case(tmp_path / "use_cases", "rides", script, timeout)
        return open_use_case(load_settings(home=tmp_path / "home", use_cases=folder.parent, use_case="rides"))

    return make
