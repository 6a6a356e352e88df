"""Tokens: each has a name, which goes on record, and a role. Kept is only a token's hash; it is shown once.

A token is 256 random bits, so its SHA-256 is as hard to turn back as a slow hash of it would be, and costs a
microsecond on the way of an answer. Looked up is the hash: how long that takes tells nothing of a guessed token.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from lakeloop.access.roles import Role, User, checked_role
from lakeloop.events import now
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.operational_db import engine, tokens
from lakeloop.settings import Settings

PREFIX = "lakeloop_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


@dataclass(frozen=True)
class Token:
    """What is known of a token; never the token itself. Times are ISO 8601 in UTC; `expires_at` '' if it never does,
    `revoked_at` '' while nobody has ended it.
    """

    id: int
    name: str
    role: Role
    created_at: str
    created_by: str
    expires_at: str = ""
    revoked_at: str = ""
    revoked_by: str = ""

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return bool(self.expires_at) and self.expires_at <= now()


def new_token() -> str:
    """A token that nobody has yet; by its beginning it is known for one where it should not stand."""
    return PREFIX + secrets.token_urlsafe(32)


def token_hash(token: str | bytes) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token if isinstance(token, bytes) else token.encode()).hexdigest()


def create_token(
    settings: Settings, name: str, role: str, by: str, token: str = "", seconds: float | None = None
) -> str:
    """Make a token, which is given back and can never be read again; or keep the given one. It is good for so many
    seconds, None: until it is revoked. It takes the place of one of that name whose time is over.

    Raises:
        WrongUseError: the name or the role cannot be one, or somebody has the name already.
    """
    if not _NAME.fullmatch(name):
        raise WrongUseError(
            f"a token's name cannot be {name!r}: 1 to 64 letters, digits and . _ @ -, first a letter or digit"
        )
    values = {"name": name, "role": checked_role(role), "created_at": now(), "created_by": by}
    until = None if seconds is None else now(seconds)
    token = token or new_token()
    over = update(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None), tokens.c.expires_at <= now())
    try:
        with engine(settings.operational_db).begin() as connection:
            connection.execute(over.values(revoked_at=now(), revoked_by=by))
            connection.execute(insert(tokens).values(**values, hash=token_hash(token), expires_at=until))
    except IntegrityError:
        raise WrongUseError(
            f"{name} has a token already; `lakeloop token revoke {name}` first, or choose another name"
        ) from None
    return token


def revoke_token(settings: Settings, name: str, by: str) -> Token:
    """End a token: services refuse it within a second. It stays on record.

    Raises:
        NotFoundError: nobody of that name has one.
    """
    found = next((token for token in all_tokens(settings) if token.name == name and not token.revoked_at), None)
    if found is None:
        raise NotFoundError(f"nobody called {name!r} has a token; `lakeloop token list` shows who has")
    change = update(tokens).where(tokens.c.id == found.id, tokens.c.revoked_at.is_(None))
    revoked_at = now()
    with engine(settings.operational_db).begin() as connection:
        connection.execute(change.values(revoked_at=revoked_at, revoked_by=by))
    return replace(found, revoked_at=revoked_at, revoked_by=by)


def all_tokens(settings: Settings) -> tuple[Token, ...]:
    """Every token there ever was, the oldest first."""
    columns = [column for column in tokens.c if column.name != "hash"]
    with engine(settings.operational_db).connect() as connection:
        return tuple(
            Token(
                r.id,
                r.name,
                r.role,
                r.created_at,
                r.created_by,
                r.expires_at or "",
                r.revoked_at or "",
                r.revoked_by or "",
            )
            for r in connection.execute(select(*columns).order_by(tokens.c.id))
        )


def users_by_hash(settings: Settings) -> dict[str, User]:
    """Who has a token that is good, by the token's hash."""
    query = select(tokens.c.hash, tokens.c.name, tokens.c.role).where(_good())
    with engine(settings.operational_db).connect() as connection:
        return {row.hash: User(row.name, row.role) for row in connection.execute(query)}


def was_ever(settings: Settings, token: str) -> bool:
    """Whether the token is on record, good or revoked."""
    with engine(settings.operational_db).connect() as connection:
        return connection.scalar(select(tokens.c.id).where(tokens.c.hash == token_hash(token))) is not None


def _good() -> ColumnElement[bool]:
    return tokens.c.revoked_at.is_(None) & or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now())
