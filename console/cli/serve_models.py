"""`lakeloop serve models`: the model server."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from console.cli.options import open_use_case
from console.cli.render import console
from console.cli.use_case_option import UseCaseOption
from lakeloop.exceptions import NotFoundError
from lakeloop.pushed_models import model_folder
from serving.model_server import flags
from serving.model_server.model_config import newest_of, read_config
from serving.model_server.server import Ports, serve


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
    use_case: UseCaseOption = "",
) -> None:
    """Serve the newest pushed model over TensorFlow Serving's REST and gRPC APIs; new versions go live at once."""
    case = open_use_case(use_case)
    given = flags.parse(context.args, "lakeloop serve models")
    model_config = model_config or given.model_config_file
    if given.model_base_path is not None:
        served = newest_of({given.model_name: given.model_base_path})
    elif model_config is not None:
        served = read_config(model_config)
    else:
        served = newest_of({case.name: case.folder("models")})
        try:
            model_folder(case)
        except NotFoundError:
            if not wait:
                raise

    def ready(ports: Ports) -> None:
        for name in served:
            url = f"http://{ports.host}:{ports.rest}/v1/models/{quote(name, safe='')}"
            console.print(f"{name}: {url}\n  curl {url}\n  curl {url}/metadata", soft_wrap=True)
        console.print(f"gRPC: {ports.host}:{ports.grpc}  (Ctrl-C stops)", soft_wrap=True)

    defaults = case.settings.model_server_port, case.settings.model_server_grpc_port
    ports = flags.ports_of(given, port, grpc_port, defaults)
    serve(served, flags.options_of(given, host, ports, poll), ready, model_config)
