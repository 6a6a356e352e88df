"""What the workshop's notebooks share: `%%bash`, figures, and pages that a command wrote.

In the book nothing of it needs a network.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from IPython.display import HTML, FileLink
from plotly.offline import get_plotlyjs

from console.report.figure_style import embedded

PLOTLY = "../_static/plotly.min.js"
"""Where a page of the book finds Plotly: one copy for all."""
PAGES = "LAKELOOP_BOOK_PAGES"
COLOURS = ("FORCE_COLOR", "CLICOLOR_FORCE", "CLICOLOR")
"""The kernel asks programs for colours and moving pictures; a page cannot show them."""


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext show`: IPython's own `%%bash` cuts letters of several bytes in two, and ends what it started."""
    shell.register_magic_function(bash, "cell")


def bash(line: str, cell: str) -> None:
    """`%%bash -e`: run the cell, show what it prints as it comes; a code other than 0 fails the cell.

    What it leaves in the background goes on when the notebook has ended.

    Raises:
        subprocess.CalledProcessError: bash ended with another code than 0.
    """
    environment = {name: value for name, value in os.environ.items() if name not in COLOURS}
    command = ["bash", "-o", "pipefail", *shlex.split(line), "-c", cell]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=environment, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for printed in process.stdout:
            sys.stdout.write(printed)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "bash")


def figure(drawn: go.Figure) -> HTML | go.Figure:
    """A figure; in the book it uses the book's copy of Plotly."""
    if PAGES not in os.environ:
        return drawn
    return HTML(f'<script src="{PLOTLY}"></script>{embedded(drawn)}')


def page(path: Path, name: str, height: int = 620) -> HTML | FileLink:
    """A page in a frame of that height in pixels, with a link that opens it; outside the book the link alone.

    In the book the page's own copy of Plotly is replaced by the book's.
    """
    if PAGES not in os.environ:
        return FileLink(path)
    text = path.read_text(encoding="utf-8")
    shared = text.replace(f"<script>{get_plotlyjs()}</script>", f'<script src="{PLOTLY}"></script>')
    (Path(os.environ[PAGES]) / f"{name}.html").write_text(shared, encoding="utf-8")
    address = f"../pages/{name}.html"
    return HTML(
        f'<iframe class="page" src="{address}" title="{name}" loading="lazy" style="height:{height}px"></iframe>'
        f'<p class="page-link"><a href="{address}" target="_blank">Open this page by itself</a></p>'
    )
