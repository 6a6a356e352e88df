"""The drift tests a contract may name, one function each: how far one column's values lie from the reference's.

The formulas are Evidently's, to the digit (a test compares every one with its report), so scores and thresholds mean
what its documentation says. Evidently itself would take seconds to import and draws a picture with every number; its
report is made where people ask for it (`evidently_page`).
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

Distance = Callable[[np.ndarray, np.ndarray, bool], float]
"""(reference, values, whether they are numbers) -> score; both without missing values and not empty."""
P_VALUES = ("ks",)
MOST_SINGLE_VALUES = 20
"""Numbers of which the reference has more are counted in bins, others value by value."""
SMALLEST_SHARE = 1e-4


def score(test: str, reference: pd.Series, values: pd.Series, numeric: bool) -> float:
    """The named test's score; nan or infinite where it has none. Neither series is changed.

    Raises:
        KeyError: there is no such test.
    """
    with np.errstate(all="ignore"):
        return float(TESTS[test](reference.to_numpy(), values.to_numpy(), numeric))


def is_drift(test: str, found: float, threshold: float) -> bool:
    """On which side of the threshold a score lies: p-values drift at or below it, distances at or above."""
    return found <= threshold if test in P_VALUES else found >= threshold


def wasserstein(reference: np.ndarray, values: np.ndarray, numeric: bool) -> float:
    """The first Wasserstein distance in standard deviations of the reference. Numbers only."""
    from scipy.stats import wasserstein_distance  # .7 s of CPU time, and often nothing is to be measured

    return float(wasserstein_distance(reference, values)) / max(float(np.std(reference)), 0.001)


def ks(reference: np.ndarray, values: np.ndarray, numeric: bool) -> float:
    """The p-value of the two-sided Kolmogorov-Smirnov test. Numbers only."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(reference, values).pvalue)


def jensenshannon(reference: np.ndarray, values: np.ndarray, numeric: bool) -> float:
    """The Jensen-Shannon distance, 0 to sqrt(ln 2)."""
    from scipy.spatial import distance

    found = float(distance.jensenshannon(*shares(reference, values, numeric)))
    return found if found == found else 0.0  # of equal shares rounding may leave less than 0, which has no root


def psi(reference: np.ndarray, values: np.ndarray, numeric: bool) -> float:
    """The population stability index."""
    before, now = (_without_zeros(part) for part in shares(reference, values, numeric))
    return float(np.sum((before - now) * np.log(before / now)))


def kl_div(reference: np.ndarray, values: np.ndarray, numeric: bool) -> float:
    """The Kullback-Leibler divergence of the reference from the values."""
    from scipy.stats import entropy

    return float(entropy(*(_without_zeros(part) for part in shares(reference, values, numeric))))


def hellinger(reference: np.ndarray, values: np.ndarray, numeric: bool) -> float:
    """The Hellinger distance, 0 to 1. Numbers are always counted in bins."""
    before, now = _in_bins(reference, values, pd.unique(_both(reference, values))) if numeric else _one_by_one(
        reference, values
    )  # fmt: skip
    return float(np.sqrt(1 - np.clip(np.sum(np.sqrt(before * now)), 0, 1)))


TESTS: Mapping[str, Distance] = {
    test.__name__: test for test in (wasserstein, jensenshannon, psi, kl_div, hellinger, ks)
}


def shares(reference: np.ndarray, values: np.ndarray, numeric: bool) -> tuple[np.ndarray, np.ndarray]:
    """Both as shares of the same groups: bins where the reference has many different numbers, else single values."""
    if numeric and len(pd.unique(reference)) > MOST_SINGLE_VALUES:
        return _in_bins(reference, values, _both(reference, values))
    return _one_by_one(reference, values)


def _in_bins(reference: np.ndarray, values: np.ndarray, made_of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares in bins of equal width, as many as Sturges' rule gives `made_of`, whose range holds both."""
    edges = np.histogram_bin_edges(made_of, bins="sturges")
    before, now = (np.histogram(part, edges)[0] / len(part) for part in (reference, values))
    return before, now


def _one_by_one(reference: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of every value that occurs in either."""
    codes, found = pd.factorize(_both(reference, values))
    parts = codes[: len(reference)], codes[len(reference) :]
    before, now = (np.bincount(part, minlength=len(found)) / len(part) for part in parts)
    return before, now


def _both(reference: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.concatenate([reference, values])


def _without_zeros(part: np.ndarray) -> np.ndarray:
    """A group without a row gets a share so small that a logarithm can be taken of it."""
    least = float(part[part > 0].min())
    return np.where(part == 0, least / 1e6 if least <= SMALLEST_SHARE else SMALLEST_SHARE, part)
