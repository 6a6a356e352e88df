"""Many rows a piece at a time: between two pieces of a large batch other requests get their turn."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

ROWS = 50
"""Of a piece; they take about a millisecond."""
Row = TypeVar("Row")


async def in_turns(rows: Sequence[Row]) -> AsyncIterator[Sequence[Row]]:
    """All rows, in order, `ROWS` at a time."""
    for first in range(0, len(rows), ROWS):
        if first:
            await asyncio.sleep(0)
        yield rows[first : first + ROWS]
