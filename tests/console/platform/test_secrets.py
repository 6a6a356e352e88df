"""Keys and passwords: made once, readable by their owner alone, never overwritten."""

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from console.platform.generated_secrets import ensure_secrets
from lakeloop.exceptions import WrongUseError
from lakeloop.secret_files import secrets_folder
from lakeloop.settings import Settings


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_long_random_and_for_their_owner_alone(settings: Settings) -> None:
    previous = os.umask(0)
    try:
        files = ensure_secrets(settings)
    finally:
        os.umask(previous)
    assert mode(secrets_folder(settings)) == 0o700
    assert {mode(path) for path in secrets_folder(settings).iterdir()} == {0o600}
    assert len(files.jwt_secret.read_text().strip()) >= 64
    assert len(base64.urlsafe_b64decode(files.fernet_key.read_text())) == 32
    passwords = json.loads(files.passwords.read_text())
    assert set(passwords) == {"admin", "demo", "lakeloop"}
    assert len(set(passwords.values())) == 3 and min(map(len, passwords.values())) >= 32


def test_the_second_start_keeps_what_the_first_made(settings: Settings) -> None:
    files = ensure_secrets(settings)
    before = {path: path.read_text() for path in secrets_folder(settings).iterdir()}
    files.jwt_secret.chmod(0o644)
    ensure_secrets(settings)
    assert {path: path.read_text() for path in secrets_folder(settings).iterdir()} == before
    assert mode(files.jwt_secret) == 0o600


def test_two_homes_share_no_secret(tmp_path: Path, settings: Settings) -> None:
    one, other = ensure_secrets(settings), ensure_secrets(settings.model_copy(update={"home": tmp_path / "other"}))
    assert one.jwt_secret.read_text() != other.jwt_secret.read_text()
    assert one.passwords.read_text() != other.passwords.read_text()


def test_a_password_that_was_set_by_hand_stays_and_missing_users_are_added(settings: Settings) -> None:
    files = ensure_secrets(settings)
    files.passwords.write_text('{"admin": "chosen by hand"}')
    ensure_secrets(settings)
    passwords = json.loads(files.passwords.read_text())
    assert passwords["admin"] == "chosen by hand" and set(passwords) == {"admin", "demo", "lakeloop"}


def test_a_broken_file_of_passwords_is_named_and_not_overwritten(settings: Settings) -> None:
    files = ensure_secrets(settings)
    files.passwords.write_text("not json")
    with pytest.raises(WrongUseError, match=r"airflow-passwords\.json cannot be read"):
        ensure_secrets(settings)
    assert files.passwords.read_text() == "not json"
