"""`lakeloop token`: who may act."""

from typing import Annotated

import typer

from console.cli.render import DIM, console, table
from console.platform.generated_secrets import remove_airflow_user
from lakeloop.access.acting import who_acts
from lakeloop.access.generated import GENERATED
from lakeloop.access.roles import ROLES
from lakeloop.access.tokens import Token, all_tokens, create_token, revoke_token
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import load_settings


def create_command(
    name: Annotated[str, typer.Option(help="Who goes on record as the one who acts.")],
    role: Annotated[str, typer.Option(metavar="|".join(ROLES), help="What that may be; each includes those before.")],
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="How long it is good; until revoked.")] = None,
) -> None:
    """Make somebody's token and show it, this once.

    The token alone goes to standard output, what is to know of it to standard error; only its hash is kept.
    """
    settings = load_settings()
    by = who_acts(settings, "administer")
    if name in GENERATED:
        raise WrongUseError(f"{name} is the name of a token that is made at the first start; choose another one")
    token = create_token(settings, name, role, by, seconds=None if days is None else days * 24 * 3600)
    typer.echo(token)
    until = "" if days is None else f", good for {days} days"
    typer.echo(f"this is the token of {name}, with the role {role}{until}; it is not shown again", err=True)


def list_command() -> None:
    """Say who has a token, with which role; never the tokens."""
    settings = load_settings()
    who_acts(settings, "read")
    found = all_tokens(settings)
    if found:
        head = ("name", "role", "made (UTC)", "by", "good until", "revoked", "by")
        console.print(table(head, [_row(token) for token in found]))
    else:
        console.print("nobody has a token yet")
    if not settings.asks_who:
        console.print("nobody is asked for one: LAKELOOP_AUTH is off", style=DIM)


def revoke_command(name: Annotated[str, typer.Argument(help="As `list` shows it.")]) -> None:
    """End somebody's token: services refuse it within a second, and Airflow lets nobody in by that name.

    One that was made at the first start is made anew at the next.
    """
    settings = load_settings()
    token = revoke_token(settings, name, who_acts(settings, "administer"))
    remove_airflow_user(settings, name)
    console.print(f"the token of {token.name}, with the role {token.role}, is good no more")


def _row(token: Token) -> tuple[str, ...]:
    until = f"{token.expires_at[:19]}{' (over)' if token.expired else ''}"
    made, revoked = token.created_at[:19], token.revoked_at[:19]
    return token.name, token.role, made, token.created_by, until, revoked, token.revoked_by
