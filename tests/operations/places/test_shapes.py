"""Shapes of places: read with sentences for what is wrong, simplified without gaps, kept for the same file."""

import json
from pathlib import Path
from typing import Any

import pytest
import shapely

from lakeloop.contract import Place
from lakeloop.exceptions import LakeloopError, NotFoundError, WrongUseError
from lakeloop.use_case import UseCase
from operations.places import shapes
from operations.places.shapes import areas_of, cells_of, read_shapes, shapes_file, simplified
from tests.places import PLACES, invented_shapes, place_key, place_name

PLACE = Place(column="town", shapes="towns.geojson", key="code", name="label")


def test_shapes_are_simplified_together_so_that_neighbours_leave_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps(invented_shapes(points_a_border=400)).encode()
    names, areas = areas_of(content, PLACE, Path("towns.geojson"))
    assert names[place_key(7)] == place_name(7) and len(areas) == PLACES
    monkeypatch.setattr(shapes, "MOST_BYTES", 60_000)
    text = simplified(areas)
    assert len(content) > 300_000 and len(text) <= 60_000
    found = [shapely.from_geojson(json.dumps(one["geometry"])) for one in json.loads(text)["features"]]
    before, after = shapely.union_all(list(areas.values())), shapely.union_all(found)
    assert after.area == pytest.approx(before.area, rel=0.01)
    assert sum(area.area for area in found) == pytest.approx(after.area, rel=1e-3)  # neither gaps nor overlaps
    assert not any(area.exterior.is_ccw for area in found if area.geom_type == "Polygon")  # as d3 draws them


def test_a_place_of_several_features_is_one_and_two_of_a_name_are_told_apart(tmp_path: Path) -> None:
    land = invented_shapes()
    land["features"][1]["properties"]["code"] = place_key(0)
    land["features"][3]["properties"]["label"] = place_name(2)
    names, areas = areas_of(json.dumps(land).encode(), PLACE, tmp_path)
    assert len(areas) == PLACES - 1 and names[place_key(0)] == place_name(0)
    assert [names[place_key(number)] for number in (2, 3)] == ["Firth 02 (02001)", "Firth 02 (03001)"]


def test_the_file_lies_beside_the_contract_or_in_the_landing_folder_and_is_made_simpler_once(
    use_case: UseCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFoundError, match=r"there is no such file in .*insurance or .*insurance; put it into one"):
        shapes_file(use_case, PLACE)
    landed = use_case.folder("landing") / "towns.geojson"
    landed.parent.mkdir(parents=True)
    landed.write_text(json.dumps(invented_shapes()))
    first = read_shapes(use_case, PLACE)
    monkeypatch.setattr(shapes, "areas_of", lambda *_: pytest.fail("it was read anew"))
    assert read_shapes(use_case, PLACE) == first
    landed.write_text(json.dumps(invented_shapes(seed=2)))
    with pytest.raises(pytest.fail.Exception, match="read anew"):
        read_shapes(use_case, PLACE)


def changed(**changes: Any) -> bytes:
    land = invented_shapes()
    land["features"][2].update(changes)
    return json.dumps(land).encode()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"code;label", "is no JSON"),
        (b'{"type": "Point"}', "is no GeoJSON with `features`"),
        (changed(properties={"id": "1", "label": "x"}), "feature 3 has no property `code`; it has id, label"),
        (
            changed(geometry={"type": "Point", "coordinates": [1, 2]}),
            "feature 3 (02001) is a Point; places are",
        ),
        (changed(geometry=None), "feature 3 (02001) is without a geometry"),
        (changed(geometry={"type": "Polygon", "coordinates": [[[1, 2]]]}), "feature 3 (02001) cannot be read"),
        (
            changed(geometry={"type": "Polygon", "coordinates": [[[4e6, 2e6], [4e6, 3e6], [5e6, 3e6], [4e6, 2e6]]]}),
            "which are no degrees of longitude and latitude; convert the file to WGS 84",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(WrongUseError) as found:
        areas_of(content, PLACE, tmp_path / "towns.geojson")
    assert isinstance(found.value, LakeloopError) and sentence in str(found.value)


def test_cells_are_squares_with_the_degrees_of_their_middle() -> None:
    found = cells_of(["5380,-155", "-1,0"], 0.01)
    assert found.names == {"5380,-155": "53.805° N, 1.545° W", "-1,0": "0.005° S, 0.005° E"}
    first = json.loads(found.geojson)["features"][0]
    assert first["id"] == "5380,-155" and shapely.from_geojson(json.dumps(first["geometry"])).bounds == (
        -1.55, 53.8, -1.54, 53.81,
    )  # fmt: skip
