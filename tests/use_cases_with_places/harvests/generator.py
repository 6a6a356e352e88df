"""Draws a year of harvests: fifty districts, four crops; rain falls from west to east, and less of it year by year."""

import numpy as np
import pandas as pd

CROPS = {"barley": 5.4, "oats": 4.6, "rye": 5.2, "wheat": 7.0}
DISTRICTS = 50


def sample(year: int, rows: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """One year: district, crop, year, rain, soil, tonnes; `rows` draws as many districts as they need."""
    districts = DISTRICTS if rows is None else max(1, min(DISTRICTS, rows // len(CROPS)))
    lasting, random = np.random.default_rng(0), np.random.default_rng([seed or 0, year])
    soil, wet = lasting.uniform(20, 100, DISTRICTS), lasting.normal(260, 60, DISTRICTS)
    drawn = []
    for number in range(districts):
        rain = float(np.clip(wet[number] - 8 * year + random.normal(0, 30), 0, 1000))
        for crop, usual in CROPS.items():
            tonnes = usual + (soil[number] - 60) / 40 + (rain - 240) / 90 + random.normal(0, 0.4)
            drawn.append((f"{number:02d}001", crop, rain, float(soil[number]), float(np.clip(tonnes, 0, 20))))
    frame = pd.DataFrame(drawn, columns=["district", "crop", "rain", "soil", "tonnes"])
    return frame.assign(year=str(2015 + year))
