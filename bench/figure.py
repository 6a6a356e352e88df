"""One measured figure beside its bound."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A figure, its unit, and the bound it should stay under (None: reported, not bounded)."""

    name: str
    value: float
    unit: str
    bound: float | None

    @property
    def verdict(self) -> str:
        """`met`, `MISSED` or nothing where there is no bound."""
        return "" if self.bound is None else "met" if self.value <= self.bound else "MISSED"
