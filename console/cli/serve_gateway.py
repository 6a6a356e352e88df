"""`lakeloop serve gateway`: what answers clients."""

from dataclasses import replace
from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import console
from console.cli.use_case_option import UseCaseOption
from serving.gateway.server import serve


def gateway_command(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; default 8000, 0 takes a free one.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    model_url: Annotated[
        str, typer.Option(help="The model server's REST API, e.g. http://127.0.0.1:8501; default: the settings'.")
    ] = "",
    use_case: UseCaseOption = "",
) -> None:
    """Answer requests: check them by the contract, ask the model or the rules, log every answer.

    It needs no model to start: until one is served, the rules answer and say so.
    """
    case = open_use_case(use_case)
    if model_url:
        case = replace(case, settings=case.settings.model_copy(update={"model_server_url": model_url}))

    def ready(host: str, port: int) -> None:
        url = f"http://{host}:{port}"
        console.print(
            f"{case.name}: {url}  (Ctrl-C stops)\n  model: {case.settings.model_server}\n"
            f"  page {url}/   API {url}/docs   health {url}/health   metrics {url}/metrics",
            soft_wrap=True,
        )

    serve(case, host, case.settings.gateway_port if port is None else port, ready)
