"""The shapes of a use case's places: read from its file, made simpler without gaps between neighbours, and kept."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeloop.atomic_file import write_text
from lakeloop.contract import Place
from lakeloop.contract.section import some
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    from shapely import Geometry

MOST_BYTES = 500_000
"""Of all shapes as text: a third of a page that is there within two seconds."""
FINEST = 5_000
"""The first tolerance is the extent divided by this: a fifth of a pixel on a screen."""
STEP = 1.5
FORM = 1
"""Kept shapes of another form are made anew."""
AREAS = ("Polygon", "MultiPolygon")


@dataclass(frozen=True)
class Shapes:
    """Places in the file's order -> what people call them, and their shapes: GeoJSON whose features' `id` is the place.

    `sha256` is of the file and of what the contract says of it; of cells of their places.
    """

    names: Mapping[str, str]
    geojson: str
    sha256: str


def shapes_file(use_case: UseCase, place: Place) -> Path:
    """The file of a contract's shapes: beside the contract, else where the use case's files are delivered.

    Raises:
        NotFoundError: it is in neither folder.
    """
    folders = (use_case.own_folder, use_case.folder("landing"))
    for folder in folders:
        if (folder / str(place.shapes)).is_file():
            return folder / str(place.shapes)
    raise NotFoundError(
        f"`place.shapes` is {place.shapes}, and there is no such file in {' or '.join(map(str, folders))}; put it into "
        "one of them"
    )


def read_shapes(use_case: UseCase, place: Place) -> Shapes:
    """The shapes of the contract's file, simplified; made once for each content of it.

    Raises:
        NotFoundError: there is no such file.
        WrongUseError: it is no GeoJSON of areas in degrees, or lacks a property; the text says where.
    """
    path = shapes_file(use_case, place)
    content = path.read_bytes()
    said = f"{FORM} {place.key_property} {place.name}".encode()
    sha256 = hashlib.sha256(said + b"\0" + content).hexdigest()
    kept = use_case.folder("reports") / "shapes" / f"{sha256[:16]}.json"
    if kept.is_file():
        known = json.loads(kept.read_text(encoding="utf-8"))
        return Shapes(known["names"], json.dumps(known["geojson"], separators=(",", ":")), sha256)
    names, areas = areas_of(content, place, path)
    geojson = simplified(areas)
    write_text(kept, json.dumps({"names": names, "geojson": json.loads(geojson)}))
    return Shapes(names, geojson, sha256)


def areas_of(content: bytes, place: Place, path: Path) -> "tuple[dict[str, str], dict[str, Geometry]]":
    """(place -> its name, place -> its area) of a GeoJSON file; features of one place are joined, and those of one
    name told apart by what rows call them.

    Raises:
        WrongUseError: it is no GeoJSON of areas in degrees, or lacks a property.
    """
    import shapely

    names: dict[str, str] = {}
    parts: dict[str, list[Geometry]] = {}
    for number, feature in enumerate(_features(content, path), 1):
        properties = feature.get("properties") or {}
        where = f"{path}: feature {number}"
        for wanted in filter(None, (place.key_property, place.name)):
            if properties.get(wanted) is None:
                raise WrongUseError(f"{where} has no property `{wanted}`; it has {some(properties, 12) or 'none'}")
        key = str(properties[place.key_property])
        area = _area(feature.get("geometry"), f"{where} ({key})")
        names.setdefault(key, str(properties[place.name]) if place.name else key)
        parts.setdefault(key, []).append(area)
    counted = Counter(names.values())
    names = {key: name if counted[name] == 1 else f"{name} ({key})" for key, name in names.items()}
    whole = {key: areas[0] if len(areas) == 1 else shapely.union_all(areas) for key, areas in parts.items()}
    return names, whole


def simplified(areas: "Mapping[str, Geometry]") -> str:
    """Areas as GeoJSON of `MOST_BYTES` at most, simplified together, so that what two of them share stays shared."""
    import shapely

    names, shapes = list(areas), list(areas.values())
    west, south, east, north = shapely.total_bounds(shapes)
    extent = max(east - west, north - south, 1e-6)
    digits = max(0, min(7, 5 - int(f"{extent:e}".split("e")[1])))
    tolerance = extent / FINEST
    while True:
        simpler = shapely.coverage_simplify(shapes, tolerance)
        text = _as_geojson(dict(zip(names, simpler, strict=True)), digits)
        if len(text) <= MOST_BYTES or tolerance > extent / 10:
            return text
        tolerance *= STEP


def cells_of(places: Iterable[str], size: float) -> Shapes:
    """Cells of a grid as shapes; a place is `row,column` of its south-west corner, counted in cells from 0° N, 0° E."""
    import shapely

    areas, names = {}, {}
    for place in places:
        row, column = map(int, place.split(","))
        west, south = column * size, row * size
        areas[place] = shapely.box(west, south, west + size, south + size)
        names[place] = f"{_degrees(south + size / 2, 'NS', size)}, {_degrees(west + size / 2, 'EW', size)}"
    digits = max(0, min(7, 3 - int(f"{size:e}".split("e")[1])))
    text = _as_geojson(areas, digits)
    return Shapes(names, text, hashlib.sha256(text.encode()).hexdigest())


def _degrees(value: float, sides: str, size: float) -> str:
    digits = max(0, 1 - int(f"{size:e}".split("e")[1]))
    return f"{abs(value):.{digits}f}° {sides[0] if value >= 0 else sides[1]}"


def _features(content: bytes, path: Path) -> Iterator[dict[str, Any]]:
    try:
        document = json.loads(content)
    except (ValueError, UnicodeDecodeError) as error:
        raise WrongUseError(f"{path} is no JSON: {error}") from None
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or not features or not all(isinstance(one, dict) for one in features):
        raise WrongUseError(f"{path} is no GeoJSON with `features`, a list of them; export it as a FeatureCollection")
    yield from features


def _area(geometry: Any, where: str) -> "Geometry":
    import shapely

    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in AREAS:
        found = f"a {kind}" if kind else "without a geometry"
        raise WrongUseError(f"{where} is {found}; places are {' or '.join(AREAS)}")
    try:
        area = shapely.force_2d(shapely.from_geojson(json.dumps(geometry)))
    except shapely.errors.ShapelyError as error:
        raise WrongUseError(f"{where} cannot be read: {error}") from None
    west, south, east, north = area.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise WrongUseError(
            f"{where} lies at {west:g}, {south:g}, which are no degrees of longitude and latitude; convert the file to "
            "WGS 84 (EPSG:4326)"
        )
    return area if area.is_valid else shapely.make_valid(area)


def _as_geojson(areas: "Mapping[str, Geometry]", digits: int) -> str:
    """Outer rings run clockwise, as d3 wants them, which draws on a sphere: the other way round is all but the area."""
    import shapely

    turned = shapely.orient_polygons(list(areas.values()), exterior_cw=True)
    features = [
        {"type": "Feature", "id": place, "properties": {}, "geometry": _rounded(json.loads(text), digits)}
        for place, text in zip(areas, shapely.to_geojson(turned), strict=True)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":"))


def _rounded(geometry: dict[str, Any], digits: int) -> dict[str, Any]:
    if geometry["type"] == "GeometryCollection":  # of an area that was mended: lines may be left over
        areas = [one for one in geometry["geometries"] if one["type"] in AREAS]
        rings = [polygon for one in areas for polygon in _polygons(one)]
        geometry = {"type": "MultiPolygon", "coordinates": rings}
    return {"type": geometry["type"], "coordinates": _round(geometry["coordinates"], digits)}


def _polygons(area: dict[str, Any]) -> list[Any]:
    return [area["coordinates"]] if area["type"] == "Polygon" else list(area["coordinates"])


def _round(value: Any, digits: int) -> Any:
    return round(value, digits) if isinstance(value, float | int) else [_round(one, digits) for one in value]
