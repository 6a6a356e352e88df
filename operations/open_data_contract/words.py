"""What Lakeloop's words are in ODCS, both ways: types, limits, values; and the properties that hold the rest."""

from collections.abc import Iterable, Mapping
from typing import Any

from open_data_contract_standard.model import CustomProperty, DataQuality, SchemaProperty

API_VERSION = "v3.1.0"
PREFIX = "lakeloop."
"""Begins the custom properties that hold what the standard has no word for."""
TYPES: dict[str, tuple[str, str]] = {
    "float": ("number", "double"), "int": ("integer", "bigint"), "decimal": ("number", "decimal"),
    "bool": ("boolean", "boolean"), "string": ("string", "string"), "date": ("date", "date"),
    "timestamp": ("timestamp", "timestamp"),
}  # fmt: skip
"""Type of a column -> logical and physical type."""
BY_LOGICAL = {"number": "float", "integer": "int", "boolean": "bool", "time": "string"}
COLUMN_WORDS = ("type", "description", "valid", "values", "example")
"""What the standard says of a column itself."""


def standard_property(name: str, words: Mapping[str, Any], **more: Any) -> SchemaProperty:
    """A column as the standard has it; of `words` only COLUMN_WORDS count."""
    kind = str(words.get("type", "string"))
    logical, physical = TYPES.get(kind, (kind, kind))
    made = SchemaProperty(name=name, logicalType=logical, physicalType=physical, description=words.get("description"))
    if (valid := words.get("valid")) is not None:
        made.logicalTypeOptions = {"minimum": valid[0], "maximum": valid[1]}
    if (values := words.get("values")) is not None:
        made.quality = [DataQuality(
            type="library", metric="invalidValues", arguments={"validValues": list(values)}, mustBe=0,
            description="Only these values are possible",
        )]  # fmt: skip
    if (example := words.get("example")) is not None:
        made.examples = [example]
    return made.model_copy(update=more)


def column_words(given: SchemaProperty) -> dict[str, Any]:
    """What a property of the standard says of a column, in Lakeloop's words."""
    logical = given.logicalType or "string"
    kind = "decimal" if logical == "number" and _physical(given).startswith(("decimal", "numeric")) else (
        BY_LOGICAL.get(logical, logical)
    )  # fmt: skip
    words: dict[str, Any] = {"type": kind}
    if given.description:
        words["description"] = given.description
    options = given.logicalTypeOptions or {}
    if "minimum" in options and "maximum" in options:
        words["valid"] = [options["minimum"], options["maximum"]]
    if (values := allowed_values(given)) is not None:
        words["values"] = values
    if given.examples:
        words["example"] = given.examples[0]
    return words


def allowed_values(given: SchemaProperty) -> list[Any] | None:
    """The values that a property may have, by its enumeration or its quality; None where it lists none."""
    if given.enum:
        return [entry.value for entry in given.enum]
    for rule in given.quality or ():
        arguments = rule.arguments or {}
        if (rule.metric or rule.rule) == "invalidValues" and rule.mustBe == 0 and arguments.get("validValues"):
            return list(arguments["validValues"])
    return None


def custom(words: Mapping[str, Any], names: Iterable[str] | None = None) -> list[CustomProperty] | None:
    """Words as custom properties, each under its own name; None for none."""
    wanted = words if names is None else [name for name in names if name in words]
    return [CustomProperty(property=f"{PREFIX}{name}", value=words[name]) for name in wanted] or None


def own_words(properties: Iterable[CustomProperty] | None) -> dict[str, Any]:
    """The words that custom properties of Lakeloop hold."""
    return {
        given.property.removeprefix(PREFIX): given.value
        for given in properties or ()
        if given.property and given.property.startswith(PREFIX)
    }


def _physical(given: SchemaProperty) -> str:
    return (given.physicalType or "").strip().lower()
