"""`lakeloop serve`: start what answers clients."""

from typing import Annotated

import typer

from lakeloop.cli.options import UseCase, open_use_case
from lakeloop.cli.render import console
from lakeloop.errors import NotFound

app = typer.Typer(no_args_is_help=True, help="Start what answers clients. Everything listens on loopback by default.")


@app.callback()
def group() -> None:
    """Start what answers clients."""


@app.command()
def models(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="REST port; default 8501, 0 takes a free one.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    poll: Annotated[float, typer.Option(min=0.05, help="Seconds between looks for a new version.")] = 1.0,
    wait: Annotated[
        bool, typer.Option("--wait", help="Start even if no model is pushed yet, and wait for one.")
    ] = False,
    use_case: UseCase = "",
) -> None:
    """Serve the newest pushed model over TensorFlow Serving's REST API; new versions go live without a pause."""
    from serving.model_server.server import serve
    from tfx_pipeline.validate import model_folder

    settings, contract = open_use_case(use_case)
    try:
        model_folder(settings)
    except NotFound:
        if not wait:
            raise
    name = contract.use_case

    def ready(host: str, port: int) -> None:
        url = f"http://{host}:{port}/v1/models/{name}"
        console.print(f"{name}: {url}  (Ctrl-C stops)\n  curl {url}\n  curl {url}/metadata", soft_wrap=True)

    serve(
        {name: settings.folder("models")},
        host=host,
        port=settings.model_server_port if port is None else port,
        poll_seconds=poll,
        on_ready=ready,
    )
