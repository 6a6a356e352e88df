"""What the containers keep secret: made once, mode 600, read by one user, in no file that git knows."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from console.platform.container_secrets import ensure_container_secrets, ensure_owner
from lakeloop.settings import load_settings
from tests.deploy.compose_file import FILE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return ensure_container_secrets(load_settings(home=tmp_path / "deploy"))


def test_they_are_the_files_that_compose_mounts(folder: Path, compose: dict[str, Any]) -> None:
    mounted = {Path(secret["file"]).name for secret in compose["secrets"].values()}
    assert {path.name for path in folder.iterdir()} == mounted
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    of_others = {"token-prometheus": 0o644, "token-alertmanager": 0o644}  # whose images have a user of their own
    assert modes == dict.fromkeys(modes, 0o600) | of_others
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_every_service_gets_a_secret_under_its_own_name(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for secret in service.get("secrets", []):
            assert secret["target"] == f"/run/secrets/{secret['source']}"


def test_a_second_time_changes_nothing(folder: Path) -> None:
    before = {path: path.read_text() for path in folder.iterdir()}
    assert ensure_container_secrets(load_settings(home=folder.parent)) == folder
    assert {path: path.read_text() for path in folder.iterdir()} == before


def test_the_passfile_holds_the_databases_password(folder: Path) -> None:
    password = (folder / "postgresql-password").read_text().strip()
    assert len(password) > 30
    assert (folder / "postgresql-passfile").read_text() == f"*:*:*:lakeloop:{password}\n"


def test_the_notebooks_token_ends_where_it_ends(folder: Path) -> None:
    token = (folder / "notebooks-token").read_text()
    assert token == token.strip() and len(token) > 30  # Jupyter would take a newline for a part of it


def test_the_store_knows_one_identity(folder: Path) -> None:
    (identity,) = json.loads((folder / "s3-identities.json").read_text())["identities"]
    (key,) = identity["credentials"]
    assert len(key["accessKey"]) >= 16 and len(key["secretKey"]) >= 30


def test_no_generated_value_stands_in_the_compose_file(folder: Path) -> None:
    text = FILE.read_text()
    for path in folder.iterdir():
        for value in path.read_text().replace('"', " ").replace(":", " ").split():
            assert len(value) < 20 or value not in text


def test_the_user_who_owns_them_is_the_containers_user(folder: Path, tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    user, group = ensure_owner(folder, env_file)
    assert user and group  # never root's
    cores = min(os.cpu_count() or 1, 4)  # an engine refuses more than the machine has
    assert env_file.read_text() == f"LAKELOOP_UID={user}\nLAKELOOP_GID={group}\nLAKELOOP_CORES={cores}\n"
    assert {(path.stat().st_uid, path.stat().st_gid) for path in folder.iterdir()} == {(user, group)}
    assert user == (os.getuid() or 1000)
    env_file.write_text("LAKELOOP_UID=5\n")
    ensure_owner(folder, env_file)
    assert env_file.read_text() == "LAKELOOP_UID=5\n"
