"""`lakeloop serve models`: the model server."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from console.cli.render import console
from console.cli.use_case_option import OnlyOption
from lakeloop.exceptions import NotFoundError
from lakeloop.model_folders import models_folder
from lakeloop.pushed_models import version_states
from lakeloop.served_models import kept_config, pushed_names
from lakeloop.served_use_cases import check_served, served_names, use_case_folders
from lakeloop.settings import Settings, check_home, load_settings
from serving.model_server import flags
from serving.model_server.model_config import newest_of, read_config
from serving.model_server.server import Ports, serve

CONFIG_SECONDS = 0.5
"""Between two looks at the file of all models: a first push is served within two looks and its load."""


def models_command(
    context: typer.Context,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="REST port; default 8501, 0 takes a free one.")
    ] = None,
    grpc_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="gRPC port; default 8500, or a free one where --port is 0."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    poll: Annotated[float, typer.Option(min=0.05, help="Seconds between looks for a new version.")] = 1.0,
    wait: Annotated[
        bool, typer.Option("--wait", help="Start even if no model is pushed yet, and wait for one.")
    ] = False,
    model_config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Serve the models of this file instead: TensorFlow Serving's ModelServerConfig as text, with "
            "version policies and labels.",
        ),
    ] = None,
    only: OnlyOption = None,
    use_case: Annotated[str, typer.Option("--use-case", "-u", help="The same as --only, for one use case.")] = "",
) -> None:
    """Serve the champions of all use cases over TensorFlow Serving's APIs; new ones go live at once.

    `--model_base_path` serves a folder's newest version, as there. Only of a use case's own folder, under its name, it
    is the champion that serves.
    """
    named = use_case or context.find_root().params.get("use_case")
    settings = load_settings(served_use_cases=",".join([*(only or ()), *([named] if named else [])]))
    given = flags.parse(context.args, "lakeloop serve models")
    model_config = model_config or given.model_config_file
    defaults = settings.model_server_port, settings.model_server_grpc_port
    options = flags.options_of(given, host, flags.ports_of(given, port, grpc_port, defaults), poll)
    base, name = given.model_base_path, given.model_name
    if base is not None and _is_own(settings, name, base):
        settings, base, wait = settings.model_copy(update={"served_use_cases": name}), None, True
    own = [""]  # the server's own address, once it listens
    with ExitStack() as stack:
        if base is not None:
            served = newest_of({name: base})
        else:
            if model_config is None:
                _check(settings, wait)
                model_config = stack.enter_context(kept_config(settings, lambda name: version_states(own[0], name)))
                # its labels are there before its versions are loaded
                options = replace(options, config_seconds=CONFIG_SECONDS, any_labels=True)
            served = read_config(model_config)
        serve(served, options, _ready(list(served), own), model_config)


def _is_own(settings: Settings, name: str, folder: Path) -> bool:
    """Whether it is the folder of a use case's pushed models, whose releases say which of them serves."""
    return name in use_case_folders(settings) and folder.resolve() == models_folder(settings, name).resolve()


def _check(settings: Settings, wait: bool) -> None:
    """Raises for a use case that is not there, and without `wait` where nothing was pushed at all."""
    check_home(settings)
    check_served(settings)
    if not wait and not pushed_names(settings):
        raise NotFoundError(
            f"no model of {', '.join(served_names(settings)) or 'any use case'} was pushed yet; `lakeloop train` "
            "pushes one the gate has blessed, and --wait starts without one"
        )


def _ready(served: list[str], own: list[str]) -> Callable[[Ports], None]:
    def ready(ports: Ports) -> None:
        own[0] = f"http://{ports.host}:{ports.rest}"
        for name in served:
            url = f"http://{ports.host}:{ports.rest}/v1/models/{quote(name, safe='')}"
            console.print(f"{name}: {url}\n  curl {url}\n  curl {url}/metadata", soft_wrap=True)
        if not served:
            console.print(f"REST: http://{ports.host}:{ports.rest}, waiting for a first push", soft_wrap=True)
        console.print(f"gRPC: {ports.host}:{ports.grpc}  (Ctrl-C stops)", soft_wrap=True)

    return ready
