"""One version of a model in memory: loaded from its folder, prepared, asked, closed.

The graph runs in a TensorFlow session, as it does in TensorFlow Serving: the same loader, the same
kernels, the same error texts. A one-row call takes a thirtieth of what a `tf.saved_model.load`
signature takes, because the feeds go straight to the runtime on the calling thread.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow.python.client import pywrap_tf_session as tf_session

from serving.exceptions import LoadError, RequestError
from serving.model_server.options import LoadOptions
from serving.model_server.signatures import DEFAULT_SIGNATURE, Signature, read_signatures
from serving.model_server.status import Code, code_of, invalid, too_late

log = logging.getLogger(__name__)

_RUN_ON_CALLING_THREAD = -1
_WRONG_TYPE = re.compile(r"Type mismatch: actual (\w+) vs\. expect (\w+)\s.*_(\d+)\}\}", re.DOTALL)
_LONGEST_MILLISECONDS = 2**31 - 1
DEFAULT_OPTIONS = LoadOptions()
RUN_THREADS = 64
"""Threads for runs that may be cancelled; all others run on the thread that asks."""
MOST_CALLS = 64
"""So many choices of signature and outputs are kept ready."""

_CANCELLABLE = re.compile(
    "LoopCond|While$|^For$|Queue|Barrier|[Ss]tage$|^(Unb|B)atch$|BatchFunction|Iterator|Dataset|Mutex|Recv|Collective"
)
"""Operations that look whether their run was cancelled: loops, and what waits for somebody else."""

_VARIABLE_OPS = frozenset({"VarHandleOp", "VariableV2", "Variable"})

_Call = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


class _Tensors(NamedTuple):
    """Where a signature's inputs and outputs are in the graph, by name."""

    inputs: dict[str, Any]
    outputs: dict[str, Any]


class SavedModel:
    """A loaded version. `run` is thread-safe."""

    def __init__(self, folder: Path, session: Any, meta_graph: meta_graph_pb2.MetaGraphDef) -> None:
        self.folder = folder
        self.signature_defs = dict(meta_graph.signature_def)
        self.signatures = read_signatures(meta_graph.signature_def)
        self._session = session
        self._can_be_cancelled = _can_be_cancelled(meta_graph.graph_def)
        self._lock = threading.Lock()
        self._calls: OrderedDict[tuple[str, tuple[str, ...]], _Call] = OrderedDict()
        self._tensors: dict[str, _Tensors] = {}

    def signature(self, name: str) -> Signature:
        """The signature of that name ('' is the default). Raises RequestError."""
        wanted = name or DEFAULT_SIGNATURE
        try:
            return self.signatures[wanted]
        except KeyError:
            raise invalid(f'Serving signature name: "{wanted}" not found in signature def') from None

    def run(
        self,
        signature: Signature,
        inputs: dict[str, np.ndarray],
        outputs: Sequence[str] | None = None,
        deadline: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Outputs by name (all, or these and nothing else is computed), for inputs in the signature's types.

        Raises RequestError with TensorFlow's text, DEADLINE_EXCEEDED after `deadline` (of time.monotonic): a graph
        that can be cancelled is cancelled then, one without loops runs to its end as in TensorFlow Serving.
        """
        wanted = tuple(spec.name for spec in signature.outputs) if outputs is None else tuple(sorted(outputs))
        if len(inputs) != len(signature.inputs):
            raise invalid(_wrong_inputs(inputs, [spec.name for spec in signature.inputs]))
        seconds = None if deadline is None else deadline - time.monotonic()
        if seconds is not None and seconds <= 0:
            raise too_late()
        try:
            if self._can_be_cancelled:
                return self._run_cancellable(signature, inputs, wanted, seconds)
            answer = self._call(signature, wanted)(inputs)
        except tf.errors.DeadlineExceededError:
            raise too_late() from None
        except tf.errors.OpError as exc:
            raise RequestError(code_of(exc.error_code), _in_session_words(exc.message)) from None
        except (TypeError, ValueError) as exc:
            raise invalid(str(exc)) from None
        if deadline is not None and time.monotonic() > deadline:
            raise too_late()
        return answer

    def prepare(self) -> None:
        """Prunes and optimises the graph for every signature, which is what makes the first run slow.

        Nothing is run: only the model's owner knows which inputs it takes and what a run does beside answering.
        """
        if self._can_be_cancelled:  # its runs are prepared by the first one only
            return
        for signature in self.signatures.values():
            if not signature.inputs:  # the initialisation, which SavedModels list beside what they serve
                continue
            try:
                self._call(signature, tuple(spec.name for spec in signature.outputs))
            except (RequestError, tf.errors.OpError, ValueError) as exc:
                log.info(
                    "event=not_prepared folder=%r signature=%r error=%r", str(self.folder), signature.name, str(exc)
                )

    def close(self) -> None:
        """Frees the graph and its variables; no call may be running."""
        self._calls.clear()
        self._session.close()

    def _run_cancellable(
        self, signature: Signature, inputs: dict[str, np.ndarray], wanted: tuple[str, ...], seconds: float | None
    ) -> dict[str, np.ndarray]:
        tensors = self._tensors_of(signature)
        specs = [spec for spec in signature.outputs if spec.name in wanted]
        fetches = {spec.tensor: tensors.outputs[spec.name] for spec in specs}
        feeds = {tensors.inputs[spec.name]: inputs[spec.name] for spec in signature.inputs}
        milliseconds = 0 if seconds is None else min(max(1, round(seconds * 1000)), _LONGEST_MILLISECONDS)
        options = tf_session.TF_NewBufferFromString(
            config_pb2.RunOptions(timeout_in_ms=milliseconds).SerializeToString()
        )
        try:
            # `Session.run` is public, but it casts a tensor of a wrong type, which TensorFlow Serving refuses
            values = self._session._call_tf_sessionrun(options, feeds, list(fetches.values()), [], None)
        finally:
            tf_session.TF_DeleteBuffer(options)
        found = dict(zip(fetches, values, strict=True))
        return {spec.name: _as_array(found[spec.tensor]) for spec in specs}

    def _tensors_of(self, signature: Signature) -> _Tensors:
        tensors = self._tensors.get(signature.name)
        if tensors is None:
            _check_dense(signature)
            graph = self._session.graph
            tensors = self._tensors[signature.name] = _Tensors(
                *({spec.name: graph.get_tensor_by_name(spec.tensor)._as_tf_output() for spec in specs}
                  for specs in (signature.inputs, signature.outputs))
            )  # fmt: skip
        return tensors

    def _call(self, signature: Signature, wanted: tuple[str, ...]) -> _Call:
        key = (signature.name, wanted)
        call = self._calls.get(key)
        if call is None:
            with self._lock:
                call = self._calls.get(key) or self._callable(signature, wanted)
                self._calls[key] = call
                if len(self._calls) > MOST_CALLS:  # clients choose the outputs; the oldest choice is made again
                    self._calls.popitem(last=False)
        return call

    def _callable(self, signature: Signature, wanted: tuple[str, ...]) -> _Call:
        _check_dense(signature)
        specs = [spec for spec in signature.outputs if spec.name in wanted]
        fetches = list(dict.fromkeys(spec.tensor for spec in specs))
        options = config_pb2.CallableOptions()
        options.feed.extend(spec.tensor for spec in signature.inputs)
        options.fetch.extend(fetches)
        options.run_options.inter_op_thread_pool = _RUN_ON_CALLING_THREAD
        # `make_callable` is public, but it alone takes options, and without them a run costs 0.15 ms more
        run = self._session._make_callable_from_options(options)
        names = [spec.name for spec in signature.inputs]
        places = [(spec.name, fetches.index(spec.tensor)) for spec in specs]

        def call(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            values = run(*[inputs[name] for name in names])
            return {name: _as_array(values[place]) for name, place in places}

        return call


def load(folder: Path, options: LoadOptions = DEFAULT_OPTIONS) -> SavedModel:
    """Loads the graph with the options' tags of a SavedModel folder completely. Raises LoadError."""
    if not (folder / "saved_model.pb").exists() and not (folder / "saved_model.pbtxt").exists():
        raise LoadError(
            Code.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {folder}. Check "
            "that the directory exists and that you have the right permissions for accessing it.",
        )
    tf.get_logger().setLevel(logging.ERROR)  # the loader warns about its own age
    graph = tf.Graph()
    session = tf.Session(graph=graph, config=_config(options.intra_op_threads))
    try:
        with graph.as_default():
            meta_graph = tf.saved_model.loader.load(session, list(options.tags), str(folder))
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
    """`threads` for one operation; 0 lets TensorFlow choose, which is as many as there are cores."""
    config = tf.ConfigProto(intra_op_parallelism_threads=threads)
    # one pool for all models, wide enough that slow runs of one model leave threads to the others
    config.session_inter_op_thread_pool.add(num_threads=RUN_THREADS, global_name="runs")
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


def _can_be_cancelled(graph: graph_pb2.GraphDef) -> bool:
    """Whether a deadline has any effect on a run; then it needs a second thread, which costs as much as a small run."""
    nodes = chain(graph.node, *(function.node_def for function in graph.library.function))
    return any(_CANCELLABLE.search(op) for op in {node.op for node in nodes})


def _check_dense(signature: Signature) -> None:
    tensors = [*signature.inputs, *signature.outputs]
    if not signature.outputs or not all(spec.tensor for spec in tensors):
        raise invalid(f"Signature {signature.name} has an input or output that is not one dense tensor.")


def _as_array(value: Any) -> np.ndarray:
    """A scalar string comes as bytes, which numpy would take for a fixed-width type."""
    return np.array(value, dtype=object) if isinstance(value, bytes) else np.asarray(value)


def _in_session_words(message: str) -> str:
    """A callable words a wrong type in its own way; this is what `Session.run`, hence TensorFlow Serving, says."""
    match = _WRONG_TYPE.match(message)
    return "Expects arg[{2}] to be {1} but {0} is provided".format(*match.groups()) if match else message


def _wrong_inputs(sent: dict[str, np.ndarray], wanted: list[str]) -> str:
    extra, missing = sorted(set(sent) - set(wanted)), sorted(set(wanted) - set(sent))
    return (
        f"input size does not match signature: {len(sent)}!={len(wanted)} "
        f"len({{{','.join(sorted(sent))}}}) != len({{{','.join(wanted)}}}). "
        f"Sent extra: {{{','.join(extra)}}}. Missing but required: {{{','.join(missing)}}}."
    )
