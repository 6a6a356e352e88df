"""A request's body: read whole, inflated where it is compressed, and never more than allowed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serving.exceptions import BodyError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

BODY_SECONDS = 60.0
MOST_INFLATED = 100 * 1024 * 1024
"""Bytes a compressed body may have when it is inflated, as in TensorFlow Serving."""


async def read_body(scope: Scope, receive: Receive, most: int) -> bytes | None:
    """The whole body as it was sent; None if the client disconnects before its end. Raises BodyError."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > most:
            raise BodyError(413, f"The request body has {int(value)} bytes; at most {most} are allowed.")
    message = await receive()
    if message["type"] == "http.disconnect":
        return None
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    parts, size = [body], len(body)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while message.get("more_body", False):
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most:
                    raise BodyError(413, f"The request body is larger than the {most} bytes allowed.")
    except TimeoutError:
        raise BodyError(408, f"The request body did not arrive within {BODY_SECONDS:.0f} seconds.") from None
    return b"".join(parts)


def encoding(scope: Scope) -> bytes:
    """How the body is compressed: the header as it was sent, b'' where it is not."""
    for name, value in scope["headers"]:
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            return bytes(value)
    return b""


def inflated(body: bytes, encoding: bytes) -> bytes:
    """The body without its compression. Raises BodyError: no gzip, broken, or too large when inflated."""
    if encoding.strip().lower() not in (b"gzip", b"x-gzip"):
        raise BodyError(415, f"Content-Encoding {encoding.decode('latin-1')} is not understood; gzip is.")
    parts: list[bytes] = []
    left = MOST_INFLATED
    try:
        while body:
            stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
            parts.append(stream.decompress(body, left + 1))
            left -= len(parts[-1])
            if left < 0:
                raise BodyError(413, f"The request body has more than the {MOST_INFLATED} bytes allowed when inflated.")
            if not stream.eof:
                raise BodyError(400, "The request body ends in the middle of its gzip stream.")
            body = stream.unused_data
    except zlib.error:
        raise BodyError(400, "The request body is not in the gzip format its Content-Encoding names.") from None
    return b"".join(parts)
