"""Keys and passwords, made at the first start and never again: mode 600, no defaults, printed nowhere."""

import base64
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lakeloop.access.generated import GENERATED
from lakeloop.access.roles import Role
from lakeloop.access.tokens import users_by_hash
from lakeloop.exceptions import WrongUseError
from lakeloop.secret_files import ensure_secret, private_folder, secrets_folder, write_secret
from lakeloop.settings import Settings

SERVICE_USER = "lakeloop"
ROLES = {"admin": "admin", "demo": "user", SERVICE_USER: "op"}
"""Airflow's users. `demo` may start DAGs and answer questions; `lakeloop` also posts asset events."""
AIRFLOW_ROLES: dict[Role, str] = {"read": "viewer", "ask": "viewer", "decide": "user", "administer": "admin"}
"""What who has a role may do in Airflow: look; start DAGs and answer questions; all."""


@dataclass(frozen=True)
class SecretFiles:
    """Where the secrets stand. `passwords` is Airflow's own form: `{"user": "password"}`."""

    passwords: Path
    jwt_secret: Path
    fernet_key: Path
    session_key: Path


def secret_files(settings: Settings) -> SecretFiles:
    """Where this home's secrets stand, whether they are there yet or not."""
    folder = secrets_folder(settings)
    return SecretFiles(
        passwords=folder / "airflow-passwords.json",
        jwt_secret=folder / "airflow-jwt-secret",
        fernet_key=folder / "airflow-fernet-key",
        session_key=folder / "airflow-session-key",
    )


def ensure_secrets(settings: Settings) -> SecretFiles:
    """Generate what is missing; what is there stays, with its mode set to 600.

    Raises:
        WrongUseError: the file of passwords cannot be read; it is never overwritten.
    """
    files = secret_files(settings)
    private_folder(secrets_folder(settings))
    ensure_secret(files.jwt_secret, secrets.token_urlsafe(64))  # 86 characters: HS512 wants at least 64 bytes
    ensure_secret(files.fernet_key, base64.urlsafe_b64encode(os.urandom(32)).decode())
    ensure_secret(files.session_key, secrets.token_urlsafe(32))
    ensure_secret(files.passwords, "{}")
    _add_users(files.passwords, airflow_users(settings))
    return files


def airflow_users(settings: Settings) -> dict[str, str]:
    """Airflow's users with their roles: with LAKELOOP_AUTH=on everybody who has a token, too, by the token's name."""
    if not settings.asks_who:
        return ROLES
    people = [user for user in users_by_hash(settings).values() if user.name not in GENERATED]
    return {user.name: AIRFLOW_ROLES[user.role] for user in people} | ROLES


def remove_airflow_user(settings: Settings, name: str) -> None:
    """Take the password of somebody whose token was revoked: Airflow, which reads them at each login, lets nobody in by
    that name. Those that Airflow always has stay.

    Raises:
        WrongUseError: the file of passwords cannot be read.
    """
    path = secret_files(settings).passwords
    if name in ROLES or not path.exists():
        return
    passwords = _passwords(path)
    if passwords.pop(name, None) is not None:
        write_secret(path, json.dumps(passwords))


def _add_users(path: Path, users: Iterable[str]) -> None:
    passwords = _passwords(path)
    missing = set(users) - passwords.keys()
    if missing:
        write_secret(path, json.dumps({**passwords, **{user: secrets.token_urlsafe(24) for user in sorted(missing)}}))


def _passwords(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise WrongUseError(
            f"{path} cannot be read as Airflow's passwords ({error}); mend it, or remove it for new ones"
        ) from error
