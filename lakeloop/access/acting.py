"""Who acts, as it goes on record: the user of a token where services ask for one, else whoever says so."""

import getpass
import os
from collections.abc import Mapping
from typing import Any

from lakeloop.access.roles import Role, User
from lakeloop.exceptions import NotAllowedError
from lakeloop.settings import Settings


def who_acts(settings: Settings, needed: Role, named: str = "", scope: Mapping[str, Any] | None = None) -> str:
    """The name of who acts, for a decision, a switch or whatever is kept of it; `needed`: what that takes.

    With LAKELOOP_AUTH=on it is the user of LAKELOOP_TOKEN, or of the request whose ASGI `scope` is given
    (`request.scope`). Who may administer may act for another, as Airflow's tasks do for whom Airflow knows; both are
    named then. Else it is `named`, or the user running this.

    >>> who_acts(settings, "decide")
    'ann'

    Raises:
        NotAllowedError: there is no token, none that is known, or its role is not enough; or `named` is another's name.
    """
    named = named.strip()
    if not settings.asks_who:
        return named or system_user()
    user = _user_of_command(settings, needed) if scope is None else user_of(scope)
    if user is None:
        raise NotAllowedError(f"nobody is logged in; this needs the role {needed}")
    if not user.may(needed):
        raise NotAllowedError(not_enough(user, needed, "this"))
    if not named or named == user.name:
        return user.name
    if not user.may("administer"):
        raise NotAllowedError(
            f"the token is that of {user.name}, so it is {user.name} who goes on record, not {named}; only who may "
            "administer acts for others"
        )
    return f"{named} (through {user.name})"


def user_of(scope: Mapping[str, Any]) -> User | None:
    """Who asks, as the guard of a service found out; None where nobody is asked."""
    user = scope.get("state", {}).get("user")
    return user if isinstance(user, User) else None


def authorization(token: str) -> dict[str, str]:
    """The headers of a request by a token; none without one."""
    return {"authorization": f"Bearer {token}"} if token else {}


def not_enough(user: User, needed: Role, what: str) -> str:
    """That a role is not enough, in words."""
    return (
        f"{what} needs the role {needed}; the token of {user.name} has the role {user.role}: whoever administers makes "
        f"one that may, by `lakeloop token create --name NAME --role {needed}`"
    )


def system_user() -> str:
    """The user running this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def _user_of_command(settings: Settings, needed: Role) -> User:
    # the database's library, where somebody is asked
    from lakeloop.access.generated import token_file
    from lakeloop.access.tokens import token_hash, users_by_hash

    token = settings.own_token
    if not token:
        raise NotAllowedError(
            f"this needs a token with the role {needed}, since LAKELOOP_AUTH is on: set LAKELOOP_TOKEN, or "
            "LAKELOOP_TOKEN_FILE to a file with it; whoever may administer makes one by "
            f"`lakeloop token create --name NAME --role {needed}`; {token_file(settings, needed)} is the first start's"
        )
    user = users_by_hash(settings).get(token_hash(token))
    if user is None:
        raise NotAllowedError(
            "the token in LAKELOOP_TOKEN is not known here, its time is over, or it was revoked: ask for a new one"
        )
    return user
