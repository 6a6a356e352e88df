"""Draws bookings that are cancelled the more often the longer before and the dearer a night; some are by day."""

import numpy as np
import pandas as pd


def sample(month: int, rows: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """One month of bookings: what files have, and whether each was cancelled."""
    n = rows or 400
    random = np.random.default_rng([seed or 0, month])
    nights = random.integers(0, 10, n)
    a_night = random.uniform(40, 300, n)
    booked = np.datetime64(f"2024-{month % 12 + 1:02d}-01") + random.integers(0, 28, n)
    ahead = random.integers(0, 300, n)
    arrival = pd.Series((booked + ahead).astype(str)).where(random.uniform(size=n) > 0.1, "")
    risk = ahead / 150 + a_night / 300 + random.normal(0, 0.2, n)
    return pd.DataFrame(
        {
            "booking": [f"b{month:02d}{i:05d}" for i in range(n)],
            "month": f"2024-{month % 12 + 1:02d}",
            "price": np.round(a_night * np.maximum(nights, 1), 2),
            "nights": nights,
            "booked": booked.astype(str),
            "arrival": arrival,
            "room": random.choice(["single", "double", "suite"], n),
            "cancelled": (risk > 1.5).astype(int),
        }
    )
