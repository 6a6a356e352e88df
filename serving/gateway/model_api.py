"""TensorFlow Serving's REST API as the gateway uses it: which version is newest, and one predict call."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from lakeloop.contract import Feature
from lakeloop.model_input import predict_body
from serving.exceptions import (
    ModelError,
    ModelNotServedError,
    ModelTooSlowError,
    NoConnectionError,
    VersionUnloadedError,
)

Row = Mapping[str, Any]
Probabilities = list[list[float]]

STATUS_SECONDS = 2.0
CONNECTIONS = 4


class ModelApi:
    """One model on one server. `classes` and `features` say what a good answer and a question look like."""

    def __init__(self, url: str, name: str, features: Mapping[str, Feature], classes: int) -> None:
        self._url = url.rstrip("/")
        self._base = f"{self._url}/v1/models/{quote(name, safe='')}"
        self._name, self._features, self._classes = name, features, classes
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def newest_version(self) -> str:
        """The highest version whose state is AVAILABLE. Raises ModelError."""
        status, content = await self._call("GET", self._base, None, STATUS_SECONDS)
        if status == 404:
            raise ModelNotServedError(f"the model server knows no version of {self._name}")
        states = _field(status, content, "model_version_status")
        try:
            available = [int(state["version"]) for state in states if state["state"] == "AVAILABLE"]
        except (KeyError, TypeError, ValueError):
            raise ModelError("the model server's status cannot be read") from None
        if not available:
            raise ModelNotServedError(f"the model server has no version of {self._name} available yet")
        return str(max(available))

    async def predict(self, version: str, rows: Sequence[Row], seconds: float) -> Probabilities:
        """The probabilities of each row, in the order of the classes; they may be NaN. Raises ModelError."""
        body = predict_body(self._features, {name: [row[name] for row in rows] for name in self._features})
        address = f"{self._base}/versions/{version}:predict"
        try:
            status, content = await self._call("POST", address, body, seconds)
        except NoConnectionError:  # a kept connection that the server closed meanwhile
            status, content = await self._call("POST", address, body, seconds)
        if status == 404:
            raise VersionUnloadedError(f"version {version} is not served any more")
        outputs = _field(status, content, "outputs")
        probabilities = outputs.get("probabilities") if isinstance(outputs, dict) else None
        if not self._are_probabilities(probabilities, len(rows)):
            raise ModelError(
                f"the model server's answer is not `probabilities` of {self._classes} classes for each row"
            )
        return probabilities  # type: ignore[return-value]

    def _are_probabilities(self, found: Any, rows: int) -> bool:
        return (
            isinstance(found, list)
            and len(found) == rows
            and all(
                isinstance(row, list)
                and len(row) == self._classes
                and all(type(value) in (float, int) for value in row)
                for row in found
            )
        )

    async def _call(self, method: str, address: str, body: bytes | None, seconds: float) -> tuple[int, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
                headers={"Content-Type": "application/json"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        limit = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._session.request(method, address, data=body, timeout=limit) as response:
                return response.status, await response.read()
        except TimeoutError:
            raise ModelTooSlowError(f"no answer within {seconds * 1000:.0f} ms") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoConnectionError(f"no connection to {self._url} ({type(error).__name__})") from None


def _field(status: int, content: bytes, name: str) -> Any:
    """A field of a 200 answer. Raises ModelError with the server's own error text for any other."""
    document = _document(content)
    if status == 200 and isinstance(document, dict) and name in document:
        return document[name]
    said = document.get("error") if isinstance(document, dict) else None
    raise ModelError(f"the model server answered {status}: {str(said or 'something that cannot be read')[:200]}")


def _document(content: bytes) -> Any:
    """What JSON text says; None if it is none. TensorFlow Serving writes NaN and Infinity, which orjson refuses."""
    for loads in (orjson.loads, json.loads):
        try:
            return loads(content)
        except (ValueError, RecursionError):
            continue
    return None
