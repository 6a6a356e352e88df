"""A wide table with gaps from bronze to gold, against plain Spark and Parquet: 5 million rows, 20 columns."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from bench.figure import Figure
from bench.lakehouse_bench import compare
from lakeloop.use_case import CONTRACT_FILE

NAME = "wide"
MONTHS = 36
ROWS_A_MONTH = 138_890
NUMBERS, CATEGORIES, WITH_GAPS, GAPS = 14, 6, 8, 0.05
CODES = 30
MOST_TIMES_PLAIN = 2.0


def measure(home: Path) -> list[Figure]:
    """The whole job by the clock and in CPU seconds, and its memory."""
    write_table(home / "gaps", MONTHS, ROWS_A_MONTH)
    return compare(home / "gaps", NAME, f"{MONTHS * ROWS_A_MONTH:,} rows of 20 features, 8 with gaps", MOST_TIMES_PLAIN)


def write_table(home: Path, months: int, rows: int) -> dict[str, object]:
    """The use case's folder in the home, and a file of so many rows a month where its files land; gives one row."""
    numbers = [f"number_{place}" for place in range(NUMBERS)]
    categories = [f"code_{place}" for place in range(CATEGORIES)]
    with_gaps = {*numbers[: WITH_GAPS - 2], *categories[:2]}
    folder = home / "use_cases" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONTRACT_FILE).write_text(_contract(numbers, categories, with_gaps))
    landing = home / "landing" / NAME / "rows"
    landing.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    values: dict[str, np.ndarray] = {}
    for number in range(months):
        month = str(pd.Period("2021-01", "M") + number)
        columns: dict[str, pa.Array] = {
            "id": pa.array([f"{month}-{row:06d}" for row in range(rows)]),
            "month": pa.array([month] * rows),
        }
        for name in (*numbers, *categories):
            gaps = random.random(rows) < GAPS if name in with_gaps else None
            if name in numbers:
                values[name] = random.normal(50, 10, rows).round(3)
                columns[name] = pa.array(values[name], mask=gaps)
            else:
                values[name] = random.integers(0, CODES, rows)
                codes = pa.array([f"c{code:02d}" for code in range(CODES)])
                columns[name] = codes.take(pa.array(values[name], mask=gaps))
        score = (values["number_0"] - 50) * (values["number_1"] - 50) / 50 + values["number_2"] - 50
        score += 10.0 * (values["code_0"] % 2) + random.normal(0, 5, rows) - 5
        columns["outcome"] = pa.array(np.where(score > 0, "yes", "no"))
        csv.write_csv(pa.table(columns), landing / f"rows-{month}.csv", csv.WriteOptions(quoting_style="none"))
    return {n: f"c{v[0]:02d}" if n in categories else float(v[0]) for n, v in values.items()}


def _contract(numbers: list[str], categories: list[str], with_gaps: set[str]) -> str:
    def feature(name: str) -> str:
        kind = "type: float, role: numeric, valid: [-100, 200]"
        gap = "median"
        if name in categories:
            kind, gap = "type: string, role: categorical, vocabulary: {top: 50}", "category"
        return f"  {name}: {{description: {name}, {kind}{f', missing: {gap}' if name in with_gaps else ''}}}"

    return "\n".join(
        [
            f"use_case: {NAME}",
            "title: A wide table with gaps",
            "description: Twenty columns, eight of them with gaps",
            "key: {column: id, description: Number of the row}",
            "event_time: {column: month, description: Month of the row, start: 2021-01}",
            "sources:",
            "  rows:",
            "    description: A file a month",
            "    files: rows-{month}.csv",
            f"    columns: [id, month, {', '.join((*numbers, *categories))}, outcome]",
            "features:",
            *map(feature, (*numbers, *categories)),
            "label:",
            "  name: answer",
            "  description: What came of it",
            "  source: rows",
            "  column: outcome",
            '  truth: {description: What came of it, type: string, values: ["yes", "no"]}',
            "  classes:",
            '    - {name: no_way, when: {equals: "no"}}',
            '    - {name: fine, when: {equals: "yes"}}',
            'split: {salt: "1", every: 5}',
            "gate: {accuracy: {above: 0.5}, train_eval_gap_below: 0.1, class_share_tolerance: 0.5}",
            "",
        ]
    )
