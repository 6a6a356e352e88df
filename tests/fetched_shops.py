"""The use case `shops` without a history of its own: functions fetch its accounts from an archive, a year at a time."""

from datetime import UTC, datetime
from pathlib import Path

from lakeloop.use_case import UseCase, open_use_case
from tests.exports import settings_in
from tests.shops import with_the_year_before, write_accounts
from tests.use_case_copies import copy_use_case, with_changes

FETCH = '''\
"""A year's files of an archive, each with the outlines of the shops."""

import json
import shutil
from pathlib import Path

ARCHIVE = Path("…")
OUTLINE = {"type": "Polygon", "coordinates": [[[8, 50], [8, 51], [9, 51], [8, 50]]]}
SHOP = {"type": "Feature", "properties": {"shop": "s0000"}, "geometry": OUTLINE}


def fetch(source, period, folder):
    with ARCHIVE.with_name("asked.txt").open("a") as asked:
        asked.write(f"{source} {period}\\n")
    if not ARCHIVE.is_dir():
        print("the archive is closed; `make archive` opens it")
        return
    shapes = {"type": "FeatureCollection", "year": period, "features": [SHOP]}
    (folder / "shops.geojson").write_text(json.dumps(shapes))
    for file in ARCHIVE.glob(f"accounts-{period}.csv"):
        if file.stat().st_size == 0:
            raise ValueError(f"{file.name} is being written")
        shutil.copy(file, folder)
'''
PLACE = "place: {column: shop, shapes: shops.geojson}\n"
NOW = datetime(2013, 6, 30, 12, tzinfo=UTC)
"""The years from 2010 to 2012 are over."""


class Archive:
    """The files that can be fetched, by year, and what was asked for."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "archive"

    @property
    def asked(self) -> list[str]:
        """`source year` of each question since this was looked at last."""
        log = self.folder.with_name("asked.txt")
        found = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    def file(self, year: int) -> Path:
        """The file of a year."""
        return self.folder / f"accounts-{year}.csv"


def fetched_shops(home: Path, years: int = 3, shops: int = 20) -> tuple[UseCase, Archive]:
    """The use case in a home, with each shop's turnover of the year before as a feature of a joined source, and the
    archive that both sources are fetched from.
    """
    archive = Archive(home)
    write_accounts(archive.folder, years, shops)
    copy = copy_use_case("shops", home / "use_cases")
    with_the_year_before(copy)
    contract = copy / "contract.yaml"
    files = '    files: "accounts-{year}.csv"\n'
    text = contract.read_text().replace(files, f"{files}    fetch: {{}}\n")
    contract.write_text(with_changes(text, {"history: history\n": PLACE}))
    (copy / "fetch.py").write_text(FETCH.replace("…", str(archive.folder)))
    settings = settings_in(home, "shops").model_copy(update={"use_cases": copy.parent, "now": NOW})
    return open_use_case(settings), archive
