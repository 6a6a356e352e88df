"""The file that tells a model server which models there are: TensorFlow Serving's ModelServerConfig as text.

It lists the served use cases that have a pushed version: TensorFlow Serving waits with a reload for a model without
one. A use case's contract plays no part, so that a broken one takes no model away.
"""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakeloop.atomic_file import write_text
from lakeloop.pushed_models import complete_versions
from lakeloop.served_use_cases import served_names
from lakeloop.settings import Settings

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


def models_folder(settings: Settings, name: str) -> Path:
    """Where the versions of a use case's model are pushed; absolute."""
    return (Path(settings.area("models")) / name).absolute()


def pushed_names(settings: Settings) -> list[str]:
    """Those served use cases that have a pushed version, sorted."""
    return [name for name in served_names(settings) if complete_versions(models_folder(settings, name))]


def config_path(settings: Settings) -> Path:
    """`models.config` in the models' area; a narrowed server's own beside it, so that two never write one file."""
    only = "".join(f".{name}" for name in sorted(settings.served))
    return Path(settings.area("models")).absolute() / f"models{only}.config"


def config_text(settings: Settings) -> str:
    """The config, one field a line, the newest version of each; with no model it is an empty list."""
    lines = ["model_config_list {"]
    for name in pushed_names(settings):
        lines += [
            "  config {",
            f"    name: {json.dumps(name)}",
            f"    base_path: {json.dumps(str(models_folder(settings, name)), ensure_ascii=False)}",
            '    model_platform: "tensorflow"',
            "  }",
        ]
    return "\n".join([*lines, "}", ""])


def write_config(settings: Settings) -> Path:
    """Write the file where it would say something else than it does; gives its path."""
    path, text = config_path(settings), config_text(settings)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
        log.info("event=models_config_written file=%s models=%r", path, pushed_names(settings))
    return path


@contextmanager
def kept_config(settings: Settings, seconds: float = LOOK_SECONDS) -> Iterator[Path]:
    """The file, kept up to date from a thread while the block runs; what fails is logged and tried again."""
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(seconds):
            try:
                write_config(settings)
            except OSError as problem:
                log.error("event=models_config_not_written error=%r", str(problem))

    path = write_config(settings)
    thread = threading.Thread(target=follow, name="models-config", daemon=True)
    thread.start()
    try:
        yield path
    finally:
        ended.set()
        thread.join(seconds)
