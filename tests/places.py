"""An invented land of fifty places as GeoJSON: cells around drawn points, whose borders are wriggled and shared."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from deltalake import write_deltalake

from lakeloop.drawn_rows import sample_period
from lakeloop.lake_tables import read_lake_table
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from tests.use_case_copies import copy_use_case

PLACES = 50
WEST, SOUTH, EAST, NORTH = 6.0, 47.0, 14.0, 54.0


def place_name(number: int) -> str:
    """What the land calls a place, e.g. `Vale 07`."""
    return f"{('Vale', 'Moor', 'Firth', 'Down')[number % 4]} {number:02d}"


def place_key(number: int) -> str:
    """What rows call it, e.g. `07001`."""
    return f"{number:02d}001"


def invented_shapes(points_a_border: int = 40, seed: int = 1) -> dict[str, Any]:
    """A FeatureCollection of `PLACES` places with the properties `code` and `label`."""
    random = np.random.default_rng(seed)
    frame = shapely.box(WEST, SOUTH, EAST, NORTH)
    points = random.uniform((WEST, SOUTH), (EAST, NORTH), (PLACES, 2))
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(points), extend_to=frame))
    ordered = [next(cell for cell in cells if cell.contains(shapely.Point(point))) for point in points]
    fine = [_wriggled(shapely.intersection(cell, frame), points_a_border) for cell in ordered]
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"code": place_key(number), "label": place_name(number)},
                "geometry": json.loads(shapely.to_geojson(cell)),
            }
            for number, cell in enumerate(fine)
        ],
    }


def _wriggled(cell: shapely.Geometry, points: int) -> shapely.Geometry:
    """The same with further points on its borders, each moved by where it is, so that neighbours move alike."""
    longest = max(EAST - WEST, NORTH - SOUTH) / points

    def moved(place: np.ndarray) -> np.ndarray:
        waves = np.sin(place * 7.1) * 0.05 + np.sin(place[:, ::-1] * 23.0) * 0.02
        return np.asarray(place + waves)

    return shapely.transform(shapely.segmentize(cell, longest), moved)


YEARS = 4
MODEL = "1700000060"


def harvests_home(folder: Path, shapes: bool = True) -> UseCase:
    """The use case of harvests in a home of its own, with four years in its lake, the last one's truth not yet there;
    written as the platform writes them, without Spark.
    """
    copy = copy_use_case("harvests", folder / "use_cases")
    if shapes:
        (copy / "districts.geojson").write_text(json.dumps(invented_shapes()))
    settings = load_settings(use_cases=folder / "use_cases", use_case="harvests", home=folder / "home")
    use_case = open_use_case(settings)
    drawn = pd.concat([sample_period(use_case, year) for year in range(YEARS)], ignore_index=True)
    write_deltalake(use_case.table("silver/fields"), drawn.drop(columns="tonnes"))
    known = drawn[drawn["year"] < f"{2015 + YEARS - 1}"]
    ids = [use_case.contract.label.class_id(tonnes) for tonnes in known["tonnes"]]
    names = [use_case.contract.label.name_of(one) for one in ids]
    write_deltalake(use_case.table("gold/training"), known.assign(yield_class=ids, yield_class_name=names))
    return use_case


def harvest_scores(use_case: UseCase) -> pd.DataFrame:
    """gold/scores as batch scoring writes it: all rows, `good` answered with the probability .7 in each."""
    rows = read_lake_table(use_case, "silver/fields", ["row_key"])
    assert rows is not None
    sure = {"poor": 0.1, "fair": 0.2, "good": 0.7}
    count = len(rows)
    table = pa.table({
        "row_key": rows["row_key"].tolist(), "table": ["silver/fields"] * count, "version": [0] * count,
        "model": [MODEL] * count, "prediction": ["good"] * count, "class_id": [2] * count,
        "probabilities": pa.array([list(sure.items())] * count, pa.map_(pa.string(), pa.float64())),
        "predictor_type": ["rules", *["model"] * (count - 1)], "reason": ["ok"] * count,
        "model_version": [MODEL] * count,
        "scored_at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * count, pa.timestamp("us", "UTC")),
    })  # fmt: skip
    write_deltalake(use_case.table("gold/scores"), table)
    return table.to_pandas()
