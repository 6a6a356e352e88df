"""Runs the workshop's notebooks one after the other in one home, and says how far it is."""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import jupytext
import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from console.platform.marked_processes import MARK, end_strays

CELL_SECONDS = 1200
LONGEST = 60
"""Lines of a failed cell's output that are told, the last ones."""
PORTS = ("MODEL_SERVER", "MODEL_SERVER_GRPC", "GATEWAY", "MONITOR")


class ChapterError(Exception):
    """A cell of a chapter failed; the text names the chapter, shows the cell and what it printed."""


def run_chapters(
    chapters: Sequence[str], docs: Path, made: Path, home: Path, pages: Path, tell: Callable[[str], None]
) -> None:
    """Run `docs/<chapter>.md` in order and write each with its outputs to `made/<chapter>.ipynb`.

    All share the empty `home`. Pages that the chapters show are copied to `pages`. What they started in the background
    is ended.

    Raises:
        ChapterError: a cell failed, took too long, or its kernel died.
    """
    home.mkdir(parents=True)
    pages.mkdir(parents=True)
    environment = _environment(home, pages)
    try:
        for number, chapter in enumerate(chapters, start=1):
            began = time.monotonic()
            notebook = jupytext.read(docs / f"{chapter}.md")
            _run(notebook, chapter, (docs / chapter).parent, environment)
            _shorten_paths(notebook, home)
            target = made / f"{chapter}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, target)
            tell(f"{number} of {len(chapters)}  {chapter:<32} {time.monotonic() - began:6.1f} s")
    finally:
        end_strays(home)


def _run(notebook: nbformat.NotebookNode, chapter: str, folder: Path, environment: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory() as sockets:  # short paths: a socket's may have 107 characters
        kernel = AsyncKernelManager(
            kernel_name="python3", transport="ipc", connection_file=str(Path(sockets) / "kernel.json")
        )
        _run_on(kernel, notebook, chapter, folder, environment)


def _run_on(
    kernel: AsyncKernelManager,
    notebook: nbformat.NotebookNode,
    chapter: str,
    folder: Path,
    environment: Mapping[str, str],
) -> None:
    client = NotebookClient(
        notebook, km=kernel, timeout=CELL_SECONDS, coalesce_streams=True, resources={"metadata": {"path": str(folder)}}
    )
    try:
        client.execute(env=dict(environment), cleanup_kc=True)
    except CellExecutionError:
        raise ChapterError(_told(notebook, chapter, "failed")) from None
    except CellTimeoutError:
        raise ChapterError(_told(notebook, chapter, f"took more than {CELL_SECONDS} s")) from None
    except DeadKernelError:
        raise ChapterError(f"chapter {chapter}: the notebook's kernel died") from None


def _shorten_paths(notebook: nbformat.NotebookNode, home: Path) -> None:
    """Where this book happened to be built says nothing to its reader: what was printed names the home `var`."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                output.text = output.text.replace(str(home), "var")


def _told(notebook: nbformat.NotebookNode, chapter: str, what: str) -> str:
    """The chapter, the cell that was run last, and the end of what it printed."""
    cell = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.get("execution_count")][-1]
    printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    lines = printed.rstrip("\n").split("\n")
    lines += [f"{output.ename}: {output.evalue}" for output in cell.outputs if output.output_type == "error"]
    shown = "\n".join(f"  | {line}" for line in lines[-LONGEST:])
    source = "\n".join(f"  > {line}" for line in cell.source.split("\n"))
    return f"chapter {chapter}: this cell {what}\n{source}\n{shown}"


def _environment(home: Path, pages: Path) -> dict[str, str]:
    """What the notebooks' kernels start with: the home, free ports, a warm Java, this Python's commands first."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LAKELOOP_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "LAKELOOP_HOME": str(home),
        "LAKELOOP_SPARK_KEEP_SECONDS": "600",
        "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1",  # what is run once is not worth Java's second compiler
        "LAKELOOP_BOOK_PAGES": str(pages),
        **{f"LAKELOOP_{name}_PORT": str(port) for name, port in zip(PORTS, _free_ports(len(PORTS)), strict=True)},
        MARK: str(home),
    }


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
