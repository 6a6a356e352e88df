"""Where the platform of a home keeps its files."""

import hashlib
import os
import tempfile
from pathlib import Path

from lakeloop.settings import Settings

_LONGEST_SOCKET = 100
"""A Unix socket's path may have 107 characters, and supervisord appends its pid while it binds."""


def home_of(settings: Settings) -> Path:
    """The home, absolute and without links: what names this platform among others."""
    return settings.home.resolve()


def platform_folder(settings: Settings) -> Path:
    """Configuration that `lakeloop up` writes; nothing in it is edited by hand."""
    return home_of(settings) / "platform"


def airflow_home(settings: Settings) -> Path:
    """Airflow's own folder."""
    return home_of(settings) / "airflow"


def log_folder(settings: Settings) -> Path:
    """One log a service."""
    return Path(settings.area("logs")).resolve() / "platform"


def control_socket(settings: Settings) -> Path:
    """Where the supervisor is asked: in the home, or where that path is too long, in a folder of this user."""
    wanted = platform_folder(settings) / "supervisor.sock"
    if len(str(wanted)) <= _LONGEST_SOCKET - len(".4194304"):
        return wanted
    name = hashlib.sha256(str(home_of(settings)).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"lakeloop-{os.getuid()}" / f"{name}.sock"
