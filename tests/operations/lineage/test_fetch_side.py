"""Lineage knows the code that fetched a file."""

from pathlib import Path

from lakeloop.own_code import code_sha256
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from operations.fetching.landed import FetchedFiles
from operations.lineage.fetch_side import add_fetching_code
from operations.lineage.graph import LineageDraft
from tests.operations.fetching.conftest import write_use_case


def test_a_fetched_file_tells_its_code_and_whether_that_changed(tmp_path: Path) -> None:
    folder = write_use_case(tmp_path / "use_cases", "rides")
    use_case = open_use_case(load_settings(home=tmp_path / "home", use_cases=folder.parent, use_case="rides"))
    files = FetchedFiles(use_case, "weather")
    for period in ("2024-01", "2024-02"):
        (folder / "weather.py").write_text(f"# of {period}\n")
        files.take(period, lambda into, name=f"weather-{period}.csv": (into / name).write_text("ride,tip\n"))  # type: ignore[misc]
    draft = LineageDraft()
    for month, delivered in (("2024-01", "weather"), ("2024-02", "weather"), ("2024-01", "prices")):
        draft.add("file", f"{delivered}/{delivered}-{month}.csv batch 1", f"{delivered}/{delivered}-{month}.csv")
    add_fetching_code(draft, use_case)
    told = [item.facts.get("fetched by", "") for item in draft.finish("").items]
    now = code_sha256(folder / "weather.py")
    assert "it has changed since" in told[0] and told[1] == f"weather.py, sha256 {now} (as it is now)"
    assert told[2] == "", "of a table of somebody else's"
