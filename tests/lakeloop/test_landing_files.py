"""Which landing files are complete, looked at without Spark and without Airflow."""

import os
from pathlib import Path

from lakeloop.contract.file_names import FileNames
from lakeloop.landing_files import Arrivals, landed_files, read_known, write_known

PATTERNS = {"claims": r"^claims-(?P<month>\d{4}-\d{2})(\.[\w-]+)?\.csv$"}
ONE = {"claims/a.csv": (10, 1)}


def test_a_file_is_told_when_it_has_not_changed_for_a_while() -> None:
    arrivals = Arrivals(quiet_seconds=5, again_seconds=300)
    assert arrivals.look(ONE, {}, (), 0) == []
    grown = {"claims/a.csv": (20, 2)}
    assert arrivals.look(grown, {}, (), 4) == []
    assert arrivals.look(grown, {}, (), 8.9) == []
    assert arrivals.look(grown, {}, (), 9) == ["claims/a.csv"]
    assert arrivals.look(grown, {}, (), 10) == []


def test_a_renamed_file_is_told_at_once() -> None:
    assert Arrivals(5, 300).look({**ONE, "claims/b.csv": (1, 1)}, {}, ["claims/a.csv"], 0) == ["claims/a.csv"]


def test_what_stays_unknown_to_the_lake_is_told_again_and_what_it_knows_is_not() -> None:
    arrivals = Arrivals(5, 300)
    assert arrivals.look(ONE, {}, ONE, 0) == ["claims/a.csv"]
    assert arrivals.look(ONE, {}, (), 299) == []
    assert arrivals.look(ONE, {}, (), 300) == ["claims/a.csv"]
    known = {"claims/a.csv": {(10, 1)}}
    assert arrivals.look(ONE, known, (), 900) == []
    assert arrivals.look({"claims/a.csv": (11, 2)}, known, ["claims/a.csv"], 901) == ["claims/a.csv"]


def test_what_only_looks_like_a_file_has_not_landed(tmp_path: Path) -> None:
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "claims-2023-01.csv").mkdir()
    os.mkfifo(folder / "claims-2023-02.csv")
    (folder / "claims-2023-03.csv").symlink_to("nowhere")
    (folder / "claims-2023-04.csv").write_text("x")
    assert list(landed_files(tmp_path, PATTERNS)) == ["claims/claims-2023-04.csv"]
    (tmp_path / "policies").write_text("no folder")
    assert landed_files(tmp_path, {"policies": ".*"}) == {}


def test_parts_and_other_names_are_no_landed_files(tmp_path: Path) -> None:
    folder = tmp_path / "claims"
    folder.mkdir()
    for name in ("claims-2023-01.csv", "claims-2023-02.csv.part", "notes.txt", ".claims-2023-03.csv"):
        (folder / name).write_text("12345")
    (state,) = landed_files(tmp_path, PATTERNS).items()
    assert state[0] == "claims/claims-2023-01.csv" and state[1][0] == 5


def test_the_note_of_what_is_known_is_kept_and_a_broken_one_is_as_none(tmp_path: Path) -> None:
    assert read_known(tmp_path) == {}
    write_known(tmp_path, {"claims/a.csv": [(10, 1), (11, 2)]})
    assert read_known(tmp_path) == {"claims/a.csv": {(10, 1), (11, 2)}}
    (tmp_path / ".known.json").write_text("[1, 2")
    assert read_known(tmp_path) == {}


def test_files_in_folders_below_a_source_s_are_found_where_its_pattern_has_folders(tmp_path: Path) -> None:
    for name in ("2023/05/claims-1.csv", "claims-2.csv", ".hidden/claims-3.csv", "2023/claims-4.csv.part"):
        (tmp_path / "claims" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "claims" / name).write_text("x")
    (tmp_path / "claims" / "2023" / "circle").symlink_to(tmp_path / "claims")
    found = landed_files(tmp_path, {"claims": FileNames("**/claims-*.csv").regex.pattern})
    assert list(found) == ["claims/2023/05/claims-1.csv", "claims/claims-2.csv"]
    assert list(landed_files(tmp_path, {"claims": FileNames("claims-*.csv").regex.pattern})) == ["claims/claims-2.csv"]
