"""Draws districts whose traffic decides, with some noise, how many people complain."""

import numpy as np
import pandas as pd


def sample(month: int, rows: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """One month of districts: district, month, cars, area, complaints."""
    n = rows or 60
    random = np.random.default_rng([seed or 0, month])
    area = random.choice(["homes", "shops", "works"], n)
    cars = random.uniform(0, 100, n)
    return pd.DataFrame(
        {
            "district": [f"{number:05d}" for number in range(n)],
            "month": f"2024-{month % 12 + 1:02d}",
            "cars": cars,
            "area": area,
            "complaints": random.poisson(cars / 5 * np.where(area == "homes", 1.5, 0.8)),
        }
    )
