"""A use case whose rows are of things: shops by month and kind of goods, three sorts of shops far apart."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pyspark.sql import SparkSession

from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from tests.lakes import OwnLake

CONTRACT = """
use_case: shops
title: Shops
description: Does a shop sell more the month after?
key: {columns: [shop, month, kind], column: row, description: A shop's month with one kind of goods}
event_time: {column: month, description: Month, start: 2024-01}
sources:
  sales:
    description: Sales of shops
    files: sales-{month}.csv
    columns: [shop, month, kind, area, sales, staff, more]
features:
  kind: {description: Kind of goods, type: string, role: categorical, values: [food, toys]}
  area: {description: Floor, type: float, role: numeric, unit: m2, valid: [0, 10000], missing: median}
  sales: {description: Turnover, type: float, role: numeric, unit: EUR, valid: [0, 1000000], missing: median}
  staff: {description: People at work, type: int, role: numeric, valid: [0, 1000]}
label:
  name: outcome
  description: Whether it sold more
  source: sales
  column: more
  truth: {description: 1 where it did, type: int, values: [0, 1]}
  classes: [{name: less, when: {equals: 0}}, {name: more}]
split: {salt: "1", every: 4}
gate: {accuracy: {above: 0.0, below: 1.0}}
clusters: {of: shop, columns: [area, staff], pivot: {by: kind, columns: [sales]}, count: %s, periods: 1%s}
"""
SORTS = {"corner": (60.0, 900.0, 20.0), "market": (900.0, 5000.0, 300.0), "toys": (400.0, 100.0, 4000.0)}
"""Area, sales of food and sales of toys of a sort of shops."""
STAFF = 4


def shops_lake(spark: SparkSession, home: Path, count: str = "3", more: str = "") -> OwnLake:
    """A home with the use case; `count` of clusters, `more` of the section."""
    contract = home / "use_cases" / "shops" / "contract.yaml"
    contract.parent.mkdir(parents=True, exist_ok=True)
    contract.write_text(CONTRACT % (count, more))
    use_case = open_use_case(load_settings(home=home, use_case="shops", use_cases=home / "use_cases"))
    return OwnLake(use_case.settings, use_case.contract, lambda: spark)


def sales_of(month: str, sort_of: Mapping[str, str], seed: int = 0) -> str:
    """A month's file: two rows a shop, near what its sort has; a shop of sort '' has no toys."""
    random = np.random.default_rng(seed)
    lines = ["shop,month,kind,area,sales,staff,more"]
    for shop, sort in sort_of.items():
        area, food, toys = SORTS[sort or "corner"] * random.normal(1, 0.05, 3)
        kinds = {"food": food, "toys": toys} if sort else {"food": food}
        lines += [
            f"{shop},{month},{kind},{area:.2f},{sold:.2f},{STAFF},{int(sold > 500)}" for kind, sold in kinds.items()
        ]
    return "\n".join(lines) + "\n"
