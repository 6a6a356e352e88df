"""Draws customers whose plan and usage decide, with some noise, whether they leave."""

import numpy as np
import pandas as pd


def sample(month: int, rows: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """One month of customers: key, period, plan, usage, left."""
    n = rows or 600
    random = np.random.default_rng([seed or 0, month])
    plan = random.choice(["basic", "plus", "pro, annual"], n, p=[0.5, 0.3, 0.2])
    usage = random.uniform(0, 200, n)
    score = (plan == "basic") * 1.5 - (plan == "pro, annual") * 1.5 + (80 - usage) / 30 + random.normal(0, 0.7, n)
    return pd.DataFrame(
        {
            "customer": [f"c{month:02d}{i:05d}" for i in range(n)],
            "period": f"2024-{month % 12 + 1:02d}",
            "plan": plan,
            "usage": usage,
            "left": np.where(score > 0, "yes", "no"),
        }
    )
