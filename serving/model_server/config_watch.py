"""A model config file that is looked at again and again; what it says holds from then on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lakeloop.exceptions import LakeloopError
from serving.exceptions import RequestError
from serving.model_server.lifecycle import Lifecycle
from serving.model_server.model_config import ModelConfig, read_config

log = logging.getLogger(__name__)


@contextmanager
def watched(file: Path, seconds: float, applied: Mapping[str, ModelConfig], lifecycle: Lifecycle) -> Iterator[None]:
    """Reads the file so often while the block runs, and reloads when its models are others than those applied.

    A file that cannot be read or applied is reported and tried again; what held before goes on.
    """
    ended = threading.Event()

    def watch() -> None:
        last, logged = dict(applied), ""
        while not ended.wait(seconds):
            try:
                models = read_config(file)
                if models != last:
                    lifecycle.reload(models, wait=False)  # the next change may come while these still load
                    last = models
                logged = ""
            except (LakeloopError, RequestError) as exc:
                if str(exc) != logged:
                    logged = str(exc)
                    log.error("event=config_not_reloaded file=%r error=%r", str(file), logged)

    thread = threading.Thread(target=watch, name="config-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
