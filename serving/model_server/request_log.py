"""The log of requests that a model's logging_config asks for: some of them with their answers, in TFRecord files.

A file's records are PredictionLog messages, so that it can be the warm-up file of a version
(`assets.extra/tf_serving_warmup_requests`) or be read by TensorFlow Data Validation as it is.
Source: tensorflow/serving tensorflow_serving/core/request_logger.cc and server_request_logger.cc; what writes files
(a log collector) is in none of its releases.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf
from tensorflow_serving.apis import logging_pb2, prediction_log_pb2

from serving.model_server.metrics import Metrics
from serving.model_server.model_config import RequestLogConfig
from serving.model_server.status import Code, code_of

log = logging.getLogger(__name__)

MOST_WAITING = 256
"""So many requests wait to be written; what comes beyond is counted and left out: no answer waits for a disk."""
CLOSE_SECONDS = 10.0
FILE_BYTES = 64 * 1024 * 1024
"""A file that has grown so large is closed, and another one begun."""

MakeLog = Callable[[], prediction_log_pb2.PredictionLog]


class _Entry(NamedTuple):
    model: str
    config: RequestLogConfig
    make: MakeLog
    seconds: float
    """When it was answered, of time.time."""


class RequestLogs:
    """The logs of all models, written by one thread, which begins with the first model that has a log."""

    def __init__(self, tags: Sequence[str], metrics: Metrics) -> None:
        self._tags = list(tags)
        self._metrics = metrics
        self._configs: Mapping[str, RequestLogConfig] = {}
        self._waiting: Queue[_Entry | None] = Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._files: dict[Path, _File] = {}
        self._told = ""

    def update(self, configs: Mapping[str, RequestLogConfig]) -> None:
        """These models have a log from now on, no others."""
        self._configs = dict(configs)
        if configs and self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="request-log", daemon=True)
            self._thread.start()

    def offer(self, model: str, make: MakeLog) -> None:
        """Logs an answered request, if its model has a log and chance takes it; `make` is called on another thread."""
        config = self._configs.get(model)
        if config is None or random.random() >= config.sampling_rate:
            return
        try:
            self._waiting.put_nowait(_Entry(model, config, make, time.time()))
        except Full:
            self._metrics.logged(model, Code.RESOURCE_EXHAUSTED.name)

    def close(self) -> None:
        """Writes what waits and closes the files; gives up on a disk that takes too long."""
        if self._thread is not None:
            with suppress(Full):
                self._waiting.put(None, timeout=CLOSE_SECONDS)
                self._thread.join(CLOSE_SECONDS)

    def _write_all(self) -> None:
        entry = self._waiting.get()
        while entry is not None:
            self._metrics.logged(entry.model, self._write(entry).name)
            try:
                entry = self._waiting.get_nowait()
            except Empty:
                self._each_file(lambda file: file.flush())
                entry = self._waiting.get()
        self._each_file(lambda file: file.close())

    def _each_file(self, do: Callable[[_File], None]) -> None:
        in_use = {config.file_prefix for config in self._configs.values()}
        for prefix, file in list(self._files.items()):
            try:
                do(file)
                if prefix in in_use:
                    continue
                file.close()
            except (OSError, tf.errors.OpError) as exc:
                self._tell(prefix, exc)
            del self._files[prefix]

    def _write(self, entry: _Entry) -> Code:
        """Writes one record; the code it is counted under. A file that failed is given up for another one."""
        prefix = entry.config.file_prefix
        try:
            record = self._with_metadata(entry).SerializeToString()
            if prefix not in self._files:
                self._files[prefix] = _File(prefix)
            if self._files[prefix].write(record) >= FILE_BYTES:
                self._files.pop(prefix).close()
        except tf.errors.OpError as exc:
            self._files.pop(prefix, None)
            self._tell(prefix, exc)
            return code_of(exc.error_code)
        except Exception as exc:  # noqa: BLE001 - the log is the lesser thing: the server answers without
            self._files.pop(prefix, None)
            self._tell(prefix, exc)
            return Code.INTERNAL
        self._told = ""
        return Code.OK

    def _with_metadata(self, entry: _Entry) -> prediction_log_pb2.PredictionLog:
        made = entry.make()
        metadata: Any = logging_pb2.LogMetadata(timestamp_secs=int(entry.seconds), saved_model_tags=self._tags)
        metadata.sampling_config.sampling_rate = entry.config.sampling_rate
        response = getattr(made, made.WhichOneof("log_type")).response
        answered = response.results[0] if hasattr(response, "results") else response
        metadata.model_spec.CopyFrom(answered.model_spec)
        made.log_metadata.CopyFrom(metadata)
        return made

    def _tell(self, prefix: Path, exc: Exception) -> None:
        text = f"{type(exc).__name__}: {exc}"
        if text != self._told:
            self._told = text
            log.error("event=request_not_logged file_prefix=%r error=%r", str(prefix), text)


class _File:
    """An open file of records, `PREFIX-TIME-PROCESS-NUMBER.tfrecord`. Raises OSError, tf.errors.OpError."""

    _number = 0

    def __init__(self, prefix: Path) -> None:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        _File._number += 1
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._writer = tf.python_io.TFRecordWriter(f"{prefix}-{stamp}-{os.getpid()}-{_File._number}.tfrecord")
        self._bytes = 0

    def write(self, record: bytes) -> int:
        """Adds a record; gives the bytes of all."""
        self._writer.write(record)
        self._bytes += len(record)
        return self._bytes

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
