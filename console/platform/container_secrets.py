"""The secrets of the containers: `python -m console.platform.container_secrets`, before `docker compose up`.

Airflow's are the same that `lakeloop up` makes; beside them those of the services that only containers have. All
stand in `deploy/secrets`, which git ignores. The containers that read them run as the user who owns them: the file
`.env` beside docker-compose.yml names that user, and how many cores a container may have on this machine.
"""

import json
import os
import secrets
import sys
from pathlib import Path

from console.platform.generated_secrets import SERVICE_USER, ensure_secrets
from lakeloop.access.generated import GENERATED, cookie_key_file, token_file
from lakeloop.access.tokens import new_token
from lakeloop.atomic_file import write_text
from lakeloop.exceptions import LakeloopError
from lakeloop.secret_files import ensure_secret, secrets_folder
from lakeloop.settings import PROJECT, Settings, load_settings

DATABASE_PASSWORD, DATABASE_PASSFILE = "postgresql-password", "postgresql-passfile"
GRAFANA_PASSWORD, NOTEBOOKS_TOKEN, S3_IDENTITIES = "grafana-password", "notebooks-token", "s3-identities.json"
NOTIFY_TARGETS = "notify-targets"
OTHERS = ("prometheus", "alertmanager")
"""Their images run as a user of their own, who must read their token: what keeps others out is the folder's mode."""
FIRST_USER = 1000
"""Who owns the files where root made them: containers never run as root."""
MOST_CORES = 4


def ensure_container_secrets(settings: Settings) -> Path:
    """Generate what is missing in the home's folder of secrets, which is given; what is there stays.

    Raises:
        WrongUseError: the file of Airflow's passwords cannot be read.
    """
    ensure_secrets(settings)
    folder = secrets_folder(settings)
    for name in (DATABASE_PASSWORD, GRAFANA_PASSWORD):
        ensure_secret(folder / name, secrets.token_urlsafe(32))
    ensure_secret(folder / NOTEBOOKS_TOKEN, secrets.token_urlsafe(32), end="")  # Jupyter takes the file as it is
    password = (folder / DATABASE_PASSWORD).read_text(encoding="utf-8").strip()
    ensure_secret(folder / DATABASE_PASSFILE, f"*:*:*:{SERVICE_USER}:{password}")  # libpq reads it: PGPASSFILE
    ensure_secret(folder / S3_IDENTITIES, json.dumps(_s3_identities()))
    ensure_secret(cookie_key_file(settings), new_token())
    for name in GENERATED:
        ensure_secret(token_file(settings, name), new_token(), mode=0o644 if name in OTHERS else 0o600)
    ensure_secret(folder / NOTIFY_TARGETS, "# Where people are told, a URL a line: docs/monitoring.md")
    return folder


def ensure_owner(folder: Path, env_file: Path) -> tuple[int, int]:
    """Make the containers' user the owner of the secrets, and name that user in `env_file` unless it is there.

    Beside it stands how many of this machine's cores the scheduler and Spark's worker may have: an engine refuses more
    than there are.

    Gives the user's and the group's number: this process's, or 1000 where this process is root's.
    """
    owner = (os.getuid(), os.getgid()) if os.getuid() else (FIRST_USER, FIRST_USER)
    if os.getuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, *owner)
    if not env_file.exists():
        cores = min(os.cpu_count() or 1, MOST_CORES)
        write_text(env_file, f"LAKELOOP_UID={owner[0]}\nLAKELOOP_GID={owner[1]}\nLAKELOOP_CORES={cores}\n")
    return owner


def _s3_identities() -> dict[str, object]:
    """SeaweedFS' form of who may do what: one identity, which may do everything in its buckets."""
    credentials = [{"accessKey": secrets.token_hex(10).upper(), "secretKey": secrets.token_urlsafe(30)}]
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    return {"identities": [{"name": SERVICE_USER, "credentials": credentials, "actions": actions}]}


def main() -> int:
    """Make them beside docker-compose.yml; the exit code."""
    try:
        folder = ensure_container_secrets(load_settings(home=PROJECT / "deploy"))
    except LakeloopError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    user, group = ensure_owner(folder, PROJECT / ".env")
    sys.stdout.write(f"secrets are in {folder}, for user {user} and group {group}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
