"""The OpenAPI document: FastAPI's, plus the request bodies, which the gateway reads itself."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.gateway.answer_model import Refusal

REFERENCE = "#/components/schemas/{model}"
REFUSALS: dict[int | str, dict[str, Any]] = {
    408: {"model": Refusal, "description": "The body came too slowly"},
    413: {"model": Refusal, "description": "The body is too large"},
    415: {"model": Refusal, "description": "The body is not JSON"},
    422: {"model": Refusal, "description": "Wrong input: names the field and what is allowed"},
    503: {"model": Refusal, "description": "The model is unavailable and the use case has no rules"},
}


def body_of(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """What `openapi_extra` says about a route's body."""
    schema = {"$ref": REFERENCE.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


def add_schemas(app: FastAPI, models: list[type[BaseModel]]) -> None:
    """Make the app's document hold the schemas of the request bodies."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=REFERENCE)
            document.setdefault("components", {}).setdefault("schemas", {}).update(schemas.get("$defs", {}))
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]
