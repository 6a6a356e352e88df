"""How sure a share is that was observed over some rows."""

from math import sqrt

Z_95 = 1.959963984540054
WIDEST = 0.2
"""Between the ends of an interval that still says something; a share of fewer than some 90 rows says less."""


def wilson_interval(share: float, rows: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share observed over `rows` rows (Wilson 1927).

    >>> low, high = wilson_interval(0.0, 1)
    >>> f"{low:.2f} to {high:.2f}"
    '0.00 to 0.79'
    """
    denominator = 1 + Z_95**2 / rows
    centre = (share + Z_95**2 / (2 * rows)) / denominator
    half = Z_95 / denominator * sqrt(share * (1 - share) / rows + Z_95**2 / (4 * rows**2))
    return (0.0 if share == 0 else centre - half), (1.0 if share == 1 else centre + half)


def says_little(share: float, rows: int) -> bool:
    """Whether the share is of so few rows that its interval is wider than WIDEST."""
    low, high = wilson_interval(share, rows)
    return high - low > WIDEST
