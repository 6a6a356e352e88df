"""Paths of the REST API: what a method and a raw (still percent-encoded) path ask for.

Source: tensorflow/serving tensorflow_serving/model_servers/http_rest_api_util.cc, ParseModelInfo.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote_to_bytes

from serving.model_server.folders import LARGEST_VERSION
from serving.model_server.status import invalid

_API = re.compile(r"/v1/.*", re.IGNORECASE | re.ASCII)
_PREDICTION = re.compile(
    r"/v1/models/([^/:]+)(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?:(classify|regress|predict)",
    re.IGNORECASE | re.ASCII,
)
_MODEL = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?(?:/(metadata))?",
    re.IGNORECASE | re.ASCII,
)

_PATTERNS = {"POST": _PREDICTION, "GET": _MODEL}

Action = Literal["predict", "classify", "regress", "status", "metadata"]

_ACTIONS: dict[str | None, Action] = {
    "predict": "predict",
    "classify": "classify",
    "regress": "regress",
    "metadata": "metadata",
}


@dataclass(frozen=True)
class Route:
    """What is asked of which model; at most one of version and label is set."""

    action: Action
    model: str
    version: int | None
    label: str | None


def is_api_path(path: str) -> bool:
    """True for everything below /v1/; all else is not the REST API's."""
    return _API.fullmatch(path) is not None


@lru_cache(maxsize=1024)
def parse(method: str, path: str) -> Route:
    """The route of a request. Raises RequestError: malformed, version out of range, no model name."""
    malformed = invalid(f"Malformed request: {method} {path}")
    pattern = _PATTERNS.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if match is None:
        raise malformed
    name, version, label, last = match.groups()
    number = int(version) if version and len(version) < 30 else None
    if version and (number is None or number > LARGEST_VERSION):
        raise invalid(f"Failed to convert version: {version} to numeric.")
    action = _ACTIONS.get(last, "status")
    if method == "POST" and last not in _ACTIONS:  # the path's case does not matter, the method's does
        raise malformed
    if not name:
        raise invalid("Missing model name in request.")
    return Route(action, _decode(name), number, _decode(label) if label else None)


def _decode(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")
