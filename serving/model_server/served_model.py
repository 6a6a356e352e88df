"""One model of the server: which of its versions are loaded, which failed, which are being given up.

As TensorFlow Serving's availability preserving policy does: new versions are loaded and warmed up beside the
old ones, take over at once, and an old one is unloaded when its last request is answered. A version that cannot
be loaded ends in state END with its error and is tried again some times, and whenever its folder changes; meanwhile
the next older version that can be loaded serves.
"""

from __future__ import annotations

import gc
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from serving.exceptions import LoadError
from serving.model_server import saved_model
from serving.model_server.folders import Fingerprint, fingerprint, version_folders
from serving.model_server.loaded_version import LoadedVersion
from serving.model_server.long_runs import LongRuns
from serving.model_server.metrics import Metrics
from serving.model_server.model_config import ModelConfig
from serving.model_server.options import LoadOptions
from serving.model_server.status import Code
from serving.model_server.warm_up import warm_up

log = logging.getLogger(__name__)


class VersionState(IntEnum):
    """States of a version, numbered as in tensorflow_serving/apis/get_model_status.proto."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class VersionStatus:
    """What GET status says of one version."""

    version: int
    state: VersionState
    code: Code = Code.OK
    message: str = ""


@dataclass(frozen=True)
class _Failure:
    """A load that failed: of what, how many tries are left, when the next one is due (time.monotonic)."""

    of: tuple[Path, Fingerprint | None]
    left: int
    retry_at: float


class ServedModel:
    """Changed by the lifecycle thread only, what others read under the lock."""

    def __init__(self, config: ModelConfig, lock: threading.Lock, metrics: Metrics, options: LoadOptions) -> None:
        self.name = config.name
        self.config: ModelConfig | None = config  # None: removed from the config, its last states are kept
        self.loaded: dict[int, LoadedVersion] = {}
        self.retired: list[LoadedVersion] = []
        self.states: dict[int, VersionStatus] = {}
        self.polls = 0
        self._failed: dict[int, _Failure] = {}
        self._waiting = False
        self._lock = lock
        self._metrics = metrics
        self._options = options
        self._long_runs = LongRuns()

    def poll(self, stopping: Callable[[], bool]) -> None:
        """Looks at the folders, loads what the policy asks for and gives up what it no longer does."""
        config = self.config
        found = version_folders(config.base_path) if config else {}
        folders = found or {}
        candidates = config.policy.candidates(folders) if config else []
        if config and not candidates and not self.loaded and not self._waiting:
            self._waiting = True
            log.warning("event=no_version model=%r base_path=%r", self.name, str(config.base_path))
        if found is not None:
            self._waiting = self._waiting and not candidates
            for version in self._failed.keys() - folders.keys():  # gone for a while: not the folder that failed
                del self._failed[version]
            kept: set[int] = set()
            for version in candidates:
                if (config and len(kept) == config.policy.latest) or stopping():
                    break
                if self._is_loaded(version, folders[version]) or self._load(version, folders[version]):
                    kept.add(version)
            # the last version was removed: TensorFlow Serving unloads it, and so do we
            if kept or not candidates:
                self._retire([version for version in self.loaded if version not in kept])
        with self._lock:
            self.polls += 1

    def unload_drained(self) -> None:
        """Frees the versions given up whose last request is answered."""
        drained = [item for item in self.retired if item.running == 0]
        for loaded in drained:
            with self._lock:
                self.retired.remove(loaded)
            loaded.model.close()
            if loaded.version not in self.loaded:
                self._set_state(loaded.version, VersionState.END)
        if drained:
            del drained, loaded
            gc.collect()  # a graph's Python objects hold each other, and the graph itself with them

    def close(self) -> None:
        """Unloads everything; no request may be running."""
        for loaded in [*self.loaded.values(), *self.retired]:
            loaded.model.close()
        self.loaded.clear()
        self.retired.clear()

    def _is_loaded(self, version: int, folder: Path) -> bool:
        return version in self.loaded and self.loaded[version].model.folder == folder

    def _load(self, version: int, folder: Path) -> bool:
        """Loads one version and makes it available; False if it cannot be had (now)."""
        before = fingerprint(folder)
        failure = self._failed.get(version)
        if failure is not None and failure.of == (folder, before):
            if time.monotonic() < failure.retry_at:
                return False
        else:
            failure = None
        is_new = version not in self.loaded  # else: the base path has changed, the old one serves meanwhile
        if is_new:
            self._set_state(version, VersionState.START)
            self._set_state(version, VersionState.LOADING)
        start = time.monotonic()
        try:
            loaded = self._ready(version, folder, before)
        except LoadError as exc:
            self._metrics.loaded(folder, False, time.monotonic() - start)
            self._remember(version, folder, before, failure)
            if is_new:
                self._set_state(version, VersionState.END, exc.code, exc.message)
            else:
                log.warning("event=load_failed model=%r version=%d error=%r", self.name, version, exc.message)
            return not is_new
        self._failed.pop(version, None)
        self._metrics.loaded(folder, True, time.monotonic() - start)
        with self._lock:
            if not is_new:
                self.retired.append(self.loaded[version])
            self.loaded[version] = loaded
        self._set_state(version, VersionState.AVAILABLE)
        seconds = time.monotonic() - start
        log.info("event=version_loaded model=%r version=%d seconds=%.3f", self.name, version, seconds)
        return True

    def _ready(self, version: int, folder: Path, before: Fingerprint) -> LoadedVersion:
        """A version loaded and warmed up. Raises LoadError; nothing is left in memory then."""
        model = saved_model.load(folder, self._options)
        loaded = LoadedVersion(self.name, version, model, self._metrics, self._options.batching, self._long_runs)
        try:
            model.prepare()
            count = warm_up(loaded, self._options.warm_up_times)
            if fingerprint(folder) != before:
                raise LoadError(Code.ABORTED, f"{folder} was written to while it was being loaded")
        except LoadError:
            model.close()
            raise
        if count:
            log.info("event=warmed_up model=%r version=%d requests=%d", self.name, version, count)
        return loaded

    def _remember(self, version: int, folder: Path, before: Fingerprint, failure: _Failure | None) -> None:
        """When to try again what failed: at the next poll if it was changed meanwhile, else after a while."""
        left = self._options.retries if failure is None else failure.left
        retry_at = time.monotonic() + self._options.retry_seconds if left else math.inf
        unchanged = fingerprint(folder) == before
        self._failed[version] = _Failure((folder, before if unchanged else None), left - 1, retry_at)

    def _retire(self, versions: list[int]) -> None:
        """Takes versions out of use; they are unloaded when their last request is answered."""
        for version in versions:
            with self._lock:
                self.retired.append(self.loaded.pop(version))
            self._set_state(version, VersionState.UNLOADING)

    def _set_state(self, version: int, state: VersionState, code: Code = Code.OK, message: str = "") -> None:
        with self._lock:
            self.states[version] = VersionStatus(version, state, code, message)
        level = logging.INFO if code is Code.OK else logging.WARNING
        text = f" error_code={code.name} error={message!r}" if message else ""
        log.log(level, "event=version_state model=%r version=%d state=%s%s", self.name, version, state.name, text)
