"""TensorFlow Serving's REST API as the gateway uses it: which versions there are, and one predict call."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from lakeloop.contract import Contract, Feature
from lakeloop.fallback import given_by, wanted_of
from lakeloop.model_input import predict_body
from lakeloop.ordinary_values import LearntValues
from serving.exceptions import (
    ModelError,
    ModelMisfitError,
    ModelNotServedError,
    ModelTooSlowError,
    NoConnectionError,
    VersionUnloadedError,
)
from serving.gateway.model_fit import (
    check_classes,
    check_task,
    classify_body,
    features_for,
    learnt_features,
    learnt_values_body,
    ordinary_body,
    read_learnt_values,
    read_signatures,
    read_threshold,
)

Row = Mapping[str, Any]
GivenRows = list[list[float]]
"""What the model gives of each row (`lakeloop.fallback.Given`)."""


@dataclass(frozen=True)
class KnownVersion:
    """Of a version: the features it takes, the threshold its classes go by, and the values that were learnt of some."""

    features: Mapping[str, Feature]
    threshold: float | None = None
    learnt: LearntValues = field(default_factory=dict)


STATUS_SECONDS = 2.0
SERVER_FAULT = 500
CONNECTIONS = 4


class ModelApi:
    """The contract's model on one server; the contract says what a good answer and a question look like."""

    def __init__(self, url: str, contract: Contract) -> None:
        self._url, self._contract, self._name = url.rstrip("/"), contract, contract.use_case
        self._base = f"{self._url}/v1/models/{quote(self._name, safe='')}"
        self._known: dict[str, KnownVersion] = {}
        self._misfits: dict[str, str] = {}
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def available_versions(self) -> list[str]:
        """The versions whose state is AVAILABLE, the highest last; at least one. Raises ModelError."""
        status, content = await self._call("GET", self._base, None, STATUS_SECONDS)
        if status == 404:
            raise ModelNotServedError(f"the model server knows no version of {self._name}")
        states = _field(status, content, "model_version_status")
        try:
            available = sorted(int(state["version"]) for state in states if state["state"] == "AVAILABLE")
        except (KeyError, TypeError, ValueError):
            raise ModelError("the model server's status cannot be read") from None
        if not available:
            raise ModelNotServedError(f"the model server has no version of {self._name} available yet")
        return [str(version) for version in available]

    async def learn(self, version: str) -> None:
        """Learn which features a version takes, which values it knows, and whether it answers what the contract asks.

        Once a version.

        What the server does not say is not held against the version; where it says nothing now, it is asked again.

        Raises:
            ModelMisfitError: the version was trained for another contract and cannot be asked.
        """
        if version in self._misfits:
            raise ModelMisfitError(self._misfits[version])
        if version in self._known:
            return
        try:
            self._known[version] = await self._asked_about(version)
        except ModelMisfitError as misfit:
            self._misfits[version] = str(misfit)
            raise
        except ModelError:
            return

    def misfit(self, version: str) -> str:
        """Why a version cannot be asked by this contract; '' if it can, or is not known yet."""
        return self._misfits.get(version, "")

    def learnt_values(self, version: str | None) -> LearntValues:
        """The values of categorical features that a version learnt; empty where it does not say, or is not known."""
        known = self._known.get(version or "")
        return known.learnt if known is not None else {}

    def threshold(self, version: str | None) -> float | None:
        """The probability from which on a version answers one of two classes; None where it has none, or is not
        known.
        """
        known = self._known.get(version or "")
        return known.threshold if known is not None else None

    async def _asked_about(self, version: str) -> KnownVersion:
        """What a version says of itself; it takes all features where the server cannot say. Raises ModelError."""
        address, features = f"{self._base}/versions/{version}", self._contract.features
        signatures = read_signatures(await self._said("GET", f"{address}/metadata"))
        if signatures is None:
            return KnownVersion(features)
        taken = features_for(features, version, signatures.inputs)
        check_task(self._contract, version, signatures)
        if signatures.names_classes:
            body = orjson.dumps(classify_body(self._contract, taken))
            answer = await self._said("POST", f"{address}:classify", body)
            check_classes(self._contract.label.class_names, version, (answer or {}).get("results"))
        threshold = None
        if signatures.tells_threshold:
            answer = await self._said("POST", f"{address}:predict", ordinary_body(self._contract, taken))
            threshold = read_threshold((answer or {}).get("outputs"))
        names = learnt_features(taken)
        if not (signatures.names_values and names):
            return KnownVersion(taken, threshold)
        answer = await self._said("POST", f"{address}:predict", orjson.dumps(learnt_values_body(names)))
        return KnownVersion(taken, threshold, read_learnt_values(names, (answer or {}).get("outputs")))

    async def _said(self, method: str, address: str, body: bytes | None = None) -> dict[str, Any] | None:
        """A JSON object the server answers; None where it answers anything else.

        Raises:
            ModelError: it does not answer, or has a fault of its own.
        """
        status, content = await self._call(method, address, body, STATUS_SECONDS)
        if status >= SERVER_FAULT:
            raise ModelError(f"the model server answered {status}")
        document = _document(content)
        return document if status == 200 and isinstance(document, dict) else None

    async def predict(self, version: str, rows: Sequence[Row], seconds: float) -> GivenRows:
        """What the model gives of each row; it may be NaN. Raises ModelError."""
        known = self._known.get(version)
        features = known.features if known is not None else self._contract.features
        body = predict_body(features, {name: [row[name] for row in rows] for name in features})
        address = f"{self._base}/versions/{version}:predict"
        try:
            status, content = await self._call("POST", address, body, seconds)
        except NoConnectionError:  # a kept connection that the server closed meanwhile
            status, content = await self._call("POST", address, body, seconds)
        if status == 404:
            raise VersionUnloadedError(f"version {version} is not served any more")
        given = given_by(self._contract, _field(status, content, "outputs"), len(rows))
        if given is None:
            raise ModelError(f"the model server's answer is not {wanted_of(self._contract)}")
        return given

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
