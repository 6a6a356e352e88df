"""Where pushed models lie: one folder a version, the name of the folder its number; for who has no contract of them."""

from datetime import UTC, datetime
from pathlib import Path

from lakeloop.settings import Settings

SAVED_MODEL = "saved_model.pb"


def models_folder(settings: Settings, name: str) -> Path:
    """Where the versions of a use case's model are pushed; absolute."""
    return (Path(settings.area("models")) / name).absolute()


def complete_versions(folder: Path) -> list[str]:
    """The complete versions (with `saved_model.pb`) of a model's folder, oldest first; none where it is not there."""
    if not folder.is_dir():
        return []
    complete = [p.name for p in folder.iterdir() if p.name.isdigit() and (p / SAVED_MODEL).is_file()]
    return sorted(complete, key=int)


def pushed_at(version: str) -> str:
    """A version is the second it was pushed in, as TFX's Pusher names it; '' where it is some other number."""
    moment = int(version)
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M UTC}" if 1e9 < moment < 1e11 else ""
