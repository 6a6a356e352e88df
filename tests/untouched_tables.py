"""Tables as others deliver them: gaps, categories, times and dialects nobody has prepared. Contents are invented."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

COMPANIES = (*(f"{name} Cab Co." for name in ("Blue", "Star", "Ring", "Lake", "Loop")), "Chicago Elite (Carriag")
COUNTRIES = tuple(f"{where}-{what}" for where in ("North", "South", "East", "West", "Mid") for what in
                  ("Isle", "Land", "Coast", "Hills", "Plains", "Lakes", "Woods", "Bay"))  # fmt: skip


def taxi_trips(folder: Path, rows: int = 6_000) -> Path:
    """One CSV over four years in no order: gaps, whole numbers as `8.0`, seconds since 1970, tips by payment."""
    random = np.random.default_rng(16)
    seconds = random.integers(1_357_000_000, 1_483_000_000, rows) // 900 * 900
    at = pd.to_datetime(seconds, unit="s")
    fare = (random.gamma(2, 5, rows) + 3.25).round(2)
    card = random.random(rows) < 0.4
    companies = random.choice([*COMPANIES, ""], rows, p=[0.3, 0.15, 0.1, 0.06, 0.05, 0.04, 0.3])
    share = np.where(card, 0.22 + (companies == "Star Cab Co.") * 0.06, 0.0) + random.normal(0, 0.03, rows) * card

    def area() -> np.ndarray:
        return _with_gaps(random.integers(1, 78, rows).astype(float), 0.1, random)

    def degrees(middle: float) -> np.ndarray:
        return _with_gaps(random.normal(middle, 0.05, rows).round(9), 0.1, random)

    frame = pd.DataFrame(
        {
            "pickup_community_area": area(),
            "fare": fare,
            "trip_start_month": at.month,
            "trip_start_hour": at.hour,
            "trip_start_day": at.dayofweek + 1,
            "trip_start_timestamp": seconds,
            "pickup_latitude": degrees(41.9),
            "pickup_longitude": degrees(-87.6),
            "dropoff_latitude": degrees(41.9),
            "dropoff_longitude": degrees(-87.6),
            "trip_miles": np.where(random.random(rows) < 0.25, 0, (fare / 3).round(1)),
            "pickup_census_tract": np.where(np.arange(rows) == 7, 17031081500.0, np.nan),
            "dropoff_census_tract": _with_gaps(random.choice([17031081500.0, 17031320100.0], rows), 0.3, random),
            "payment_type": np.where(card, "Credit Card", random.choice(["Cash", "Cash", "Cash", "No Charge"], rows)),
            "company": companies,
            "trip_seconds": _with_gaps((fare * 60).round(-1), 0.01, random),
            "dropoff_community_area": area(),
            "tips": (fare * share.clip(0)).round(2),
        }
    )
    path = folder / "chicago-taxi.csv"
    frame.to_csv(path, index=False)
    return path


def census(folder: Path, rows: int = 9_000) -> Path:
    """Answers of people, `, ` between them and `?` for gaps, 40 places of birth, no time and no key."""
    random = np.random.default_rng(40)
    years, hours = random.integers(17, 90, rows), random.integers(5, 80, rows)
    school = random.choice(["HS-grad", "Some-college", "Bachelors", "Masters", "Doctorate", "9th"], rows)
    place = random.choice(COUNTRIES, rows, p=_steep(len(COUNTRIES)))
    gain = np.where(random.random(rows) < 0.08, random.integers(100, 99_999, rows), 0)
    learned = pd.Series(school).map({"Bachelors": 1.0, "Masters": 1.6, "Doctorate": 2.2, "9th": -1.0}).fillna(0.0)
    score = (years - 38) / 20 - ((years - 50) / 25) ** 2 + hours / 30 + learned + (gain > 5_000) * 3
    frame = pd.DataFrame(
        {
            "age": years,
            "workclass": random.choice(["Private", "Self-emp", "State-gov", "?"], rows, p=[0.7, 0.12, 0.12, 0.06]),
            "education": school,
            "occupation": random.choice(["Sales", "Craft-repair", "Tech-support", "Farming", "?"], rows),
            "final-weight": random.integers(12_285, 1_484_705, rows),
            "capital-gain": gain,
            "hours-per-week": hours,
            "native-country": np.where(random.random(rows) < 0.02, "?", place),
            "income": np.where(score + random.normal(0, 0.7, rows) > 2.2, ">50K", "<=50K"),
        }
    )
    path = folder / "census.data.csv"
    lines = [", ".join(frame.columns), *(", ".join(map(str, row)) for row in frame.itertuples(index=False))]
    path.write_text("\n".join(lines) + "\n")
    return path


def orders_document(folder: Path, rows: int = 6_000) -> Path:
    """What an API answers: a document with its records at `result.orders`, objects within, absent fields, bools."""
    random = np.random.default_rng(6)
    times = np.sort(random.integers(1_640_995_200, 1_703_980_800, rows))
    records = list[dict[str, Any]]()
    for number, seconds in enumerate(times.tolist()):
        amount, express = round(float(random.gamma(2, 30)) + 5, 2), bool(random.random() < 0.3)
        city = ("Köln", "Bonn", "Aachen", "Trier")[int(random.integers(4))]
        late = amount / 60 + (city == "Trier") * 1.5 - express * 1.8 + float(random.normal(0, 0.6)) > 1.4
        customer = {"id": int(random.integers(900)), "city": city, "since": f"20{int(random.integers(10, 22))}-03-01"}
        record: dict[str, Any] = {
            "orderId": f"A-{number:06d}", "createdAt": pd.Timestamp(seconds, unit="s").isoformat() + "Z",
            "amount": amount, "express": express, "customer": customer, "items": [{"sku": "x"}] * (number % 3),
            "coupon": None if number % 4 else f"C{number % 12}", "outcome": "late" if late else "in time",
        }  # fmt: skip
        if number % 7 == 0:
            del record["amount"]
        records.append(record)
    path = folder / "orders.json"
    document = {"status": "ok", "paging": {"next": None, "total": rows}, "result": {"orders": records, "notes": []}}
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return path


def shipments_folder(folder: Path, rows: int = 8_000) -> Path:
    """A folder as Spark writes it: a sub-folder a country, `_SUCCESS` beside them, Parquet's own types, nulls."""
    random = np.random.default_rng(8)
    weight = random.gamma(2, 4, rows).round(3)
    priority = random.random(rows) < 0.25
    carrier = random.choice(["DHL", "UPS", "GLS", ""], rows, p=[0.4, 0.3, 0.2, 0.1])
    days = weight / 6 - priority * 1.5 + (carrier == "GLS") * 1.2 + random.normal(2, 0.6, rows)
    sent = pd.date_range("2022-01-01", periods=rows, freq="65min")
    columns = {
        "shipment": pa.array(np.arange(10_000_000, 10_000_000 + rows)),
        "sent_at": pa.array(sent, pa.timestamp("us", tz="UTC")),
        "weight": pa.array(weight, pa.float32()),
        "price": pa.array([Decimal(f"{value:.2f}") for value in 4 + weight * 0.8], pa.decimal128(9, 2)),
        "priority": pa.array(priority),
        "parcels": pa.array(random.integers(1, 6, rows), pa.int8(), mask=random.random(rows) < 0.05),
        "carrier": pa.array(carrier, mask=carrier == "").dictionary_encode(),
        "tags": pa.array([["a"], ["b", "c"]] * (rows // 2)),
        "delivered_late": pa.array(days > 3.2),
    }
    table, country = pa.table(columns), random.choice(["DE", "FR", "PL"], rows, p=[0.6, 0.3, 0.1])
    target = folder / "shipments"
    for name in ("DE", "FR", "PL"):
        (target / f"country={name}").mkdir(parents=True)
        part = table.filter(pa.array(country == name))
        pq.write_table(part, target / f"country={name}" / "part-00000-8f1c.c000.snappy.parquet")
    (target / "_SUCCESS").touch()
    return target


def office_table(folder: Path, districts: int = 420) -> Path:
    """An office's file: Latin-1, three lines above the rows, no header, `;`, 18.700,5, `.` for a gap, years."""
    random = np.random.default_rng(49)
    lines = [
        "Tabelle 1-2-3: Verfügbares Einkommen;;;;;", "regionale Tiefe: Kreise;;;;;",
        ";;;Einkommen je Einwohner;Arbeitslosenquote;Anteil mit Abschluss", ";;;EUR;Prozent;Prozent",
    ]  # fmt: skip
    names = ("Norderstädt, Landkreis", "Süderbach, Landkreis", "Obermühl, kreisfreie Stadt", "Weißenau, Landkreis")
    for place in range(districts):
        income, jobless = random.normal(21_000, 3_000), random.gamma(4, 1.5)
        for year in range(2012, 2024):
            income, jobless = income * random.normal(1.02, 0.01), max(0.5, jobless + random.normal(0, 0.4))
            share = 27 + (income - 23_000) / 900 - (jobless - 6) * 0.7 + random.normal(0, 1.2)
            cells = (_german(income, 1), _german(jobless, 1), _german(share, 1))
            shown = ("." if random.random() < 0.04 else cell for cell in cells[:2])
            lines.append(
                f"{year};{1 + place // 28:02d}{place % 28 + 1:03d};  {names[place % 4]};{';'.join(shown)};{cells[2]}"
            )
    path = folder / "einkommen.csv"
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode("latin-1"))
    return path


def telephone_customers(folder: Path, rows: int = 8_000, noise: bool = False, share: float = 0.04) -> Path:
    """Customers of a telephone company, of whom one in 25 leaves, or that share: who does so can be told from others,
    and hardly ever is it likelier than not. With `noise` those leave who are drawn by lot.
    """
    random = np.random.default_rng(25)
    calls, months = random.poisson(1.2, rows), random.integers(1, 72, rows)
    plan = random.choice(["basic", "plus", "business"], rows, p=[0.5, 0.35, 0.15])
    score = 0.7 * calls - months / 24 + (plan == "basic") * 0.8 + random.logistic(0, 1, rows)
    leaves = score >= np.quantile(score, 1 - share)
    if noise:
        leaves = random.permutation(leaves)
    frame = pd.DataFrame(
        {
            "customer": [f"T{number:06d}" for number in range(rows)],
            "plan": plan,
            "months": months,
            "service_calls": calls,
            "minutes": random.gamma(4, 60, rows).round(1),
            "churn": np.where(leaves, "yes", "no"),
        }
    )
    path = folder / "customers.csv"
    frame.to_csv(path, index=False)
    return path


TABLES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "taxi": (taxi_trips, "tips > 0.2 * fare"),
    "census": (census, "income"),
    "orders": (orders_document, "outcome"),
    "shipments": (shipments_folder, "delivered_late"),
    "office": (office_table, "column_6"),
}
"""Each by a name, with what is to be predicted from it."""


def _with_gaps(values: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    return np.where(random.random(len(values)) < share, np.nan, values)


def _steep(count: int) -> np.ndarray:
    """Shares of which each is smaller than the one before."""
    weights = 1 / np.arange(1, count + 1) ** 1.3
    return weights / weights.sum()


def _german(number: float, digits: int) -> str:
    return f"{number:,.{digits}f}".translate(str.maketrans(",.", ".,"))
