"""The workshop as JupyterLab gets it: notebooks whose cells are the chapters', and nobody's work is overwritten."""

from pathlib import Path

import nbformat

from console.platform.container_notebooks import WORKSHOP, put_workshop


def test_every_chapter_is_a_notebook_beside_what_they_share(tmp_path: Path) -> None:
    put_workshop(tmp_path / "workshop")
    chapters = sorted(path.stem for path in WORKSHOP.glob("0*.md"))
    assert len(chapters) == 9
    assert sorted(path.stem for path in (tmp_path / "workshop").glob("*.ipynb")) == chapters
    assert (tmp_path / "workshop" / "show.py").read_bytes() == (WORKSHOP / "show.py").read_bytes()
    gate = nbformat.read(tmp_path / "workshop" / "02-gate.ipynb", as_version=4)
    nbformat.validate(gate)
    assert gate.metadata.kernelspec.name == "python3"
    code = [cell.source for cell in gate.cells if cell.cell_type == "code"]
    assert code[0] == "%load_ext show" and any(source.startswith("%%bash -e\n") for source in code)


def test_what_somebody_worked_on_stays(tmp_path: Path) -> None:
    first = put_workshop(tmp_path)
    (tmp_path / "02-gate.ipynb").write_text("mine")
    (tmp_path / "03-serving.ipynb").unlink()
    assert len(first) > 9 and [path.name for path in put_workshop(tmp_path)] == ["03-serving.ipynb"]
    assert (tmp_path / "02-gate.ipynb").read_text() == "mine"
