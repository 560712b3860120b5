"""Run a model: one graph in one open session, strict or deployed.

Strict turns TensorFlow's graph optimisers off, so that reference and candidate execute the same
kernels on the same values and can be compared bit for bit. With them on, Grappler folds constants
into weights on the frozen side only, and a convolution followed by an unfused batch normalisation
differs in every example. Deployed is the runtime as shipped.
"""

from __future__ import annotations

import enum
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
from tensorflow.core.framework import graph_pb2

from harness.conditioning import moved
from harness.criteria import Array
from harness.errors import BrokenModel, Rejected, TimedOut, failing_nodes, first_line
from harness.graph.extract import all_nodes
from harness.graph.moved_constants import move_constants
from harness.graph.randomness import SEED, has_random_streams, pin_randomness
from harness.graph.state import Variable, nameless
from harness.models.model import Model
from harness.models.running import cpu_config, strict_config
from harness.signature import Shape, format_shape, shape_accepts
from harness.subject import DEFAULT_EXAMPLE_SECONDS
from harness.tensor_names import session_name

with warnings.catch_warnings():
    # TensorFlow's own imports warn; under a user's `-W error` that would be a failure of ours.
    warnings.simplefilter("ignore")
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2

_BYTES_AT_A_TIME = 64 * 2**20
_LONGEST_MILLISECONDS = 2**31
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


class Mode(enum.Enum):
    """How the runtime treats the graph."""

    STRICT = "strict"
    DEPLOYED = "deployed"


class Runner:
    """A model in an open session: feeds in, outputs out.

    The session is opened by the first call and kept until `close`; a graph with random streams
    gets a new one for each call, since a stream cannot be rewound.
    """

    def __init__(
        self,
        model: Model,
        *,
        mode: Mode,
        random_seed: tuple[int, int] = SEED,
        seconds: float = DEFAULT_EXAMPLE_SECONDS,
        moved_by: int | None = None,
    ) -> None:
        """Keep the model; nothing is opened yet. Its random ops are pinned by `random_seed`.

        An example may run for `seconds`. With a seed `moved_by`, the weights are those of the model
        but for their last bits: see `conditioning`.
        """
        # A constant whose value was left out would run as zeros.
        assert model.left_out is None, f"{model.path} was read without its values"
        self._model = model
        self._mode = mode
        self._seconds = seconds
        self._moved_by = moved_by
        self._graph_def = _prepared(model.graph_def, mode, random_seed)
        if moved_by is not None:
            move_constants(self._graph_def, seed=moved_by)
        self._fresh_each_time = has_random_streams(self._graph_def)
        self._session: Any = None
        self._callable: Any = None
        self._has_run = False
        self._input_shapes: dict[str, Shape | None] = {}
        self._assigns: dict[str, tuple[Any, Any]] = {}
        self.was_opened = False
        """Whether a session was opened before: graph and weights are known to fit."""

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by tensor name for `feeds`, by tensor name.

        Raises:
            Rejected: TensorFlow refuses the feeds or fails on them.
            TimedOut: it takes longer than the limit.
            BrokenModel: graph and weights cannot be brought together.
        """
        if self._fresh_each_time:
            self.close()
        self.open()
        signature = self._model.signature
        for name, shape in self._input_shapes.items():
            # What `Session.run` checks and a callable does not: a batch that is baked in.
            if not shape_accepts(shape, feeds[name].shape):
                raise Rejected(
                    "ValueError",
                    f"a value of shape {format_shape(feeds[name].shape)} cannot be fed to {name}, "
                    f"which is {format_shape(shape)}",
                )
        values = self._run([for_session(feeds[n]) for n in signature.input_names])
        return {
            name: from_session(value)
            for name, value in zip(signature.output_names, values, strict=True)
        }

    def fetch(self, feeds: Mapping[str, Array], tensors: Sequence[str]) -> dict[str, Array]:
        """Return tensors of the main graph, whatever they are, by name for `feeds`.

        `feeds` may hold other tensors than inputs, which are then fed in the place of what the
        graph computes. Inside the frame of a V1 loop nothing can be fetched or fed.

        Raises:
            Rejected, TimedOut, BrokenModel: as a call. A tensor that cannot be fetched is rejected.
        """
        if self._fresh_each_time:
            self.close()
        self.open()
        try:
            values = self._session.run(
                [session_name(name) for name in tensors],
                {session_name(name): for_session(value) for name, value in feeds.items()},
                options=config_pb2.RunOptions(timeout_in_ms=self._milliseconds),
            )
        except tf.errors.DeadlineExceededError as error:
            raise TimedOut(self._seconds) from error
        except (tf.errors.OpError, ValueError, TypeError, KeyError) as error:
            raise _rejected(error) from error
        return {name: from_session(value) for name, value in zip(tensors, values, strict=True)}

    def assign(self, variable: str, value: Array) -> None:
        """Give a variable of the model another value, until the session is closed.

        Raises:
            KeyError: the model has no such variable, or it is another handle of one that it has.
            BrokenModel: the value does not fit.
        """
        self.open()
        placeholder, assign = self._assigns[variable]
        self._assign_batch([(variable, placeholder, assign, value)])

    def _run(self, values: list[Array]) -> Any:
        is_first, self._has_run = not self._has_run, True
        try:
            return self._callable(*values)
        except tf.errors.DeadlineExceededError as error:
            # TensorFlow has cancelled the step and waited for its kernels: the session is as good
            # as before.
            if is_first:
                # What a session builds when it first runs, the bodies of functions say, is no fault
                # of the feeds.
                return self._run(values)
            raise TimedOut(self._seconds) from error
        except tf.errors.OpError as error:
            raise _rejected(error) from error

    def open(self) -> None:
        """Import the graph, open a session and give every variable its value, unless it is open.

        Raises:
            BrokenModel: the graph cannot be imported, or a value does not fit its variable.
        """
        if self._callable is not None:
            return
        graph = tf.Graph()
        # Nodes of one resource are one variable: it is given its value once.
        variables = list({v.resource or v.name: v for v in self._model.variables}.values())
        with graph.as_default():
            try:
                tf.import_graph_def(self._graph_def, name="")
                assigns = [_assign(graph, variable) for variable in variables]
            except (ValueError, KeyError, tf.errors.OpError) as error:
                raise BrokenModel(f"the graph cannot be imported: {first_line(error)}") from error
        self._session = tf.compat.v1.Session(graph=graph, config=session_config(self._mode))
        try:
            # Before any value: here TensorFlow says which op has no kernel on this machine.
            outputs = self._make_callable()
        except tf.errors.OpError as error:
            raise BrokenModel(
                f"the outputs cannot be computed from the inputs: {first_line(error)}"
            ) from error
        self._assign(variables, assigns)
        self._assigns = {v.name: each for v, each in zip(variables, assigns, strict=True)}
        self._input_shapes = {
            name: _static_shape(graph, name) for name in self._model.signature.input_names
        }
        self._callable = outputs
        self.was_opened = True

    def close(self) -> None:
        """Close the session, if one is open."""
        if self._session is not None:
            self._session.close()
        self._session = self._callable = None
        self._assigns = {}
        self._has_run = False

    def _assign(self, variables: list[Variable], assigns: list[tuple[Any, Any]]) -> None:
        """Give the variables their values, some at a time: the weights are never held twice.

        Not one at a time: what a call of `Session.run` costs grows with the graph.
        """
        weights = self._model.weights
        batch: list[tuple[str, Any, Any, Array]] = []
        for variable, (placeholder, assign) in zip(variables, assigns, strict=True):
            value = weights[variable.name]
            if self._moved_by is not None:
                value = moved(value, seed=self._moved_by, of=variable.name)
            batch.append((variable.name, placeholder, assign, value))
            if sum(value.nbytes for *_, value in batch) >= _BYTES_AT_A_TIME:
                self._assign_batch(batch)
                batch.clear()
        self._assign_batch(batch)

    def _assign_batch(self, batch: list[tuple[str, Any, Any, Array]]) -> None:
        if not batch:
            return
        try:
            self._session.run(
                [assign for _, _, assign, _ in batch],
                {placeholder: value for _, placeholder, _, value in batch},
            )
        except (ValueError, tf.errors.OpError) as error:
            if len(batch) > 1:  # one by one, to see whose fault it is
                for one in batch:
                    self._assign_batch([one])
            raise BrokenModel(
                f"variable {batch[0][0]} does not take its value: {first_line(error)}"
            ) from error

    def _make_callable(self) -> Any:
        # What `Session.make_callable` would do for a call without feeds: with feeds, the public
        # method goes through `Session.run`, which costs several times as much.
        options = config_pb2.CallableOptions()
        signature = self._model.signature
        options.feed.extend(session_name(name) for name in signature.input_names)
        options.fetch.extend(session_name(name) for name in signature.output_names)
        options.run_options.timeout_in_ms = self._milliseconds
        return self._session._make_callable_from_options(options)  # noqa: SLF001 (no public way)

    @property
    def _milliseconds(self) -> int:
        # 0 would be no limit.
        return round(max(1, min(self._seconds * 1000, _LONGEST_MILLISECONDS)))


_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_SESSION_BFLOAT16 = np.dtype(tf.bfloat16.as_numpy_dtype)
"""Up to TensorFlow 2.12 a numpy dtype of its own: same name, same bits, another type."""


def for_session(value: Array) -> Array:
    """Return a feed in the numpy dtype that this TensorFlow takes, bits unchanged."""
    return value.view(_SESSION_BFLOAT16) if value.dtype == _BFLOAT16 else value


def from_session(value: Any) -> Array:
    """Return what a session gave as an array of a numpy or ml_dtypes dtype, bits unchanged."""
    if isinstance(value, bytes):
        # Left to numpy, a scalar string loses its trailing zero bytes.
        return np.asarray(value, dtype=object)
    array = np.asarray(value)
    return array.view(_BFLOAT16) if array.dtype == _SESSION_BFLOAT16 else array


def _static_shape(graph: Any, name: str) -> Shape | None:
    shape = graph.get_tensor_by_name(session_name(name)).shape
    return None if shape.rank is None else tuple(shape.as_list())


def _prepared(
    graph_def: graph_pb2.GraphDef, mode: Mode, random_seed: tuple[int, int]
) -> graph_pb2.GraphDef:
    copy = graph_pb2.GraphDef()
    copy.CopyFrom(graph_def)
    pin_randomness(copy, seed=random_seed)
    if mode is Mode.STRICT:
        make_calls_strict(copy)
    return copy


def make_calls_strict(graph_def: graph_pb2.GraphDef) -> None:
    """Turn the optimisers off inside the functions that `graph_def` (changed in place) calls.

    A call node has a session configuration of its own, in TF2 SavedModels an explicit one, under
    which the function's body is optimised although the session's optimisers are off.
    """
    configuration = session_config(Mode.STRICT).SerializeToString()
    for node in all_nodes(graph_def):
        if node.op in _CALLS or "config_proto" in node.attr:
            node.attr["config_proto"].s = configuration


def _assign(graph: Any, variable: Variable) -> tuple[Any, Any]:
    """Return a placeholder for the variable's value and the op that assigns it."""
    holder = _holder(variable) if variable.function else graph.get_operation_by_name(variable.name)
    dtype = tf.dtypes.as_dtype(holder.get_attr("dtype"))
    value = tf.compat.v1.placeholder(dtype, name="freezeproof/value")
    if variable.is_resource:
        return value, tf.raw_ops.AssignVariableOp(resource=holder.outputs[0], value=value)
    return value, tf.raw_ops.Assign(ref=holder.outputs[0], value=value).op


def _holder(variable: Variable) -> Any:
    """Return a node in the main graph for a variable whose own stands in a function.

    No node of a function can be run from outside, but it shares its resource.
    """
    if variable.resource is None:
        raise BrokenModel(nameless(variable))
    make = tf.raw_ops.VarHandleOp if variable.is_resource else tf.raw_ops.VariableV2
    return make(
        dtype=tf.dtypes.as_dtype(variable.dtype),
        shape=variable.shape,
        container=variable.resource.container,
        shared_name=variable.resource.name,
        name="freezeproof/variable",
    ).op


def session_config(mode: Mode) -> Any:
    """Return the ConfigProto of a session in `mode`."""
    return strict_config() if mode is Mode.STRICT else cpu_config()


def _rejected(error: Exception) -> Rejected:
    return Rejected(type(error).__name__, first_line(error), nodes=failing_nodes(error))
