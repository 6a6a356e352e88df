"""Where rows are, for the map: a column whose values have shapes in a file, or coordinates whose cells are drawn."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from lakeloop.contract.expression import read_expression
from lakeloop.contract.section import Name, Section, Text, mistake, unless
from lakeloop.exceptions import ExpressionError

SHAPES_FILE = r"^[\w-][\w.-]*\.(geojson|json)$"


class PlaceIndex(Section):
    """A number that places are ranked by, 0 to 100 in each period. `formula`: an expression over a place's means and
    shares, in the language of `label.made`.
    """

    title: Text
    formula: Text
    description: Text

    @model_validator(mode="after")
    def _formula_gives_a_number(self) -> Self:
        try:
            kind = read_expression(self.formula, {}).kind
        except ExpressionError as error:
            raise mistake(f"`formula` {error}") from None
        if kind != "number":
            raise mistake(f"`formula` gives a {kind}, and places are ranked by a number")
        return self


class Place(Section):
    """`column` holds the place, and `shapes` is a GeoJSON file beside the contract or in the use case's landing folder,
    in which the property `key` (by default the column's name) equals it and `name` is what people call it. Or
    `longitude` and `latitude` (degrees, WGS 84) are columns, and a place is a cell of a grid, `cell` degrees wide.

    `by`: a column that splits a place's rows, chosen on the map. `total`: its value whose rows are all others together;
    shown first, and never added to them. `by_names`: what people call its values. `index`: a number of the contract's
    own. `credit`: who made shapes and rows, as it stands beneath the map.
    """

    column: Name | None = None
    shapes: Annotated[str, Field(pattern=SHAPES_FILE)] | None = None
    key: Text | None = None
    name: Text | None = None
    longitude: Name | None = None
    latitude: Name | None = None
    cell: Annotated[float, Field(gt=0, le=10)] | None = None
    by: Name | None = None
    total: Text | None = unless(None)
    by_names: dict[Text, Text] = unless({})
    index: PlaceIndex | None = unless(None)
    credit: Text | None = unless(None)

    @model_validator(mode="after")
    def _is_a_shape_or_a_cell(self) -> Self:
        shaped, cells = (self.column, self.shapes), (self.longitude, self.latitude, self.cell)
        if any(value is not None for value in shaped) == any(value is not None for value in cells):
            raise mistake("say `column` and `shapes` for places with shapes, or `longitude`, `latitude` and `cell` for "
                          "cells of a grid; one of the two")  # fmt: skip
        if None in (cells if shaped == (None, None) else shaped):
            needed = "`longitude`, `latitude` and `cell`" if shaped == (None, None) else "`column` and `shapes`"
            raise mistake(f"{needed} are needed together; one is missing")
        if self.shapes is None and (self.key is not None or self.name is not None):
            raise mistake("`key` and `name` are of a file of shapes, and cells have none; leave them out")
        if self.by is None and (self.total is not None or self.by_names):
            raise mistake("`total` and `by_names` are of the values of `by`, and there is none; leave them out")
        return self

    @property
    def has_shapes(self) -> bool:
        """Whether places have shapes in a file; else they are cells."""
        return self.shapes is not None

    @property
    def located_by(self) -> tuple[str, ...]:
        """The columns that say where a row is: one, or longitude and latitude."""
        return tuple(name for name in (self.column, self.longitude, self.latitude) if name is not None)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the map needs of each row beside what it shows."""
        return tuple(dict.fromkeys((*self.located_by, *((self.by,) if self.by else ()))))

    @property
    def key_property(self) -> str:
        """The property of a shape that equals the column's value."""
        return self.key or self.column or ""
