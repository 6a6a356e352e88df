"""Gradient-boosted trees: how long their training takes on a wide table, and their answers over REST."""

import os
import statistics
from pathlib import Path

from bench.figure import Figure
from bench.gaps_bench import NAME, write_table
from bench.model_server_bench import one_connection, request_of
from bench.tfx_bench import ingested, timed_run
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from serving.model_server.process import running_server
from tfx_pipeline.runs.run_record import load_runs

ROWS, MANY = 200_000, 1_000
ANSWERS = 2_000


def measure(home: Path) -> list[Figure]:
    """A pipeline run with `kind=trees` on 200,000 rows of 20 features, and the model it pushes."""
    home = home / "trees"
    row = write_table(home, months=1, rows=ROWS)
    places = {"home": home, "use_case": NAME, "use_cases": home / "use_cases"}
    environment = {**os.environ, **{f"LAKELOOP_{name.upper()}": str(value) for name, value in places.items()}}
    _, memory = timed_run(ingested(home, environment), {"kind": "trees"}, environment)
    use_case = open_use_case(load_settings(**places))
    run = load_runs(use_case)[-1]
    trainer = run.node("Trainer")
    assert trainer is not None and run.pushed_version, run
    with running_server({NAME: use_case.folder("models")}) as server:
        one = one_connection(server.url, request_of(NAME, [row]), ANSWERS)
        many = one_connection(server.url, request_of(NAME, [row] * MANY), ANSWERS // 40)
    return [
        Figure(f"trees on {ROWS:,} rows of 20 features: the Trainer", trainer.seconds, "s", 30.0),
        Figure("… the run's peak memory", memory, "GiB", None),
        Figure("… a row over REST, median", statistics.median(one), "ms", 1.0),
        Figure("… a row over REST, 99th percentile", one[int(0.99 * len(one))], "ms", None),
        Figure(f"… {MANY:,} rows over REST, median", statistics.median(many), "ms", None),
        Figure("load of the machine, average of a minute", os.getloadavg()[0], "", None),
    ]
