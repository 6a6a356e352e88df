"""One gateway, two use cases: what one's failures cost the other's answers.

The first is asked row by row over one connection, by turns with the second well and with it failing in one way; the
second is asked at the same steady rate in both. So what else the machine does, and what being asked costs, falls on
both. What else the machine does meets one turn and not the next, so the median of the turns' ratios is what counts.
"""

import json
import multiprocessing
import os
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from bench.figure import Figure
from bench.gateway_bench import request_to
from bench.isolation_bench import percentile
from bench.model_server_bench import ask, connect
from lakeloop.contract import Contract
from lakeloop.request_log_files import request_log_folder
from lakeloop.settings import load_settings
from lakeloop.use_case import CONTRACT_FILE, UseCase, open_use_case
from serving.gateway.process import running_gateway
from serving.model_server.process import running_server

FIRST, SECOND = "first", "second"
ROUNDS, ANSWERS = 5, 1_000
RATE, CLIENTS = 40.0, 4
"""Requests a second of the second use case, and the connections they come over."""
FOLLOWED_SECONDS = 4.0
"""Within which the gateway has taken up a changed file."""
BOUND = 1.5
SLOW_TURNS = 20_000
"""Of the second's model, where a row drives so many miles; they take about a second."""
MILES = 450.0
RULES = "def risk_group(row):\n    {}\n    return 'low'\n"
MADE = "def made(miles, age):\n    {}\n    return miles / age\n"
BURN = "import time; until = time.perf_counter() + 0.03\n    while time.perf_counter() < until: pass"
HANG = "while True: pass"
DERIVED = {"description": "Miles over age", "type": "float", "role": "numeric", "valid": [0, 1000],
           "derived_from": ["miles", "age"], "missing": "median"}  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """Something that goes wrong in the second use case: `begin` does it to its files, and then it is asked `asked`.

    Asked what: a path below its own, and a body. Well it is asked `well`.
    """

    name: str
    begin: Callable[[UseCase], object]
    well: tuple[str, object]
    asked: tuple[str, object]


def measure(home: Path) -> list[Figure]:
    """The first use case's 99th percentile beside each failure of the second, over that beside the second well."""
    folder = home / "neighbours"
    shutil.rmtree(folder, ignore_errors=True)
    template = open_use_case(load_settings(home=home)).own_folder
    for name in (FIRST, SECOND):
        copy_case(template, folder / "cases" / name)
    settings = load_settings(home=folder, use_case=FIRST, use_cases=folder / "cases")
    first, second = (open_use_case(settings, name) for name in (FIRST, SECOND))
    models = {case.name: folder / "models" / case.name for case in (first, second)}
    for case in (first, second):
        write_model(models[case.name] / "1", case.contract)
    with running_server(models) as server:
        asked = settings.model_copy(update={"model_server_url": server.url})
        with running_gateway(asked) as gateway:
            row = httpx.get(f"{gateway.url}/openapi.json").json()["paths"]["/predict/"]["post"]
            body = row["requestBody"]["content"]["application/json"]["example"]
            found = compared(gateway.url, second, body)
    return [*found, Figure("load of the machine, average of a minute", os.getloadavg()[0], "", None)]


def compared(url: str, second: UseCase, body: Mapping[str, Any]) -> list[Figure]:
    """The figures of every failure."""
    _, request = request_to(url, json.dumps(body).encode(), f"/{FIRST}/predict/")
    good = {path: path.read_text() for path in second.own_folder.iterdir() if path.is_file()}
    with connect(url) as connection:

        def asked() -> list[float]:
            return [ask(connection, request) for _ in range(ANSWERS)]

        asked()
        idle = [one for _ in range(ROUNDS) for one in asked()]
        found = [
            Figure("a row while the other use case is not asked, median", statistics.median(idle), "ms", None),
            Figure("… 99th percentile", percentile(idle), "ms", None),
        ]
        for failure in failures(body):
            ill: list[float] = []
            ratios: list[float] = []
            for _ in range(ROUNDS):
                with asking(url, *failure.well):
                    well = asked()
                failure.begin(second)
                time.sleep(FOLLOWED_SECONDS)
                with asking(url, *failure.asked):
                    now = asked()
                ill += now
                ratios.append(percentile(now) / percentile(well))
                for path, text in good.items():
                    if path.read_text() != text:
                        path.write_text(text)
                log = request_log_folder(second)
                if log.is_file():
                    log.unlink()
                time.sleep(FOLLOWED_SECONDS)
            found += [
                Figure(f"… beside {failure.name}, median", statistics.median(ill), "ms", None),
                Figure("… 99th percentile", percentile(ill), "ms", None),
                Figure(
                    "… over that beside the other use case well, median of the turns",
                    statistics.median(ratios),
                    "times",
                    BOUND,
                ),
            ]
    return found


def failures(body: Mapping[str, Any]) -> list[Failure]:
    """All of them. The rules answer a row of an unusual power, and the model takes long for many miles."""
    by_rules, slow = (
        {**body, place: {**body[place], name: value}}
        for place, name, value in (("vehicle", "power", 300.0), ("driver", "miles", MILES))
    )
    one, rules, many = ("predict/", body), ("predict/", by_rules), ("predict/batch", {"requests": [body] * 1000})

    def write(file: str, text: str) -> Callable[[UseCase], object]:
        return lambda case: (case.own_folder / file).write_text(text)

    def break_contract(case: UseCase) -> None:
        with case.contract_path.open("a") as contract:
            contract.write("\nno_such_section: 1\n")

    def change_contract(case: UseCase) -> None:
        """Again and again, while it is asked."""

        def change() -> None:
            for number in range(6):
                text = case.contract_path.read_text()
                case.contract_path.write_text(f"{text}# {number}\n")
                time.sleep(1)

        threading.Thread(target=change).start()

    def take_log(case: UseCase) -> None:
        shutil.rmtree(request_log_folder(case), ignore_errors=True)
        request_log_folder(case).write_text("in the way of the folder")

    def nothing(_: UseCase) -> None:
        pass

    own = {
        "rules that fail": "raise KeyError",
        "rules of 30 ms a row": BURN,
        "rules that hang": HANG,
        "rules that end their process": "import os; os._exit(1)",
    }
    return [
        *(Failure(name, write("rules.py", RULES.format(code)), rules, rules) for name, code in own.items()),
        Failure("a features.py that hangs", write("features.py", MADE.format(HANG)), one, one),
        Failure("a model that takes a second", nothing, one, ("predict/", slow)),
        Failure("a contract that breaks", break_contract, one, one),
        Failure("a contract that changes each second", change_contract, one, one),
        Failure("a log that cannot be written", take_log, one, one),
        Failure("batches of 1,000 rows", nothing, one, many),
    ]


@contextmanager
def asking(url: str, path: str, body: object) -> Iterator[None]:
    """While the block runs, a process asks the second use case; a batch twice a second."""
    rate = RATE if path == "predict/" else 2.0
    context = multiprocessing.get_context("spawn")
    client = context.Process(target=ask_steadily, args=(f"{url}/{SECOND}/{path}", json.dumps(body), rate), daemon=True)
    client.start()
    time.sleep(3)  # it imports
    try:
        yield
    finally:
        client.kill()
        client.join()


def ask_steadily(url: str, body: str, rate: float) -> None:
    """Ask at a steady rate over some connections, whatever is answered."""

    def one_client() -> None:
        with httpx.Client(timeout=60, trust_env=False) as client:
            due = time.monotonic()
            while True:
                due = max(due + CLIENTS / rate, time.monotonic() - 1)
                time.sleep(max(0.0, due - time.monotonic()))
                with suppress(httpx.HTTPError):
                    client.post(url, content=body, headers={"content-type": "application/json"})

    threads = [threading.Thread(target=one_client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def copy_case(template: Path, folder: Path) -> None:
    """A use case as the template, with a derived feature, under the folder's name."""
    shutil.copytree(template, folder)
    contract = yaml.safe_load((folder / CONTRACT_FILE).read_text())
    contract["use_case"] = folder.name
    contract["features"]["made"] = DERIVED
    (folder / CONTRACT_FILE).write_text(yaml.safe_dump(contract, sort_keys=False))
    (folder / "features.py").write_text(MADE.format("pass"))


def write_model(folder: Path, contract: Contract) -> None:
    """A model with the contract's inputs that is sure of the first class, and loops where the miles are many."""
    import tensorflow as tf

    types = {"float": tf.float32, "int": tf.int64}
    inputs = {name: tf.TensorSpec([None], types[feature.type], name) for name, feature in contract.features.items()}
    others = len(contract.label.classes) - 1

    @tf.function(input_signature=[inputs])
    def call(row: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        miles = row["miles"]
        turns = tf.where(tf.reduce_max(miles) >= MILES, SLOW_TURNS, 0)
        _, value = tf.while_loop(
            lambda turn, _: turn < turns,
            lambda turn, value: (turn + 1, tf.tanh(value @ value)),
            [0, tf.ones([60, 60])],
        )
        first = 0.9 + 0.0 * (miles + tf.reduce_sum(value))
        rest = [(1.0 - first) / others] * others
        return {"probabilities": tf.stack([first, *rest], axis=1), "class_id": tf.zeros_like(miles, tf.int64)}

    model = tf.Module()
    model.call = call
    tf.saved_model.save(model, str(folder), signatures=call)
