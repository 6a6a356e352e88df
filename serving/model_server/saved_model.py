"""One version of a model in memory: loaded from its folder, warmed up, asked, closed.

The graph runs in a TensorFlow session, as it does in TensorFlow Serving: the same loader, the same
kernels, the same error texts. A one-row call takes a thirtieth of what a `tf.saved_model.load`
signature takes, because the feeds go straight to the runtime on the calling thread.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2

from serving.model_server.signatures import DEFAULT_SIGNATURE, NamedTensor, Signature, read_signatures
from serving.model_server.status import Code, LoadError, RequestError, code_of, invalid

log = logging.getLogger(__name__)

_RUN_ON_CALLING_THREAD = -1
_WRONG_TYPE = re.compile(r"Type mismatch: actual (\w+) vs\. expect (\w+)\s.*_(\d+)\}\}", re.DOTALL)
_VARIABLE_OPS = frozenset({"VarHandleOp", "VariableV2", "Variable"})


class SavedModel:
    """A loaded version. `run` is thread-safe; `seconds` is what one row of the default signature takes."""

    def __init__(self, folder: Path, session: Any, meta_graph: meta_graph_pb2.MetaGraphDef) -> None:
        self.folder = folder
        self.signature_defs = dict(meta_graph.signature_def)
        self.signatures = read_signatures(meta_graph.signature_def)
        self.seconds = 0.0
        self._session = session
        self._lock = threading.Lock()
        self._calls: dict[str, Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]] = {}

    def signature(self, name: str) -> Signature:
        """The signature of that name ('' is the default). Raises RequestError."""
        wanted = name or DEFAULT_SIGNATURE
        try:
            return self.signatures[wanted]
        except KeyError:
            raise invalid(f'Serving signature name: "{wanted}" not found in signature def') from None

    def run(self, signature: Signature, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name, for inputs in the signature's types. Raises RequestError, TensorFlow's text."""
        call = self._calls.get(signature.name) or self._prepare(signature)
        try:
            return call(inputs)
        except tf.errors.OpError as exc:
            raise RequestError(code_of(exc.error_code), _in_session_words(exc.message)) from None
        except (TypeError, ValueError) as exc:
            raise invalid(str(exc)) from None

    def warm_up(self) -> None:
        """Runs every signature once on one made-up row, since the first run is slow. Raises LoadError.

        A made-up row may not suit a signature (say, an empty serialised example): that is logged, no more, and
        the slow part, which prunes and optimises the graph, is done all the same.
        """
        order = sorted(self.signatures.values(), key=lambda item: item.name != DEFAULT_SIGNATURE)
        for index, signature in enumerate(order):
            if not signature.inputs or not all(tensor.tensor for tensor in signature.inputs):
                continue
            row = {spec.name: _made_up(spec) for spec in signature.inputs}
            try:
                self.run(signature, row)
                if index == 0:
                    self.seconds = min(_timed(self.run, signature, row) for _ in range(3))
            except RequestError as exc:
                is_default = signature.name == DEFAULT_SIGNATURE
                if is_default and exc.code not in (Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED):
                    raise LoadError(exc.code, exc.message) from None
                log.info("event=warm_up_skipped folder=%s signature=%s", self.folder, signature.name)

    def close(self) -> None:
        """Frees the graph and its variables; no call may be running."""
        self._calls.clear()
        self._session.close()

    def _prepare(self, signature: Signature) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
        with self._lock:
            if signature.name not in self._calls:
                self._calls[signature.name] = self._callable(signature)
            return self._calls[signature.name]

    def _callable(self, signature: Signature) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
        feeds = [(spec.name, spec.tensor) for spec in signature.inputs]
        fetches = list(dict.fromkeys(spec.tensor for spec in signature.outputs))
        if not fetches or not all(tensor for _, tensor in feeds) or not all(fetches):
            raise invalid(f"Signature {signature.name} has an input or output that is not one dense tensor.")
        options = config_pb2.CallableOptions()
        options.feed.extend(tensor for _, tensor in feeds)
        options.fetch.extend(fetches)
        options.run_options.inter_op_thread_pool = _RUN_ON_CALLING_THREAD
        try:
            # `make_callable` is public, but it alone takes options, and without them a run costs 0.15 ms more
            run = self._session._make_callable_from_options(options)
        except tf.errors.OpError as exc:
            raise RequestError(code_of(exc.error_code), exc.message) from None
        names = [name for name, _ in feeds]
        places = [(spec.name, fetches.index(spec.tensor)) for spec in signature.outputs]

        def call(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            if len(inputs) != len(names):
                raise invalid(_wrong_inputs(inputs, names))
            values = run(*[inputs[name] for name in names])
            return {name: _as_array(values[place]) for name, place in places}

        return call


def load(folder: Path, threads: int | None = None) -> SavedModel:
    """Loads the `serve` graph of a SavedModel folder completely. Raises LoadError."""
    if not (folder / "saved_model.pb").exists() and not (folder / "saved_model.pbtxt").exists():
        raise LoadError(
            Code.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {folder}. Check "
            "that the directory exists and that you have the right permissions for accessing it.",
        )
    tf.get_logger().setLevel(logging.ERROR)  # the loader warns about its own age
    graph = tf.Graph()
    session = tf.Session(graph=graph, config=_config(threads or os.cpu_count() or 1))
    try:
        with graph.as_default():
            meta_graph = tf.saved_model.loader.load(session, [tf.saved_model.tag_constants.SERVING], str(folder))
        _check_variables(folder, meta_graph)
        return SavedModel(folder, session, meta_graph)
    except LoadError:
        session.close()
        raise
    except tf.errors.OpError as exc:
        session.close()
        raise LoadError(code_of(exc.error_code), exc.message) from None
    except (OSError, DecodeError) as exc:
        session.close()
        raise LoadError(Code.DATA_LOSS, f"Can't parse {folder}/saved_model.pb as binary proto: {exc}") from None
    except Exception as exc:  # noqa: BLE001 - whatever a broken folder does, the server must live on
        session.close()
        code = Code.NOT_FOUND if isinstance(exc, RuntimeError) else Code.INVALID_ARGUMENT
        raise LoadError(code, f"Could not load {folder}: {type(exc).__name__}: {exc}") from None


def _config(threads: int) -> Any:
    config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1)
    config.graph_options.rewrite_options.min_graph_nodes = -1  # optimise small graphs too: inlines functions
    return config


def _check_variables(folder: Path, meta_graph: meta_graph_pb2.MetaGraphDef) -> None:
    """The loader takes a folder whose variables are not copied yet for a model without variables."""
    if (folder / "variables" / "variables.index").exists():
        return
    if any(node.op in _VARIABLE_OPS for node in meta_graph.graph_def.node):
        raise LoadError(
            Code.NOT_FOUND,
            f"{folder}/variables/variables.index is missing, but the graph has variables: half-written?",
        )


def _made_up(spec: NamedTensor) -> np.ndarray:
    shape = [dim or 1 for dim in spec.shape or ()] if spec.shape is not None else [1]
    if spec.dtype == "string":
        return np.full(shape, b"", dtype=object)
    return np.zeros(shape, tf.dtypes.as_dtype(spec.dtype).as_numpy_dtype)


def _as_array(value: Any) -> np.ndarray:
    """A scalar string comes as bytes, which numpy would take for a fixed-width type."""
    return np.array(value, dtype=object) if isinstance(value, bytes) else np.asarray(value)


def _in_session_words(message: str) -> str:
    """A callable words a wrong type in its own way; this is what `Session.run`, hence TensorFlow Serving, says."""
    match = _WRONG_TYPE.match(message)
    return "Expects arg[{2}] to be {1} but {0} is provided".format(*match.groups()) if match else message


def _timed(run: Callable[..., Any], *arguments: Any) -> float:
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start


def _wrong_inputs(sent: dict[str, np.ndarray], wanted: list[str]) -> str:
    extra, missing = sorted(set(sent) - set(wanted)), sorted(set(wanted) - set(sent))
    return (
        f"input size does not match signature: {len(sent)}!={len(wanted)} "
        f"len({{{','.join(sorted(sent))}}}) != len({{{','.join(wanted)}}}). "
        f"Sent extra: {{{','.join(extra)}}}. Missing but required: {{{','.join(missing)}}}."
    )
