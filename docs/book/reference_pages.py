"""The pages that every build writes anew: command line, REST API, Python API."""

from collections.abc import Mapping

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from console.cli.app import application
from docs.book.api_reference import PACKAGES, api_pages
from docs.book.contents import REFERENCE
from docs.book.rest_reference import rest_page
from lakeloop.live_use_cases import GivenUseCase
from lakeloop.settings import PROJECT, load_settings
from lakeloop.use_case import open_use_case

COMMAND_LINE, REST, API = f"{REFERENCE}/command-line", f"{REFERENCE}/gateway", f"{REFERENCE}/api"


def reference_names() -> tuple[str, ...]:
    """The pages that `reference_pages` makes."""
    return (COMMAND_LINE, REST, API, *(f"{API}/{folder.replace('/', '-')}" for folder in PACKAGES))


def reference_pages() -> Mapping[str, str]:
    """MyST Markdown by page name."""
    api = {f"{API}/{name}": text for name, text in api_pages(PROJECT).items()}
    return {COMMAND_LINE: _command_line(), REST: _rest(), API: _packages(), **api}


def _packages() -> str:
    lines = ["# The Python API", "", "Every public class and function, from the docstrings.", ""]
    lines += ["| package | what lives there |", "|---|---|"]
    for folder, what in PACKAGES.items():
        lines.append(f"| [{folder.replace('/', '.')}](api/{folder.replace('/', '-')}.md) | {what} |")
    return "\n".join(lines)


def _command_line() -> str:
    """Typer's own description of every command."""
    command = get_command(application(lazy=False))
    text = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="lakeloop"), name="lakeloop")
    return text.replace("# `lakeloop`\n", "# The command line\n", 1)


def _rest() -> str:
    from serving.gateway.app import make_app

    use_case = open_use_case(load_settings())
    return rest_page(make_app(GivenUseCase(use_case)).app.openapi(), use_case.name)
