"""Which versions are served: watching the folders, loading the newest, letting the old one finish, unloading.

As TensorFlow Serving's default policies do (latest version, availability preserving): a new version is
loaded and warmed up beside the old one, takes over at once, and the old is unloaded when its last request
is answered. A version that cannot be loaded ends in state END with its error and is tried again only when
its folder changes; meanwhile the next older version that can be loaded serves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from serving.model_server import saved_model
from serving.model_server.folders import Fingerprint, fingerprint, version_folders
from serving.model_server.saved_model import SavedModel
from serving.model_server.status import Code, LoadError, RequestError

log = logging.getLogger(__name__)


class State(IntEnum):
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
    state: State
    code: Code = Code.OK
    message: str = ""


class LoadedVersion:
    """A loaded version in use; counts the requests it is answering."""

    def __init__(self, name: str, version: int, model: SavedModel) -> None:
        self.name = name
        self.version = version
        self.model = model
        self.running = 0


@dataclass
class _Model:
    """One model of the server; changed by the lifecycle thread only, under the lock."""

    name: str
    base_path: Path
    loaded: dict[int, LoadedVersion] = field(default_factory=dict)
    retired: list[LoadedVersion] = field(default_factory=list)
    states: dict[int, VersionStatus] = field(default_factory=dict)
    failed: dict[int, Fingerprint] = field(default_factory=dict)
    waiting: bool = False


class Lifecycle:
    """All models of one server. `start` loads what is there and then watches from a thread of its own."""

    def __init__(self, models: Mapping[str, Path], poll_seconds: float = 1.0) -> None:
        self._models = {name: _Model(name, Path(path)) for name, path in models.items()}
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._watch, name="model-lifecycle", daemon=True)

    def start(self) -> None:
        """Begins watching; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stops watching and unloads everything; call it when no request is running any more."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        for model in self._models.values():
            for loaded in [*model.loaded.values(), *model.retired]:
                loaded.model.close()
            model.loaded.clear()
            model.retired.clear()

    @contextmanager
    def use(self, name: str, version: int | None) -> Iterator[LoadedVersion]:
        """The newest loaded version, or that one; it stays loaded while it is used. Raises RequestError."""
        loaded = self.acquire(name, version)
        try:
            yield loaded
        finally:
            self.release(loaded)

    def acquire(self, name: str, version: int | None) -> LoadedVersion:
        """As `use`, for callers that release in another place."""
        with self._lock:
            model = self._models.get(name)
            if model is not None and model.loaded:
                loaded = model.loaded.get(max(model.loaded) if version is None else version)
                if loaded is not None:
                    loaded.running += 1
                    return loaded
        wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise RequestError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")

    def release(self, loaded: LoadedVersion) -> None:
        """Ends one use."""
        with self._lock:
            loaded.running -= 1
            drained = loaded.running == 0 and loaded in self._models[loaded.name].retired
        if drained:
            self._wake.set()

    def row_seconds(self, name: str) -> float:
        """What one row takes on the newest loaded version; 0 where none is loaded."""
        with self._lock:
            model = self._models.get(name)
            return model.loaded[max(model.loaded)].model.seconds if model and model.loaded else 0.0

    def statuses(self, name: str, version: int | None = None) -> list[VersionStatus]:
        """All known versions, newest first, or that one. Raises RequestError where nothing is known."""
        with self._lock:
            model = self._models.get(name)
            states = dict(model.states) if model else {}
        if version is not None:
            if version not in states:
                raise RequestError(Code.NOT_FOUND, f"Could not find version {version} of model {name}")
            return [states[version]]
        if not states:
            raise RequestError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
        return [states[number] for number in sorted(states, reverse=True)]

    def _watch(self) -> None:
        next_poll = time.monotonic()
        while not self._stopping:
            polling = time.monotonic() >= next_poll
            for model in self._models.values():
                try:
                    if polling and not self._stopping:
                        self._poll(model)
                    self._unload_drained(model)
                except Exception:  # watching must go on; what went wrong is in the log
                    log.exception("event=poll_failed model=%s", model.name)
            if polling:
                next_poll = time.monotonic() + self._poll_seconds
            self._wake.wait(max(0.0, next_poll - time.monotonic()))
            self._wake.clear()

    def _poll(self, model: _Model) -> None:
        folders = version_folders(model.base_path)
        if not folders and not model.loaded:
            if not model.waiting:
                model.waiting = True
                log.warning("event=no_version model=%s base_path=%s", model.name, model.base_path)
            return
        if folders is None:
            return
        model.waiting = False
        for version, folder in folders.items():
            if version in model.loaded or self._load(model, version, folder):
                self._retire(model, keep=version)
                return
        if not folders:  # the last version was removed: TensorFlow Serving unloads it, and so do we
            self._retire(model, keep=None)

    def _load(self, model: _Model, version: int, folder: Path) -> bool:
        """Loads one version and makes it available; False if it cannot be had (now)."""
        before = fingerprint(folder)
        if model.failed.get(version) == before:
            return False
        self._set_state(model, version, State.START)
        self._set_state(model, version, State.LOADING)
        start = time.monotonic()
        try:
            loaded = saved_model.load(folder)
            try:
                loaded.warm_up()
                if fingerprint(folder) != before:
                    raise LoadError(Code.ABORTED, f"{folder} was written to while it was being loaded")
            except LoadError:
                loaded.close()
                raise
        except LoadError as exc:
            model.failed[version] = before
            self._set_state(model, version, State.END, exc.code, exc.message)
            return False
        model.failed.pop(version, None)
        with self._lock:
            model.loaded[version] = LoadedVersion(model.name, version, loaded)
        self._set_state(model, version, State.AVAILABLE)
        log.info(
            "event=version_loaded model=%s version=%d seconds=%.3f row_seconds=%.6f",
            model.name, version, time.monotonic() - start, loaded.seconds,
        )  # fmt: skip
        return True

    def _retire(self, model: _Model, keep: int | None) -> None:
        """Takes all versions but one out of use; they are unloaded when their last request is answered."""
        for version in [number for number in model.loaded if number != keep]:
            with self._lock:
                model.retired.append(model.loaded.pop(version))
            self._set_state(model, version, State.UNLOADING)

    def _unload_drained(self, model: _Model) -> None:
        for loaded in [item for item in model.retired if item.running == 0]:
            with self._lock:
                model.retired.remove(loaded)
            loaded.model.close()
            if loaded.version not in model.loaded:
                self._set_state(model, loaded.version, State.END)

    def _set_state(self, model: _Model, version: int, state: State, code: Code = Code.OK, message: str = "") -> None:
        with self._lock:
            model.states[version] = VersionStatus(version, state, code, message)
        level = logging.INFO if code is Code.OK else logging.WARNING
        text = f" error_code={code.name} error={message!r}" if message else ""
        log.log(level, "event=version_state model=%s version=%d state=%s%s", model.name, version, state.name, text)
