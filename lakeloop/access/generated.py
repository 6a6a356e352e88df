"""The tokens of the first start: one a role, and one for each service that asks others. Files of mode 600.

They stand among the home's secrets; or somebody made them before, as secrets of containers: LAKELOOP_TOKENS names the
folder, in which nothing is written, and whatever of them is there is good.
"""

import logging
from pathlib import Path

from lakeloop.access.roles import Role
from lakeloop.access.tokens import create_token, new_token, revoke_token, token_hash, users_by_hash, was_ever
from lakeloop.exceptions import WrongUseError
from lakeloop.file_lock import in_turn
from lakeloop.secret_files import ensure_secret, private_folder, secrets_folder, write_secret
from lakeloop.settings import Settings

log = logging.getLogger(__name__)

PLATFORM = "lakeloop"
"""Whose token the platform's own processes have, Airflow's tasks among them."""
SERVICES: dict[str, Role] = {"prometheus": "read", "alertmanager": "decide", PLATFORM: "administer"}
GENERATED: dict[str, Role] = {"read": "read", "ask": "ask", "decide": "decide", "administer": "administer", **SERVICES}
"""Name → role."""


def token_file(settings: Settings, name: str) -> Path:
    """Where the token of that name stands, if it is one of the first start."""
    return _folder(settings) / f"token-{name}"


def cookie_key_file(settings: Settings) -> Path:
    """Where the key stands that signs who is logged in."""
    return _folder(settings) / "cookie-key"


def cookie_key(settings: Settings) -> str:
    """The key that signs who is logged in. Raises WrongUseError if it is not there."""
    key = _read(cookie_key_file(settings))
    if not key:
        raise WrongUseError(
            f"{cookie_key_file(settings)} is not there, or empty: LAKELOOP_TOKENS must name a folder with it"
        )
    return key


def ensure_tokens(settings: Settings) -> None:
    """Make the tokens that are missing, and new ones for those that were revoked; a good one's file is kept. Given
    ones, of LAKELOOP_TOKENS, are put on record.

    Raises:
        WrongUseError: a file cannot be read.
        LakeloopError: the operational database cannot be opened.
    """
    folder = private_folder(secrets_folder(settings))
    with in_turn(folder / "tokens.lock"):
        if settings.tokens is None:
            ensure_secret(cookie_key_file(settings), new_token())
        good = {user.name: hashed for hashed, user in users_by_hash(settings).items()}
        ensure = _ensure if settings.tokens is None else _ensure_given
        made = [name for name, role in GENERATED.items() if ensure(settings, name, role, good.get(name, ""))]
    if made:
        log.warning(
            "event=tokens_made folder=%s files=%s", _folder(settings), ",".join(f"token-{name}" for name in made)
        )


def _ensure(settings: Settings, name: str, role: Role, good: str) -> bool:
    """Whether one was made; `good` is the hash of the token that is good for this name, if there is one."""
    path = token_file(settings, name)
    token = _read(path)
    if token and token_hash(token) == good:
        path.chmod(0o600)
        return False
    if good:  # its file is gone, so nobody can have it but who should not
        revoke_token(settings, name, by=PLATFORM)
    if not token or was_ever(settings, token):
        token = new_token()
        write_secret(path, token)  # first: a row without a file could never be used
    create_token(settings, name, role, by=PLATFORM, token=token)
    return True


def _ensure_given(settings: Settings, name: str, role: Role, good: str) -> bool:
    """The same for one that somebody else made; a service may be given a part of them."""
    path = token_file(settings, name)
    token = _read(path)
    if not token or token_hash(token) == good:
        return False
    if was_ever(settings, token):
        log.error("event=token_was_revoked file=%s what='remove it and make a new one: nobody takes this one'", path)
        return False
    if good:
        revoke_token(settings, name, by=PLATFORM)
    create_token(settings, name, role, by=PLATFORM, token=token)
    return True


def _folder(settings: Settings) -> Path:
    return secrets_folder(settings) if settings.tokens is None else settings.tokens.absolute()


def _read(path: Path) -> str:
    if not path.exists():
        return ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUseError(f"{path} cannot be read ({error}); mend it, or remove it for a new token") from error
