"""How many rows meet each segment, and how likely so many odd ones among them are by chance.

A segment is one condition, or two together. Of a pair the p-value is the largest of three: among all rows, and among
the rows of either half, from which it has to stand out, too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from monitoring.analysis.segment_conditions import Condition

Place = tuple[int, int]
"""A segment: two conditions, the same one twice where it is a single one."""
Counts = np.ndarray | float


@dataclass(frozen=True)
class Segments:
    """Which rows (n, k) meet each of the conditions, and how many (k, k) meet two of them."""

    listed: list[Condition]
    member: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, listed: list[Condition], frame: pd.DataFrame) -> "Segments":
        """Those of the rows of a frame, with a column a feature."""
        member = [one.holds(frame) for one in listed]
        return cls._of_members(listed, np.stack(member, axis=1) if member else np.empty((len(frame), 0), bool))

    @classmethod
    def _of_members(cls, listed: list[Condition], member: np.ndarray) -> "Segments":
        return cls(listed, member, _sums(member, np.ones(len(member))))

    def where(self, rows: np.ndarray) -> "Segments":
        """The same of some of the rows, (n,) bool."""
        return self._of_members(self.listed, self.member[rows])

    @property
    def rows(self) -> int:
        """All rows, whether in a segment or not."""
        return len(self.member)

    @property
    def is_pair(self) -> np.ndarray:
        """Whether two conditions (k, k) are of different features."""
        features = np.array([one.feature for one in self.listed], dtype=object)
        return np.asarray(features[:, None] != features[None, :])

    @property
    def count(self) -> int:
        """Segments that are looked at."""
        return len(self.listed) + int(np.triu(self.is_pair, 1).sum())

    def mask(self, place: Place) -> np.ndarray:
        """Which rows (n,) are in a segment."""
        return np.asarray(self.member[:, place[0]] & self.member[:, place[1]])

    def text(self, place: Place) -> str:
        """A segment as it is written."""
        return " and ".join(dict.fromkeys(self.listed[number].text for number in sorted(place)))

    def p_of_wrong(self, wrong: np.ndarray) -> np.ndarray:
        """How likely so many wrong rows (k, k) are, drawn of all rows and, of a pair, of either half."""
        from scipy.stats import hypergeom

        counted = _sums(self.member, wrong)
        return self._with_halves(
            lambda total, of: hypergeom.sf(counted - 1, total, of, self.sizes),
            hypergeom.sf(counted - 1, self.rows, float(wrong.sum()), self.sizes),
            np.diag(self.sizes), np.diag(counted),
        )  # fmt: skip

    def p_of_wins(self, won: np.ndarray, lost: np.ndarray) -> np.ndarray:
        """How likely rules win so often (k, k) where they and the model differ (McNemar 1947), here and in a half."""
        from scipy.stats import binom, hypergeom

        wins, differ = _sums(self.member, won), _sums(self.member, won | lost)
        alone = np.where(differ > 0, binom.sf(wins - 1, np.maximum(differ, 1), 0.5), 1.0)
        return self._with_halves(
            lambda total, of: hypergeom.sf(wins - 1, total, of, differ), alone, np.diag(differ), np.diag(wins)
        )

    def p_of_share(self, before: "Segments") -> np.ndarray:
        """How likely the segments' shares (k, k) in two sets of rows are so far apart, of all rows and of a half."""
        return self._with_halves(
            lambda total, of: _p_apart(self.sizes, total, before.sizes, of),
            _p_apart(self.sizes, self.rows, before.sizes, before.rows),
            np.diag(self.sizes), np.diag(before.sizes),
        )  # fmt: skip

    def _with_halves(
        self, p: Callable[[Counts, Counts], np.ndarray], of_all: np.ndarray, totals: np.ndarray, counts: np.ndarray
    ) -> np.ndarray:
        """The largest of the p-values: among all rows, and of a pair among the rows of either half."""
        halves = np.maximum(p(totals[:, None], counts[:, None]), p(totals[None, :], counts[None, :]))
        found = np.where(self.is_pair, np.maximum(of_all, halves), of_all)
        return np.clip(np.nan_to_num(found, nan=1.0), 0.0, 1.0)


def _sums(member: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The sum (k, k) of a value a row over every segment; on the diagonal those of one condition."""
    counted = member.astype(float)
    return np.asarray((counted * values.astype(float)[:, None]).T @ counted)


def _p_apart(now: Counts, of_now: Counts, before: Counts, of_before: Counts) -> np.ndarray:
    """The two-sided p-value of two shares being the same."""
    from scipy.stats import norm

    with np.errstate(all="ignore"):
        share, share_before = now / of_now, before / of_before
        together = (now + before) / (of_now + of_before)
        error = np.sqrt(together * (1 - together) * (1 / of_now + 1 / of_before))
        return np.asarray(2 * norm.sf(np.abs(share - share_before) / error))
