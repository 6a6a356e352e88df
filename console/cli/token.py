"""`lakeloop token`: who may act."""

from typing import Annotated

import typer

from console.cli.render import DIM, console, table
from lakeloop.access.acting import who_acts
from lakeloop.access.generated import GENERATED
from lakeloop.access.roles import ROLES
from lakeloop.access.tokens import all_tokens, create_token, revoke_token
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import load_settings


def create_command(
    name: Annotated[str, typer.Option(help="Who goes on record as the one who acts.")],
    role: Annotated[str, typer.Option(metavar="|".join(ROLES), help="What that may be; each includes those before.")],
) -> None:
    """Make somebody's token and show it, this once.

    The token alone goes to standard output, what is to know of it to standard error; only its hash is kept.
    """
    settings = load_settings()
    by = who_acts(settings, "administer")
    if name in GENERATED:
        raise WrongUseError(f"{name} is the name of a token that is made at the first start; choose another one")
    token = create_token(settings, name, role, by)
    typer.echo(token)
    typer.echo(f"this is the token of {name}, with the role {role}; it is not shown again", err=True)


def list_command() -> None:
    """Say who has a token, with which role; never the tokens."""
    settings = load_settings()
    who_acts(settings, "read")
    found = all_tokens(settings)
    if found:
        head = ("name", "role", "made (UTC)", "by", "revoked", "by")
        rows = [(t.name, t.role, t.created_at[:19], t.created_by, t.revoked_at[:19], t.revoked_by) for t in found]
        console.print(table(head, rows))
    else:
        console.print("nobody has a token yet")
    if not settings.asks_who:
        console.print("nobody is asked for one: LAKELOOP_AUTH is off", style=DIM)


def revoke_command(name: Annotated[str, typer.Argument(help="As `list` shows it.")]) -> None:
    """End somebody's token: services refuse it within a second.

    One that was made at the first start is made anew at the next.
    """
    settings = load_settings()
    token = revoke_token(settings, name, who_acts(settings, "administer"))
    console.print(f"the token of {token.name}, with the role {token.role}, is good no more")
