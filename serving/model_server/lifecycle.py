"""All models of one server: watched from a thread of its own, lent to requests, changed by a new config."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from serving.exceptions import RequestError
from serving.model_server.loaded_version import LoadedVersion
from serving.model_server.metrics import Metrics
from serving.model_server.model_config import ModelConfig
from serving.model_server.options import Options
from serving.model_server.request_log import RequestLogs
from serving.model_server.served_model import ServedModel, VersionStatus
from serving.model_server.status import Code, invalid

log = logging.getLogger(__name__)

RELOAD_SECONDS = 600.0
"""How long a reload waits for the models that are new in a config."""


class Lifecycle:
    """`start` loads what is there and then watches; labels need no version that is available yet."""

    def __init__(self, models: Mapping[str, ModelConfig], options: Options) -> None:
        self.metrics = Metrics()
        self.request_logs = RequestLogs(options.load.tags, self.metrics)
        self._lock = threading.Lock()
        self._options = options
        self._models = {name: self._model(config) for name, config in models.items()}
        self._update_request_logs(models)
        self._poll_seconds = options.poll_seconds
        self._reloading = threading.Lock()
        self._polled = threading.Condition()
        self._first_poll = threading.Event()
        self._wake = threading.Event()
        self._poll_now = False
        self._stopping = False
        self._thread = threading.Thread(target=self._watch, name="model-lifecycle", daemon=True)

    def start(self) -> None:
        """Begins watching; returns at once."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Waits so long at most until everything that is there has been loaded, or has failed; True if it has."""
        return self._first_poll.wait(seconds)

    def stop(self, unload: bool = True) -> None:
        """Stops watching and unloads everything; without `unload` where a request may still be running."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self.request_logs.close()
        for model in self._models.values() if unload else ():
            model.close()

    @contextmanager
    def use(self, name: str, version: int | None = None, label: str | None = None) -> Iterator[LoadedVersion]:
        """The newest loaded version, or that one; it stays loaded while it is used. Raises RequestError."""
        loaded = self._acquire(name, version, label)
        try:
            yield loaded
        finally:
            self._release(loaded)

    def knows(self, name: str) -> bool:
        """Whether a model of that name is configured, or was."""
        return name in self._models

    def count(self) -> int:
        """How many models are configured, or were."""
        return len(self._models)

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

    def reload(self, configs: Mapping[str, ModelConfig], wait: bool = True) -> None:
        """Serves these models from now on; labels hold at once. Returns when those that are new have loaded, if it
        shall `wait` for them.

        Raises RequestError: a label names a version that is not available (nothing is changed then), or a new
        model could not be loaded (the config holds; the model is served as soon as it can be).
        """
        with self._reloading:
            with self._lock:
                self._check_labels(configs)
                fresh = [n for n in configs if n not in self._models or self._models[n].config is None]
                for name, model in self._models.items():
                    model.config = configs.get(name)
                for name in configs.keys() - self._models.keys():
                    self._models[name] = self._model(configs[name])
                polls = {name: model.polls for name, model in self._models.items()}
            self._update_request_logs(configs)
            log.info("event=config_reloaded models=%r", list(configs))
            self._poll_now = True
            self._wake.set()
            if wait:
                self._wait_for(configs, polls)
                self._check_available(fresh)

    def _wait_for(self, configs: Mapping[str, ModelConfig], polls: Mapping[str, int]) -> None:
        # one poll may have been under way with the old config: the second one has seen the new
        wanted = 2 if self._thread.is_alive() else 0
        with self._polled:
            self._polled.wait_for(
                lambda: self._stopping or all(self._has_settled(name, polls[name] + wanted) for name in configs),
                RELOAD_SECONDS,
            )

    def _update_request_logs(self, configs: Mapping[str, ModelConfig]) -> None:
        wanted = {name: config.request_log for name, config in configs.items()}
        self.request_logs.update({name: found for name, found in wanted.items() if found is not None})

    def _model(self, config: ModelConfig) -> ServedModel:
        return ServedModel(config, self._lock, self.metrics, self._options.load)

    def _has_settled(self, name: str, polls: int) -> bool:
        model = self._models[name]
        if model.polls < polls:
            self._poll_now = True
            self._wake.set()
            return False
        return True

    def _check_labels(self, configs: Mapping[str, ModelConfig]) -> None:
        for config in configs.values():
            model = self._models.get(config.name)
            known = model.config.labels if model and model.config else {}
            for label, version in config.labels.items():
                if self._options.any_labels and label not in known:
                    continue
                if model is None or version not in model.loaded:
                    raise RequestError(
                        Code.FAILED_PRECONDITION,
                        f"Request to assign label to version {version} of model {config.name}, "
                        "which is not currently available for inference",
                    )

    def _check_available(self, names: list[str]) -> None:
        missing = []
        with self._lock:
            for model in (self._models[name] for name in names):
                if model.loaded or model.config is None:
                    continue
                failed = model.states[max(model.states)] if model.states else None
                missing.append(
                    f"{{{{name: {model.name} version: {failed.version}}} due to error: "
                    f"{failed.code.name}: {failed.message}}}"
                    if failed
                    else f"{{{{name: {model.name}}} due to error: no version under {model.config.base_path}}}"
                )
        if missing:
            text = "".join(f"{item}, " for item in missing)
            raise RequestError(Code.UNKNOWN, f"{len(missing)} model(s) did not become available: {{{text}}}")

    def _acquire(self, name: str, version: int | None, label: str | None) -> LoadedVersion:
        with self._lock:
            model = self._models.get(name)
            if label is not None:
                version = model.config.labels.get(label) if model and model.config else None
                if version is None:
                    raise invalid(f"Unrecognized servable version label: {label}")
            if model is not None and model.loaded:
                loaded = model.loaded.get(max(model.loaded) if version is None else version)
                if loaded is not None:
                    loaded.running += 1
                    return loaded
        wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise RequestError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")

    def _release(self, loaded: LoadedVersion) -> None:
        with self._lock:
            loaded.running -= 1
            drained = loaded.running == 0 and loaded in self._models[loaded.name].retired
        if drained:
            self._wake.set()

    def _watch(self) -> None:
        next_poll = time.monotonic()
        while not self._stopping:
            polling = self._poll_now or time.monotonic() >= next_poll
            self._poll_now = False
            with self._lock:
                models = list(self._models.values())
            for model in models:
                try:
                    if polling and not self._stopping:
                        model.poll(lambda: self._stopping)
                    model.unload_drained()
                except Exception:  # watching must go on; what went wrong is in the log
                    log.exception("event=poll_failed model=%r", model.name)
            if polling:
                next_poll = time.monotonic() + self._poll_seconds
                self._first_poll.set()
                with self._polled:
                    self._polled.notify_all()
            self._wake.wait(0 if self._poll_now else max(0.0, next_poll - time.monotonic()))
            self._wake.clear()
        with self._polled:
            self._polled.notify_all()
