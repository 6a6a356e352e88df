"""The OpenAPI document: FastAPI's, plus the answer path, which is no route of FastAPI's."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.gateway.answer_model import Refusal

REFERENCE = "#/components/schemas/{model}"
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

    def described(self) -> dict[str, Any]:
        """The operation as OpenAPI says it."""
        body = {"schema": _reference(self.request)}
        refused = {"application/json": {"schema": _reference(Refusal)}}
        return {
            "summary": self.title,
            "description": self.text,
            "operationId": re.sub(r"\W", "_", f"{self.title.lower()}{self.path}_post"),  # as FastAPI names its own
            "requestBody": {"required": True, "content": {"application/json": body}},
            "responses": {
                "200": {
                    "description": "Successful Response",
                    "content": {"application/json": {"schema": _reference(self.answer)}},
                },
                **{status: {"description": text, "content": refused} for status, text in self.refusals.items()},
            },
        }


def add_operations(app: FastAPI, operations: list[Operation]) -> None:
    """Make the app's document say how to ask, first of all, with the schemas of what is sent and answered."""
    plain = app.openapi
    models = [model for operation in operations for model in (operation.request, operation.answer)]

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            paths = {operation.path: {"post": operation.described()} for operation in operations}
            document["paths"] = {**paths, **document["paths"]}
            wanted = [(model, "validation") for model in (*models, Refusal)]
            _, schemas = models_json_schema(wanted, ref_template=REFERENCE)  # type: ignore[arg-type]
            document.setdefault("components", {}).setdefault("schemas", {}).update(schemas.get("$defs", {}))
            app.openapi_schema = document
        for operation in operations:
            body = app.openapi_schema["paths"][operation.path]["post"]["requestBody"]
            body["content"]["application/json"]["example"] = operation.example()
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}
