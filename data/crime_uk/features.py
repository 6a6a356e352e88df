"""The cell of a grid that a place lies in."""

from math import floor

CELLS_A_DEGREE = 50
"""A cell is about 2.2 km from south to north, and in Yorkshire 1.3 km from west to east."""


def cell(longitude, latitude):
    """A cell by its south-western corner, such as `53.60 -1.56`."""
    south, west = (floor(degrees * CELLS_A_DEGREE) / CELLS_A_DEGREE for degrees in (latitude, longitude))
    return f"{south:.2f} {west:.2f}"
