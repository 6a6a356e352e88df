"""Draws hours whose rentals depend on hour, temperature, sky and workday; the more there are, the more they vary."""

import numpy as np
import pandas as pd


def sample(month: int, rows: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """One month of hours: slot, month, hour, temperature, sky, workday, rented."""
    n = rows or 1_600
    random = np.random.default_rng([seed or 0, month])
    hour, workday = random.integers(0, 24, n), random.integers(0, 2, n)
    temperature = random.normal(12 + month, 8, n).clip(-20, 40)
    sky = random.choice(["clear", "cloudy", "rain"], n, p=[0.5, 0.3, 0.2])
    busy = np.exp(-((hour - np.where(workday == 1, 17, 14)) ** 2) / 30)
    mean = (
        20
        + 400
        * busy
        * (0.5 + temperature.clip(0) / 40)
        * pd.Series(sky).map({"clear": 1.0, "cloudy": 0.8, "rain": 0.3}).to_numpy()
    )
    return pd.DataFrame(
        {
            "slot": [f"h{month:02d}{i:05d}" for i in range(n)],
            "month": f"2024-{month % 12 + 1:02d}",
            "hour": hour,
            "temperature": temperature,
            "sky": sky,
            "workday": workday,
            "rented": (mean * random.gamma(25, 1 / 25, n)).round().astype(int),
        }
    )
