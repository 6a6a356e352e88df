"""The REST API's reference, from the gateway's own OpenAPI document."""

import json
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


def rest_page(document: Mapping[str, Any], use_case: str) -> str:
    """MyST Markdown: every route with its body, an example and its answers; then the schemas they name."""
    lines = [
        "# The gateway's REST API",
        "",
        f"From the gateway's own OpenAPI document, as it is for the use case `{use_case}`: fields and limits come from",
        "its contract, and another use case has others. A running gateway shows it at `/docs`, and gives it at",
        "`/openapi.json`. The model server speaks TensorFlow Serving's REST and gRPC APIs instead; the monitor's",
        "addresses stand in [Monitoring and alerts](../monitoring.md).",
        "",
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines += _operation(method.upper(), path, operation)
    lines += ["## Schemas", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += _schema(name, schema)
    return "\n".join(lines)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> list[str]:
    lines = [f"## {method} {path}", "", _sentence(operation.get("description", operation.get("summary", ""))), ""]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        lines += [f"Body: {_type(body['schema'])}. For example:", ""]
        lines += ["```json", json.dumps(body["example"], indent=2, ensure_ascii=False), "```", ""]
    lines += ["| status | answer | |", "|---|---|---|"]
    for status, answer in operation["responses"].items():
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        lines.append(f"| {status} | {_type(schema)} | {_cell(answer['description'])} |")
    return [*lines, ""]


def _schema(name: str, schema: Schema) -> list[str]:
    lines = [f"### {name}", "", _sentence(schema.get("description", "")), ""]
    properties = schema.get("properties", {})
    if properties:
        required = set(schema.get("required", ()))
        lines += ["| field | type | required | meaning |", "|---|---|---|---|"]
        for field, what in properties.items():
            needed = "yes" if field in required else ""
            lines.append(
                f"| `{field}` | {_type(what)}{_limits(what)} | {needed} | {_cell(what.get('description', ''))} |"
            )
        lines.append("")
    return lines


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower().replace('_', '-')})"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(_type(option) for option in schema[key])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    values = schema.get("additionalProperties")
    if schema.get("type") == "object" and isinstance(values, Mapping):
        return f"object of {_type(values)}"
    return str(schema.get("type", "anything"))


def _limits(schema: Schema) -> str:
    words = {
        "minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below",
        "minLength": "characters at least", "maxLength": "characters at most", "minItems": "items at least",
        "maxItems": "items at most",
    }  # fmt: skip
    found = [f"{word} {schema[key]:g}" for key, word in words.items() if key in schema]
    return f", {', '.join(found)}" if found else ""


def _sentence(text: str) -> str:
    return text.strip()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
