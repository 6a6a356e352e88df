"""One measured figure beside its bound."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A figure, its unit, and the bound it should stay under, or over with `at_least` (None: reported, not bounded)."""

    name: str
    value: float
    unit: str
    bound: float | None
    at_least: bool = False

    @property
    def shown(self) -> str:
        """The value with its unit; a score, which has none, with four places."""
        return f"{self.value:.2f} {self.unit}" if self.unit else f"{self.value:.4f}"

    @property
    def verdict(self) -> str:
        """`met`, `MISSED` or nothing where there is no bound."""
        if self.bound is None:
            return ""
        met = self.value >= self.bound if self.at_least else self.value <= self.bound
        return "met" if met else "MISSED"
