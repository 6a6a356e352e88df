"""Draws drivers, cars and their risk from a structural causal model that drifts month by month.

Three inputs drift (age slowly up, miles down, emergency braking up) and one concept drifts: the driver's own
ability matters less every month (weight 4 in month 0, 0.4 in month 36).
"""

import numpy as np
import pandas as pd
from scipy.stats import skewnorm

REFERENCE_ROWS = 1500
MONTHS = 37
FIRST_YEAR = 2023


def sample(month: int, rows: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """One month of policies with their risk score: key, month, six features, risk.

    Without `rows` and `seed` it is the reference data: 1,500 rows, seeded with the month's number, the same to
    1e-12 everywhere. With either, the fast mode draws `rows` rows (default 1,500) from the same model. Raises
    ValueError for a month the model does not tell of.
    """
    if not 0 <= month < MONTHS:
        raise ValueError(f"the model tells of months 0 to {MONTHS - 1}")
    if rows is None and seed is None:
        return reference_frame(month, month)
    return _frame(month, _fast(month, rows or REFERENCE_ROWS, 0 if seed is None else seed))


def reference_frame(month: int, seed: int) -> pd.DataFrame:
    """1,500 rows of one month with the reference's own way of drawing; the reference data has `seed` = month."""
    return _frame(month, _reference(month, seed))


def _frame(month: int, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    name = f"{FIRST_YEAR + month // 12}-{month % 12 + 1:02d}"
    count = len(columns["risk"])
    keys = pd.Series(np.arange(count)).astype(str).str.zfill(4)
    return pd.DataFrame({"policy_id": name + "-" + keys, "month": name, **columns})


def _reference(month: int, seed: int) -> dict[str, np.ndarray]:
    """The reference draw: legacy `numpy.random`, and the order of the draws is part of the data."""
    n = REFERENCE_ROWS
    np.random.seed(seed)
    training = np.random.binomial(1, 0.20, n)
    age = np.clip(skewnorm.rvs(a=16, loc=18, scale=22, size=n), 16, 100) + np.random.normal(0.1 * month, 0.1, n)
    emergency_braking = np.random.binomial(1, 0.40 + 0.015 * month, n)
    braking_distance = np.random.normal(40, 5, n)
    power = skewnorm.rvs(a=2, loc=100, scale=50, size=n)
    miles = skewnorm.rvs(a=4, loc=50, scale=40, size=n) + np.random.normal(-0.5 * month, 1, n)
    miles = np.clip(miles, 5, None)
    ability = np.random.normal(_driver_ability(training, age), 0.1)
    safety = np.random.normal(_car_safety(emergency_braking, braking_distance, power), 0.1)
    risk = -np.random.normal(_minus_risk(month, ability, safety, miles), 0.1)
    return _columns(training, age, emergency_braking, braking_distance, power, miles, risk)


def _fast(month: int, n: int, seed: int) -> dict[str, np.ndarray]:
    """The same model, half a million rows a second: numpy's newer generator, skew-normals built from two normals.

    If u, v are standard normal and d = a/sqrt(1+a²), then d·|u| + sqrt(1-d²)·v is skew-normal with shape a
    (Azzalini 1985).
    """
    random = np.random.default_rng([seed, month])

    def skew_normal(a: float, loc: float, scale: float) -> np.ndarray:
        d = a / np.sqrt(1 + a * a)
        u, v = random.standard_normal(n), random.standard_normal(n)
        return loc + scale * (d * np.abs(u) + np.sqrt(1 - d * d) * v)

    training = random.binomial(1, 0.20, n)
    age = np.clip(skew_normal(16, 18, 22), 16, 100) + random.normal(0.1 * month, 0.1, n)
    emergency_braking = random.binomial(1, min(0.40 + 0.015 * month, 1), n)
    braking_distance = np.clip(random.normal(40, 5, n), 1, 200)
    power = np.clip(skew_normal(2, 100, 50), 1, 2000)
    miles = np.clip(skew_normal(4, 50, 40) + random.normal(-0.5 * month, 1, n), 5, None)
    ability = random.normal(_driver_ability(training, age), 0.1)
    safety = random.normal(_car_safety(emergency_braking, braking_distance, power), 0.1)
    risk = -random.normal(_minus_risk(month, ability, safety, miles), 0.1)
    return _columns(training, age, emergency_braking, braking_distance, power, miles, risk)


def _driver_ability(training: np.ndarray, age: np.ndarray) -> np.ndarray:
    return training - np.abs(age - 35.0478) / 22


def _car_safety(emergency_braking: np.ndarray, braking_distance: np.ndarray, power: np.ndarray) -> np.ndarray:
    return emergency_braking - (braking_distance - 40) / 5 - np.abs(power - 100) / 50


def _minus_risk(month: int, ability: np.ndarray, safety: np.ndarray, miles: np.ndarray) -> np.ndarray:
    return ability * (4 - 0.1 * month) + safety - np.abs(miles - 50) / 40


def _columns(
    training: np.ndarray,
    age: np.ndarray,
    emergency_braking: np.ndarray,
    braking_distance: np.ndarray,
    power: np.ndarray,
    miles: np.ndarray,
    risk: np.ndarray,
) -> dict[str, np.ndarray]:
    return {
        "training": training,
        "age": age,
        "emergency_braking": emergency_braking,
        "braking_distance": braking_distance,
        "power": power,
        "miles": miles,
        "risk": risk,
    }
