"""Writes what the package `if-license-plates-could-talk` carries as an office would deliver it, a year at a time.

The police's tables as they are, the oldest one, a workbook, as an API would give it; tables of the statistical offices
as if they had been asked for one year; income, and what each district is, as JSON. What is of a year is delivered with
the year in which it is known: the population of 2013 with 2014, the income with the second year after its own.

Police: Bundeskriminalamt, Polizeiliche Kriminalstatistik. Tables: Statistische Ämter des Bundes und der Länder, 2021,
Datenlizenz Deutschland – Namensnennung – Version 2.0. Districts: GeoBasis-DE / BKG.
"""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "if_license_plates_could_talk"
REMEDY = "the package if-license-plates-could-talk is not installed; `make data` installs it"
FIRST, LAST = 2013, 2020
ENDS = "__________"
SHAPES, LAND = "districts.geojson", 4
"""The map's file, and what marks the shapes of land in the package's table; the others are water."""
TABLES = {  # source -> the table, how many years its figures are older than the year they are delivered in
    "people": ("population/12411-05-01-4.csv", 1),
    "land": ("population/AI002-1.csv", 1),
    "schools": ("education/AI-N-06.csv", 1),
    "cars": ("cars/46251-01-02-4.csv", 0),
}
SHAPEFILE = "geo/shapefiles/VG250_KRS3/VG250_KRS.shp"
INCOME, INCOME_IS_OLDER = "income/82411-01-03-4.csv", 2
POLICE_COLUMNS = {  # of the workbook, by position; the names are those that later years have
    0: "Schluessel", 2: "Gemeindeschluessel", 4: "Stadt-/Landkreis", 5: "erfasste Faelle", 6: "HZ nach Zensus",
    7: "Versuche - Anzahl", 11: "aufgeklaerte Faelle", 13: "Tatverdaechtige insgesamt",
}  # fmt: skip
STATES = (
    "Schleswig-Holstein", "Hamburg", "Niedersachsen", "Bremen", "Nordrhein-Westfalen", "Hessen", "Rheinland-Pfalz",
    "Baden-Württemberg", "Bayern", "Saarland", "Berlin", "Brandenburg", "Mecklenburg-Vorpommern", "Sachsen",
    "Sachsen-Anhalt", "Thüringen",
)  # fmt: skip


def fetch(source: str, period: str, folder: Path) -> None:
    """Write the files of a source and year; none where the package has none, or is not installed itself."""
    year, package = int(period), _package()
    if package is None or not FIRST <= year <= LAST:
        return
    raw = package / "data" / "data_files" / "raw"
    if source == "crimes":
        _crimes(year, raw / "crime" / "bka" / period, folder)
    elif source == "districts":
        _write(folder / f"districts-{year}.json", {"as_of": year, "districts": _districts(package)})
        _write(folder / SHAPES, {"type": "FeatureCollection", "features": _shapes(package)})
    elif source == "income":
        rows = _rows_of_year(raw / INCOME, year - INCOME_IS_OLDER)
        found = [{"district": row[1], "income": row[4], "of": row[0]} for row in rows]
        _write(folder / f"income-{year}.json", {"published": year, "unit": "EUR", "districts": found})
    elif source in TABLES:
        table, older = TABLES[source]
        above, rows, below = _table(raw / table, year - older)
        (folder / f"{source}-{year}.csv").write_text("".join([*above, *rows, *below]), encoding="latin-1")


def _package() -> Path | None:
    """Where the package's files are; its code is never imported."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        print(REMEDY)
        return None
    return Path(next(iter(found.submodule_search_locations)))


def _crimes(year: int, there: Path, folder: Path) -> None:
    for table in there.glob("*.csv"):
        shutil.copyfile(table, folder / f"crimes-{year}.csv")
    for workbook in there.glob("*.xls"):
        _write(folder / f"crimes-{year}.json", _workbook_rows(workbook))


def _workbook_rows(path: Path) -> list[dict[str, object]]:
    import xlrd  # of the same group of packages

    sheet = xlrd.open_workbook(path).sheet_by_index(0)
    names = [str(sheet.cell_value(row, 0)) for row in range(sheet.nrows)]
    rows = [sheet.row_values(row) for row in range(names.index("------"), sheet.nrows)]
    return [{name: row[place] for place, name in POLICE_COLUMNS.items()} for row in rows]


def _table(path: Path, year: int) -> tuple[list[str], list[str], list[str]]:
    """Of a table the lines above, those of a year (perhaps by its first of January), and those below."""
    lines = path.read_text(encoding="latin-1").splitlines(keepends=True)
    end = next(number for number, line in enumerate(lines) if line.startswith(ENDS))
    first = next(number for number, line in enumerate(lines) if line.partition(";")[2].startswith("DG;"))
    begins = (f"{year};", f"01.01.{year};")
    return lines[:first], [line for line in lines[first:end] if line.startswith(begins)], lines[end:]


def _rows_of_year(path: Path, year: int) -> list[list[str]]:
    return [line.rstrip("\r\n").split(";") for line in _table(path, year)[1]]


def _districts(package: Path) -> list[dict[str, object]]:
    """What each district is: a town of its own or not, and which state it belongs to."""
    import shapefile  # of the same group of packages

    found: dict[str, dict[str, object]] = {}
    with shapefile.Reader(str(package / SHAPEFILE), encoding="utf-8") as table:
        for record in table.iterRecords():
            district = str(record["AGS"])
            found[district] = {
                "district": district, "name": record["GEN"], "kind": record["BEZ"],
                "state": STATES[int(district[:2]) - 1],
            }  # fmt: skip
    return list(found.values())


def _shapes(package: Path) -> list[dict[str, object]]:
    import shapefile

    with shapefile.Reader(str(package / SHAPEFILE), encoding="utf-8") as table:
        return [
            {
                "type": "Feature",
                "properties": {"AGS": one.record["AGS"], "GEN": one.record["GEN"]},
                "geometry": one.shape.__geo_interface__,
            }
            for one in table.iterShapeRecords()
            if int(one.record["GF"]) == LAND
        ]


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
