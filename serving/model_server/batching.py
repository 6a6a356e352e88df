"""Requests of several clients answered by one run of the graph.

The first request of a batch waits until it is full, or its time is over, and a run may begin; then it runs the batch on
its own thread and hands every request its rows. What arrives while runs are under way makes the next batch.
Source: tensorflow/serving tensorflow_serving/batching/batching_session.cc, whose error texts these are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from serving.exceptions import RequestError
from serving.model_server.batching_parameters import BatchingParameters
from serving.model_server.signatures import Signature
from serving.model_server.status import Code, invalid, too_late

Arrays = dict[str, np.ndarray]
Run = Callable[[Signature, Arrays, Sequence[str] | None, float | None], Arrays]


class _Task:
    """One request in a batch."""

    def __init__(self, inputs: Arrays, size: int, deadline: float | None) -> None:
        self.inputs = inputs
        self.size = size
        self.deadline = deadline
        self.answered = threading.Event()
        self.answer: Arrays | Exception | None = None


class _Batch:
    def __init__(self) -> None:
        self.tasks: list[_Task] = []
        self.size = 0
        self.is_full = threading.Event()


class Batcher:
    """Batches of one version; requests for other outputs or rows of another shape make batches of their own."""

    def __init__(self, run: Run, parameters: BatchingParameters) -> None:
        self._run = run
        self._parameters = parameters
        self._lock = threading.Lock()
        self._open: dict[object, _Batch] = {}
        self._waiting = 0
        self._slots = threading.Semaphore(parameters.threads)

    def run(
        self, signature: Signature, inputs: Arrays, outputs: Sequence[str] | None, deadline: float | None
    ) -> Arrays:
        """As `SavedModel.run`, in a batch with what others ask, or in several batches. Raises RequestError."""
        size, most = self._size(inputs), self._parameters.max_execution_size
        if size <= most:
            return self._run_in_batch(signature, inputs, size, outputs, deadline)
        pieces: list[Arrays] = []
        for start in range(0, size, most):
            rows = {name: array[start : start + most] for name, array in inputs.items()}
            count = min(most, size - start)
            pieces.append(_checked(self._run_in_batch(signature, rows, count, outputs, deadline), count))
        try:
            return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
        except ValueError as exc:  # rows of another length in each piece
            raise invalid(f"The outputs of a request that was split cannot be put together: {exc}") from None

    def _run_in_batch(
        self, signature: Signature, inputs: Arrays, size: int, outputs: Sequence[str] | None, deadline: float | None
    ) -> Arrays:
        task = _Task(inputs, size, deadline)
        key = (signature.name, None if outputs is None else tuple(sorted(outputs)), self._row_shapes(inputs))
        batch, is_first = self._join(key, task)
        if is_first:
            self._lead(key, batch, signature, outputs)
        elif not task.answered.wait(None if deadline is None else max(0.0, deadline - time.monotonic())):
            raise too_late()
        if isinstance(task.answer, Exception):
            raise task.answer
        assert task.answer is not None
        return task.answer

    def _size(self, inputs: Arrays) -> int:
        if any(array.ndim == 0 for array in inputs.values()):
            raise invalid("Batching session Run() input tensors must have at least one dimension")
        sizes = {len(array) for array in inputs.values()}
        if len(sizes) != 1:
            raise invalid("Batching session Run() input tensors must have equal 0th-dimension size")
        (size,) = sizes
        if size > self._parameters.max_batch_size:
            raise invalid(f"Task size {size} is larger than maximum input batch size {self._parameters.max_batch_size}")
        return size

    def _row_shapes(self, inputs: Arrays) -> object:
        if self._parameters.pad:
            return tuple((name, array.dtype.str, array.ndim) for name, array in sorted(inputs.items()))
        return tuple((name, array.dtype.str, array.shape[1:]) for name, array in sorted(inputs.items()))

    def _join(self, key: object, task: _Task) -> tuple[_Batch, bool]:
        """The batch the task is in now, and whether it is the first one there."""
        with self._lock:
            batch = self._open.get(key)
            if batch is not None and batch.size + task.size > self._parameters.max_execution_size:
                batch.is_full.set()
                batch = None
            is_first = batch is None
            if batch is None:
                if self._waiting >= self._parameters.max_enqueued_batches:
                    raise RequestError(
                        Code.UNAVAILABLE, "The batch scheduling queue to which this task was submitted is full"
                    )
                self._waiting += 1
                batch = self._open[key] = _Batch()
            batch.tasks.append(task)
            batch.size += task.size
            if batch.size >= self._parameters.max_execution_size:
                batch.is_full.set()
                self._open.pop(key)
            return batch, is_first

    def _lead(self, key: object, batch: _Batch, signature: Signature, outputs: Sequence[str] | None) -> None:
        if self._parameters.timeout_seconds:
            batch.is_full.wait(self._parameters.timeout_seconds)
        with self._slots:
            with self._lock:
                self._waiting -= 1
                if self._open.get(key) is batch:
                    del self._open[key]
            try:
                answers: Sequence[Arrays | Exception] = self._answers(batch, signature, outputs)
            except Exception as exc:  # noqa: BLE001 - each of the requests raises it on its own thread
                answers = [exc] * len(batch.tasks)
            for task, answer in zip(batch.tasks, answers, strict=True):
                task.answer = answer
                task.answered.set()

    def _answers(self, batch: _Batch, signature: Signature, outputs: Sequence[str] | None) -> list[Arrays]:
        tasks = batch.tasks
        missing = next((size for size in self._parameters.allowed_sizes if size >= batch.size), batch.size) - batch.size
        if len(tasks) == 1 and not missing:
            return [self._run(signature, tasks[0].inputs, outputs, tasks[0].deadline)]
        deadlines = [task.deadline for task in tasks if task.deadline is not None]
        deadline = max(deadlines) if len(deadlines) == len(tasks) else None
        merged = {name: self._merged([task.inputs[name] for task in tasks], missing) for name in tasks[0].inputs}
        found = _checked(self._run(signature, merged, outputs, deadline), batch.size + missing)
        ends = np.cumsum([task.size for task in tasks]).tolist()
        return [
            {name: array[end - task.size : end] for name, array in found.items()}
            for task, end in zip(tasks, ends, strict=True)
        ]

    def _merged(self, arrays: list[np.ndarray], missing: int) -> np.ndarray:
        """One array of all rows, with `missing` rows more, which are copies of the last request's first one."""
        if self._parameters.pad and len({array.shape[1:] for array in arrays}) > 1:
            shape = [max(array.shape[axis] for array in arrays) for axis in range(1, arrays[0].ndim)]
            arrays = [_padded(array, shape) for array in arrays]
        return np.concatenate([*arrays, *[arrays[-1][:1]] * missing])


def _checked(found: Arrays, rows: int) -> Arrays:
    """The outputs, if each has so many rows."""
    if any(array.ndim == 0 or len(array) != rows for array in found.values()):
        raise RequestError(
            Code.FAILED_PRECONDITION,
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
        )
    return found


def _padded(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    wider = np.full((len(array), *shape), b"" if array.dtype == object else 0, array.dtype)
    wider[tuple(slice(size) for size in array.shape)] = array
    return wider
