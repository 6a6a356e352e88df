"""Reads a request's body: JSON only, plain or gzip, bounded in size and in time."""

import asyncio
import zlib

from starlette.types import Receive, Scope

from serving.exceptions import ClientGoneError
from serving.gateway.refusal import refusal

MOST_BYTES = 1024 * 1024
"""Also of what a compressed body holds; a batch of 1,000 rows takes a third of it."""
BODY_SECONDS = 30.0
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


async def read_json(scope: Scope, receive: Receive) -> bytes:
    """The whole body, inflated, without a byte order mark.

    Raises:
        RefusedRequestError: 413 too large, 415 not JSON or compressed otherwise than by gzip, 408 too slow, 422
            broken gzip.
        ClientGoneError: nobody waits for an answer any more.
    """
    kind, length, encoding = b"application/json", b"", b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            kind = value
        elif name == b"content-length":
            length = value
        elif name == b"content-encoding":
            encoding = value.strip().lower()
    if kind != b"application/json":
        _check_type(kind.decode("latin-1"))
    if encoding not in (b"", b"identity", b"gzip", b"x-gzip"):
        raise refusal(
            415, f"the body's content encoding is {encoding[:60].decode('latin-1')}; send it plain or as gzip"
        )
    if length.isdigit() and int(length) > MOST_BYTES:
        raise refusal(413, f"the body has {int(length)} bytes; at most {MOST_BYTES} are allowed")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read(receive)
    except TimeoutError:
        raise refusal(408, f"the body did not arrive within {BODY_SECONDS:.0f} seconds") from None
    if encoding in (b"gzip", b"x-gzip"):
        body = _inflated(body)
    return body.removeprefix(BYTE_ORDER_MARK)


def _check_type(given: str) -> None:
    kind = given.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise refusal(415, f"the content type is {kind[:60] or 'empty'}; send Content-Type: application/json")


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        if size > MOST_BYTES:
            raise refusal(413, f"the body is larger than the {MOST_BYTES} bytes allowed")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _inflated(body: bytes) -> bytes:
    """What one gzip member holds; of a bomb no more is inflated than it takes to know that it is one."""
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = inflater.decompress(body, MOST_BYTES + 1)
    except zlib.error:
        raise refusal(422, "the body is not gzip, though its Content-Encoding says so") from None
    if len(plain) > MOST_BYTES:
        raise refusal(413, f"the inflated body is larger than the {MOST_BYTES} bytes allowed")
    if not inflater.eof:
        raise refusal(422, "the body is gzip that ends too early; send it whole")
    if inflater.unused_data:
        raise refusal(422, "the body goes on after the end of its gzip; send one gzip member")
    return plain
