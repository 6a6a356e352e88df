"""Draws tickets: money speaks of billing, failed log-ins of login, and an outage, which phones ring for, is both."""

import numpy as np
import pandas as pd


def sample(month: int, rows: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """One month of tickets: ticket, month, channel, plan, amounts, failures, words, billing, login, outage."""
    n = rows or 1_600
    random = np.random.default_rng([seed or 0, month])
    outage = random.random(n) < 0.15 + 0.02 * month
    billing, login = random.random(n) < 0.35, random.random(n) < np.where(outage, 0.7, 0.25)
    calls = random.random(n) < np.where(outage, 0.8, 0.2)
    return pd.DataFrame(
        {
            "ticket": [f"t{month:02d}{i:05d}" for i in range(n)],
            "month": f"2024-{month % 12 + 1:02d}",
            "channel": np.where(calls, "phone", random.choice(["mail", "web"], n)),
            "plan": random.choice(["basic", "plus"], n, p=[0.7, 0.3]),
            "amounts": random.poisson(np.where(billing, 4, 0.5)),
            "failures": random.poisson(np.where(login, 5, 0.5) + np.where(outage, 8, 0)),
            "words": 1 + random.poisson(40 + 30 * billing + 10 * login),
            "billing": billing.astype(int),
            "login": login.astype(int),
            "outage": outage.astype(int),
        }
    )
