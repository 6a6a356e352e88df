"""`lakeloop serve gateway`: what answers clients."""

from typing import Annotated

import typer

from console.cli.render import console
from console.cli.use_case_option import OnlyOption
from lakeloop.live_use_cases import LiveUseCases
from lakeloop.settings import load_settings
from serving.gateway.server import serve


def gateway_command(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; default 8000, 0 takes a free one.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    model_url: Annotated[
        str, typer.Option(help="The model server's REST API, e.g. http://127.0.0.1:8501; default: the settings'.")
    ] = "",
    only: OnlyOption = None,
    use_case: Annotated[
        str,
        typer.Option(
            "--use-case", "-u", help="The use case that paths without one ask, as /predict/; default: the project's."
        ),
    ] = "",
) -> None:
    """Answer requests: check them by the contract, ask the model or the rules, log every answer.

    It serves all use cases, each at its own path, /<use case>/predict/. New folders are picked up while it runs; a
    contract that has mistakes is told at /health, and harms no other. No model is needed to start: until one is
    served, the rules answer and say so.
    """
    settings = load_settings(use_case=use_case, served_use_cases=",".join(only or ()), model_server_url=model_url)

    def ready(host: str, port: int) -> None:
        url = f"http://{host}:{port}"
        console.print(
            f"gateway: {url}  (Ctrl-C stops)\n  model server: {settings.model_server}\n"
            f"  pages {url}/ and {url}/<use case>/   API {url}/docs   health {url}/health   metrics {url}/metrics",
            soft_wrap=True,
        )

    serve(LiveUseCases(settings), host, settings.gateway_port if port is None else port, ready)
