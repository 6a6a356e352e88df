"""The file that tells a model server which models there are: TensorFlow Serving's ModelServerConfig as text.

It lists the served use cases that have a pushed version, not all retired: TensorFlow Serving waits with a reload for a
model without one. A use case's contract plays no part, so that a broken one takes no model away. Of each model the
champion, the version before it, so that going back takes no load, and the challenger are loaded; labels name them. A
label of a version that is not loaded yet would have the server refuse the whole file, so it moves when the version is
available.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from lakeloop.atomic_file import write_text
from lakeloop.exceptions import LakeloopError
from lakeloop.model_folders import complete_versions, models_folder
from lakeloop.pushed_models import AVAILABLE
from lakeloop.release_state import CHAMPION, Release
from lakeloop.releases import read_release
from lakeloop.served_use_cases import served_names
from lakeloop.settings import Settings

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
States = Callable[[str], Mapping[str, str]]
"""How the versions of a model are, by version, in TensorFlow Serving's words; nothing where the server is away."""


def not_asked(name: str) -> Mapping[str, str]:
    """The states where no server runs yet: it is started with labels of what is not loaded."""
    return {}


def pushed_names(settings: Settings) -> list[str]:
    """Those served use cases that have a pushed version, sorted."""
    return [name for name in served_names(settings) if complete_versions(models_folder(settings, name))]


def config_path(settings: Settings) -> Path:
    """`models.config` in the models' area; a narrowed server's own beside it, so that two never write one file."""
    only = "".join(f".{name}" for name in sorted(settings.served))
    return Path(settings.area("models")).absolute() / f"models{only}.config"


def config_text(settings: Settings, states: States = not_asked) -> str:
    """The config, one field a line, each model with its labelled versions; with no model it is an empty list."""
    lines = ["model_config_list {"]
    for name in pushed_names(settings):
        release = read_release(settings, name)
        if not release.champion:
            continue
        versions = " ".join(f"versions: {version}" for version in sorted(set(release.labels.values()), key=int))
        lines += [
            "  config {",
            f"    name: {json.dumps(name)}",
            f"    base_path: {json.dumps(str(models_folder(settings, name)), ensure_ascii=False)}",
            '    model_platform: "tensorflow"',
            f"    model_version_policy {{ specific {{ {versions} }} }}",
            *(
                f"    version_labels {{ key: {json.dumps(label)} value: {version} }}"
                for label, version in labels_now(release, states(name)).items()
            ),
            "  }",
        ]
    return "\n".join([*lines, "}", ""])


def labels_now(release: Release, states: Mapping[str, str]) -> dict[str, str]:
    """The labels of a release that a server can take as its versions are now.

    Until the champion is available its label stays with who answers: the version before, or the newest there is.

    >>> labels_now(Release(champion="3", previous="2"), {"3": "LOADING", "2": "AVAILABLE"})
    {'champion': '2', 'previous': '2'}
    """
    available = sorted((version for version, state in states.items() if state == AVAILABLE), key=int)
    fit = (version for version in reversed(available) if version not in release.held)
    order = (release.champion, release.previous, *fit)
    champion = next((version for version in order if version in available), release.champion)
    others = {label: version for label, version in release.labels.items() if label != CHAMPION}
    return {CHAMPION: champion} | {name: one for name, one in others.items() if not states or one in available}


def write_config(settings: Settings, states: States = not_asked) -> Path:
    """Write the file where it would say something else than it does; gives its path."""
    path, text = config_path(settings), config_text(settings, states)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
        log.info("event=models_config_written file=%s models=%r", path, pushed_names(settings))
    return path


@contextmanager
def kept_config(settings: Settings, states: States, seconds: float = LOOK_SECONDS) -> Iterator[Path]:
    """The file, kept up to date from a thread while the block runs; what fails is logged and tried again."""
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(seconds):
            try:
                write_config(settings, states)
            except (OSError, LakeloopError, SQLAlchemyError) as problem:
                log.error("event=models_config_not_written error=%r", str(problem))

    path = write_config(settings, states)
    thread = threading.Thread(target=follow, name="models-config", daemon=True)
    thread.start()
    try:
        yield path
    finally:
        ended.set()
        thread.join(seconds)
