"""The OpenAPI document: FastAPI's, plus the answer path, which is no route of FastAPI's."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.gateway.answer_model import Refusal

REFERENCE = "#/components/schemas/{name}"
REFUSALS = {
    "408": "The body came too slowly",
    "413": "The body is too large",
    "415": "The body is not JSON, or is compressed by other means than gzip",
    "422": "Wrong input: names the field and what is allowed",
    "503": "The model is unavailable and the use case has no rules",
}
EXPLAIN_REFUSALS = REFUSALS | {
    "429": "Too many explanations are under way: ask again in some seconds",
    "503": "The model is unavailable, or its version carries nothing to explain by",
}


@dataclass(frozen=True)
class Operation:
    """One way to ask: its path, its title and text, a request's model, and an answer's model.

    `example` gives a request as the model that answers now would have it; `refusals` are by HTTP status.
    """

    path: str
    title: str
    text: str
    request: type[BaseModel]
    example: Callable[[], dict[str, Any]]
    answer: type[BaseModel]
    refusals: Mapping[str, str] = field(default_factory=lambda: REFUSALS)

    def described(self, tag: str, schemas: str) -> dict[str, Any]:
        """The operation as OpenAPI says it; what its use case alone has is called by `schemas` and the model's name."""
        body = {"schema": _reference(self.request, schemas)}
        refused = {"application/json": {"schema": _reference(Refusal)}}
        return {
            "tags": [tag],
            "summary": self.title,
            "description": self.text,
            "operationId": re.sub(r"\W", "_", f"{self.title.lower()}{self.path}_post"),  # as FastAPI names its own
            "requestBody": {"required": True, "content": {"application/json": body}},
            "responses": {
                "200": {
                    "description": "Successful Response",
                    "content": {"application/json": {"schema": _reference(self.answer, schemas)}},
                },
                **{status: {"description": text, "content": refused} for status, text in self.refusals.items()},
            },
        }


@dataclass(frozen=True)
class Described:
    """What a use case takes and gives. `schemas` stands before the names of its schemas; '' for one alone."""

    use_case: str
    title: str
    text: str
    version: str
    schemas: str
    operations: tuple[Operation, ...]


def describe(app: FastAPI, use_cases: Callable[[], Sequence[Described]]) -> None:
    """Make the app's document say how to ask, first of all, with the schemas of what is sent and answered.

    `use_cases` are those served now, the default first; the document follows them.
    """
    known: tuple[type[BaseModel], ...] = ()

    def openapi() -> dict[str, Any]:
        nonlocal known
        now = use_cases()
        models = tuple(operation.request for one in now for operation in one.operations)
        if app.openapi_schema is None or models != known:
            app.openapi_schema, known = _document(app, now), models
        for operation in (operation for one in now for operation in one.operations):
            body = app.openapi_schema["paths"][operation.path]["post"]["requestBody"]
            body["content"]["application/json"]["example"] = operation.example()
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, use_cases: Sequence[Described]) -> dict[str, Any]:
    default, *others = use_cases
    text, version = default.text, default.version
    if others:
        listed = "\n".join(f"- **{one.title}** at `/{one.use_case}/predict/`: {one.text}" for one in use_cases)
        text = f"Each use case answers below its own path, {default.use_case} without one, too.\n\n{listed}"
        version = hashlib.sha256("".join(one.version for one in use_cases).encode()).hexdigest()[:12]
    document = get_openapi(
        title="Lakeloop's gateway" if others else default.title, version=version, description=text, routes=app.routes
    )
    paths: dict[str, Any] = {}
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for one in use_cases:
        models = [model for operation in one.operations for model in (operation.request, operation.answer)]
        wanted = [(model, "validation") for model in models]
        paths |= {operation.path: {"post": operation.described(one.title, one.schemas)} for operation in one.operations}
        _, found = models_json_schema(wanted, ref_template=REFERENCE.format(name=one.schemas + "{model}"))  # type: ignore[arg-type]
        schemas.update({f"{one.schemas}{name}": schema for name, schema in found.get("$defs", {}).items()})
    _, found = models_json_schema([(Refusal, "validation")], ref_template=REFERENCE.format(name="{model}"))
    schemas.update(found["$defs"])
    document["paths"] = {**paths, **document["paths"]}
    return document


def _reference(model: type[BaseModel], schemas: str = "") -> dict[str, str]:
    return {"$ref": REFERENCE.format(name=schemas + model.__name__)}
