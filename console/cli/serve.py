"""`lakeloop serve`: start what answers clients."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from console.cli.options import UseCase, open_use_case
from console.cli.render import console
from lakeloop.exceptions import NotFoundError

app = typer.Typer(no_args_is_help=True, help="Start what answers clients. Everything listens on loopback by default.")


@app.callback()
def group() -> None:
    """Start what answers clients."""


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="TensorFlow Serving's flags are understood too, by their own names (--rest_api_timeout_in_ms=5000); "
    "`python -m serving.model_server --help` lists them.",
)
def models(
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
    use_case: UseCase = "",
) -> None:
    """Serve the newest pushed model over TensorFlow Serving's REST and gRPC APIs; new versions go live at once."""
    from serving.model_server import flags
    from serving.model_server.model_config import newest_of, read_config
    from serving.model_server.server import Ports, serve
    from tfx_pipeline.evaluation.validate import model_folder

    settings, contract = open_use_case(use_case)
    told = flags.parse(context.args, "lakeloop serve models")
    model_config = model_config or told.model_config_file
    if told.model_base_path is not None:
        served = newest_of({told.model_name: told.model_base_path})
    elif model_config is not None:
        served = read_config(model_config)
    else:
        served = newest_of({contract.use_case: settings.folder("models")})
        try:
            model_folder(settings)
        except NotFoundError:
            if not wait:
                raise

    def ready(ports: Ports) -> None:
        for name in served:
            url = f"http://{ports.host}:{ports.rest}/v1/models/{quote(name, safe='')}"
            console.print(f"{name}: {url}\n  curl {url}\n  curl {url}/metadata", soft_wrap=True)
        console.print(f"gRPC: {ports.host}:{ports.grpc}  (Ctrl-C stops)", soft_wrap=True)

    rest_port = told.rest_api_port if port is None else port
    if rest_port is None:
        rest_port = settings.model_server_port
    if grpc_port is None:
        grpc_port = settings.model_server_grpc_port if rest_port else 0
    serve(served, flags.options_of(told, host, rest_port, grpc_port, poll), ready, model_config)


@app.command()
def gateway(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; default 8000, 0 takes a free one.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    model_url: Annotated[
        str, typer.Option(help="The model server's REST API, e.g. http://127.0.0.1:8501; default: the settings'.")
    ] = "",
    use_case: UseCase = "",
) -> None:
    """Answer requests: check them by the contract, ask the model or the rules, log every answer.

    It needs no model to start: until one is served, the rules answer and say so.
    """
    from serving.gateway.server import serve

    settings, contract = open_use_case(use_case)
    if model_url:
        settings = settings.model_copy(update={"model_server_url": model_url})

    def ready(host: str, port: int) -> None:
        url = f"http://{host}:{port}"
        console.print(
            f"{contract.use_case}: {url}  (Ctrl-C stops)\n  model: {settings.model_server}\n"
            f"  page {url}/   API {url}/docs   health {url}/health   metrics {url}/metrics",
            soft_wrap=True,
        )

    serve(settings, contract, host, settings.gateway_port if port is None else port, ready)
