"""Answers that a browser keeps: with an ETag, compressed where it takes that, 304 where it has the same already."""

import gzip
import hashlib
from functools import lru_cache

from fastapi import Request
from fastapi.responses import Response

LEAST_BYTES = 1_000
"""Less is not worth compressing."""
LEVEL = 6


def kept_content(request: Request, content: bytes, media_type: str, cache_control: str) -> Response:
    """The content, or 304 where the browser has it. What was compressed lately is kept: pages load the same again."""
    # weak, since the same content goes out compressed and not
    headers = {"etag": f'W/"{hashlib.sha256(content).hexdigest()[:32]}"', "cache-control": cache_control,
               "vary": "accept-encoding"}  # fmt: skip
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if len(content) >= LEAST_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(_compressed(content), media_type=media_type, headers=headers | {"content-encoding": "gzip"})
    return Response(content, media_type=media_type, headers=headers)


@lru_cache(maxsize=32)
def _compressed(content: bytes) -> bytes:
    return gzip.compress(content, LEVEL, mtime=0)
