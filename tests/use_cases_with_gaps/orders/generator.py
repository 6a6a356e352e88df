"""Draws orders as a shop's files have them: German dates, prices with two places, seconds since 1970."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

SHOPS = ["Aachen", "Bonn", "Celle", "Düren", "Essen"]


def sample(month: int, rows: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """One month of orders; most of what may be missing is there. Those at night, and of the young, come back."""
    n = rows or 600
    random = np.random.default_rng([seed or 0, month])
    start = datetime(2024 + month // 12, month % 12 + 1, 1)
    ordered = [start + timedelta(minutes=int(minute)) for minute in random.integers(0, 28 * 1440, n)]
    years = random.uniform(16, 90, n)
    born = [(start - timedelta(days=float(age) * 365.25)).date() for age in years]
    night = np.array([moment.hour < 6 for moment in ordered])
    back = 1.5 * (years < 30) + 2.0 * night + random.normal(0, 0.4, n) > 1
    frame = pd.DataFrame(
        {
            "order": [f"o{month:02d}{number:05d}" for number in range(n)],
            "ordered": [moment.strftime("%d.%m.%Y %H:%M") for moment in ordered],
            "born": pd.Series([day.strftime("%d.%m.%Y") for day in born], dtype=object),
            "booked": pd.Series([_booked(moment, days) for moment, days in zip(ordered, random.integers(1, 90, n),
                                                                              strict=True)], dtype=object),
            "opened": [str(int(datetime(2015, 1, 1, tzinfo=UTC).timestamp()) + int(s)) for s in
                       random.integers(0, 250_000_000, n)],
            "price": random.integers(100, 20_000, n) / 100,
            "amount": pd.Series(random.integers(1, 40, n), dtype="Int64"),
            "shop": pd.Series(random.choice(SHOPS, n, p=[0.4, 0.3, 0.2, 0.07, 0.03]), dtype=object),
            "express": (random.random(n) < 0.3).astype(int),
            "back": back,
        }
    )  # fmt: skip
    gaps = {name: random.random(n) < share for name, share in GAPS.items()}
    return frame.assign(**{name: frame[name].mask(where) for name, where in gaps.items()})


def _booked(moment: datetime, days: int) -> str:
    """With the zone's offset, or as the local clock shows it."""
    later = moment + timedelta(days=int(days), hours=3)
    return later.isoformat() if days % 2 else f"{later - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}Z"


GAPS = {"born": 0.1, "booked": 0.2, "price": 0.1, "amount": 0.15, "shop": 0.1}
