"""Draws rides whose tips depend on how they are paid and how long they are; a tenth of the cash tips is not known."""

import numpy as np
import pandas as pd


def sample(month: int, rows: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """One month of rides: ride, month, miles, fare, tips, paid."""
    n = rows or 400
    random = np.random.default_rng([seed or 0, month])
    paid = random.choice(["cash", "card"], n, p=[0.4, 0.6])
    miles = random.uniform(0.5, 20, n)
    fare = 3 + 2.5 * miles
    tips = np.where(paid == "card", fare * random.uniform(0.1, 0.35, n), 0.0)
    return pd.DataFrame(
        {
            "ride": [f"r{month:02d}{i:05d}" for i in range(n)],
            "month": f"2024-{month % 12 + 1:02d}",
            "miles": miles,
            "fare": fare,
            "tips": np.where((paid == "cash") & (random.uniform(size=n) < 0.1), np.nan, tips),
            "paid": paid,
        }
    )
