"""What should be known of a contract's places before anybody opens the map."""

from lakeloop.contract.section import some
from lakeloop.exceptions import NotFoundError
from lakeloop.use_case import UseCase
from operations.places.shapes import read_shapes
from operations.places.values import PlaceTables


def place_notes(use_case: UseCase) -> list[str]:
    """Sentences on a file of shapes that is not there, and on places without a shape; [] where all is well.

    Raises:
        WrongUseError: the file is there and cannot be used; the text says where and why.
    """
    place = use_case.contract.place
    if place is None or not place.has_shapes:
        return []
    try:
        shapes = read_shapes(use_case, place)
    except NotFoundError as missing:
        return [f"place.shapes: {missing}. Until then the map has a table only"]
    feature = use_case.contract.features.get(place.column or "")
    listed = [str(value) for value in (feature.values or ())] if feature is not None else []
    strange = [value for value in listed if value not in shapes.names]
    strange = strange or PlaceTables(use_case, place).without_shape(shapes)
    if not strange:
        return []
    return [
        f"place.shapes: {len(strange):,} values of `{place.column}` have no shape whose `{place.key_property}` is the "
        f"same: {some(strange)}. They stand in the map's table alone"
    ]
