"""The use case `trips`, whose columns have gaps: its contract, and its rows as files have them."""

import numpy as np

COLUMNS = ("trip", "month", "fare", "seconds", "seats", "night", "shared", "zone", "company", "tip")
ORDINARY = {
    "trip": "t", "month": "2024-01", "fare": "12.5", "seconds": "600", "seats": "2", "night": "true", "shared": "no",
    "zone": "01", "company": "Acme, Inc.", "tip": "1",
}  # fmt: skip
COMPANIES = ("Acme, Inc.", "Bee Cabs", "Café Ünal", 'The "Blue" One', "Rare & Sons")


def trips_csv(*changes: dict[str, str]) -> str:
    """A file of ordinary trips `t0`, `t1`, …, each with its changes."""
    rows = [ORDINARY | {"trip": f"t{number}"} | change for number, change in enumerate(changes)]
    return "\n".join([",".join(COLUMNS), *(",".join(_field(row[name]) for name in COLUMNS) for row in rows)]) + "\n"


def many_trips(count: int, month: str = "2024-01", seed: int = 0) -> str:
    """So many drawn trips: high fares and trips without a fare end with a tip; a fifth of what may be missing is."""
    random = np.random.default_rng(seed)
    drawn = [_drawn(random) | {"trip": f"{month}-{number}", "month": month} for number in range(count)]
    return trips_csv(*drawn)


def _drawn(random: np.random.Generator) -> dict[str, str]:
    fare, gaps = round(float(random.uniform(1, 40)), 2), random.random(5) < 0.2
    row = {
        "fare": "" if gaps[0] else f"{fare}",
        "seconds": "" if gaps[1] else f"{random.integers(60, 3600)}.0",
        "seats": "" if gaps[2] else f"{random.integers(1, 4)}.0",
        "night": "" if gaps[3] else str(random.choice(["true", "False", "1", "no"])),
        "shared": str(random.choice(["t", "f"])),
        "zone": str(random.choice(["01", "02", "09"])),
        "company": "" if gaps[4] else str(random.choice(COMPANIES, p=[0.4, 0.3, 0.2, 0.09, 0.01])),
        "tip": str(int(gaps[0] or fare > 20)),
    }
    return row


def _field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\n\r') else text
