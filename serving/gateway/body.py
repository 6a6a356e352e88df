"""Reads a request's body: JSON only, bounded in size and in time."""

import asyncio

from fastapi import Request

from serving.gateway.refusal import refusal

MOST_BYTES = 1024 * 1024
"""A batch of 1,000 rows takes a third of it."""
BODY_SECONDS = 30.0


async def read_json(request: Request) -> bytes:
    """The whole body. Raises Refused: 413 too large, 415 not JSON, 408 too slow."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise refusal(415, f"the content type is {kind[:60] or 'empty'}; send Content-Type: application/json")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > MOST_BYTES:
        raise refusal(413, f"the body has {int(length)} bytes; at most {MOST_BYTES} are allowed")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > MOST_BYTES:
                    raise refusal(413, f"the body is larger than the {MOST_BYTES} bytes allowed")
    except TimeoutError:
        raise refusal(408, f"the body did not arrive within {BODY_SECONDS:.0f} seconds") from None
    return b"".join(parts)
