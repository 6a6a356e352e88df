"""Draws parcels with gaps in most columns; what decides whether one is late can be told from gaps, too."""

import numpy as np
import pandas as pd

CITIES = ["Köln", "Essen", "Trier", "Bonn", "Ulm", "Jena", "Hof"]
NOTES = ["Klingel defekt!", "Bitte beim Nachbarn", "Für Café Müller", "BITTE klingeln", "…"]
CITY_SHARES = [0.3, 0.25, 0.2, 0.12, 0.08, 0.04, 0.01]


def sample(month: int, rows: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """One month of parcels: key, month, features in the contract's types, None where there is a gap, late."""
    n = rows or 800
    random = np.random.default_rng([seed or 0, month])
    weight = random.lognormal(1, 1, n)
    distance = random.gamma(2, 150, n)
    city = random.choice(CITIES, n, p=CITY_SHARES)
    express = random.random(n) < 0.3
    note = random.choice(NOTES, n, p=[0.3, 0.2, 0.2, 0.2, 0.1])
    gone = {name: random.random(n) < share for name, share in GAPS.items()}
    score = (
        (distance - 300) / 150
        + np.log1p(weight) / 2
        - 2.5 * express
        + (city == "Essen")
        + 2 * (note == NOTES[0])
        + 2 * gone["weight"]
    )
    frame = pd.DataFrame(
        {
            "parcel": [f"p{month:02d}{i:05d}" for i in range(n)],
            "month": f"2024-{month % 12 + 1:02d}",
            "weight": weight,
            "distance": distance,
            "floor": pd.Series(random.integers(-1, 9, n), dtype="Int64"),
            "value": pd.Series(random.integers(0, 2000, n), dtype="Int64"),
            "express": express.astype(int),
            "fragile": pd.Series((random.random(n) < 0.2).astype(int), dtype="Int64"),
            "city": pd.Series(city, dtype=object),
            "courier": random.choice(["Ava", "Ben", "Cem", "Dora"], n),
            "zone": pd.Series(random.integers(1, 4, n) * 100, dtype="Int64"),
            "size": pd.Series(random.choice(["S", "M", "L"], n), dtype=object),
            "note": pd.Series(note, dtype=object),
            "late": np.where(score + random.normal(0, 0.5, n) > 0, "yes", "no"),
        }
    )
    return frame.assign(**{name: frame[name].mask(where) for name, where in gone.items()})


GAPS = {"weight": 0.1, "distance": 0.15, "floor": 0.3, "value": 0.2, "fragile": 0.1, "city": 0.05, "zone": 0.1,
        "size": 0.1, "note": 0.2}  # fmt: skip
