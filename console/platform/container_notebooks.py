"""The workshop for JupyterLab: `python -m console.platform.container_notebooks FOLDER`, before it starts.

The chapters are written as MyST Markdown; JupyterLab opens `.ipynb`. What is in the folder already stays: somebody may
have worked on it.
"""

import sys
from pathlib import Path

from lakeloop.settings import PROJECT

WORKSHOP = PROJECT / "docs" / "workshop"


def put_workshop(folder: Path, source: Path = WORKSHOP) -> list[Path]:
    """Put each chapter as a notebook, and what they share, into a folder; gives the files that were not there yet."""
    import jupytext

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for path in sorted(source.glob("*")):
        is_chapter = path.suffix == ".md" and "format_name: myst" in path.read_text(encoding="utf-8")[:300]
        target = folder / (f"{path.stem}.ipynb" if is_chapter else path.name)
        if not path.is_file() or target.exists():
            continue
        if is_chapter:
            jupytext.write(jupytext.read(path), target)
        else:
            target.write_bytes(path.read_bytes())
        made.append(target)
    return made


if __name__ == "__main__":
    put_workshop(Path(sys.argv[1]))
