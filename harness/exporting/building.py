"""The inference graph of a model, rebuilt around an input, with a saver of TensorFlow's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from harness.errors import RequestError, listed, nearest
from harness.exporting.input_types import make_input
from harness.exporting.layout import DEFAULT_COLLECTION, check_input
from harness.exporting.model_protocol import InferenceModel, checked, users_code
from harness.graph.extract import PLACEHOLDER_OPS, reachable
from harness.signature import Shape
from harness.tensor_names import canonical, session_name

_NODE_NAME = re.compile(r"[A-Za-z0-9.]([A-Za-z0-9_.>/-]*[A-Za-z0-9_.>-])?")
_WITHOUT_VALUE = (tf.resource, tf.variant)
_COMPOSITE = (
    (tf.RaggedTensor, "its values and row_splits by names of their own, or its to_tensor()"),
    (
        (tf.SparseTensor, tf.IndexedSlices),
        "its parts by names of their own, or tf.sparse.to_dense of it",
    ),
)
"""What consists of several tensors, and how to serve it."""


@dataclass(frozen=True, kw_only=True)
class Rebuilding:
    """What is built: a model around an input, and which tensors are served."""

    input_type: str
    model: InferenceModel
    input_shape: tuple[int | None, ...] | None = None
    collection: str = DEFAULT_COLLECTION
    additional_outputs: tuple[str, ...] = ()
    graph_hook: Callable[[], object] | None = None

    def shape(self) -> Shape:
        """Return the shape of the placeholder.

        Raises:
            RequestError: the type or the shape is none that there is.
        """
        return check_input(self.input_type, self.input_shape)


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """A graph that was built, with a saver that restores its variables, and what it serves."""

    meta_graph: meta_graph_pb2.MetaGraphDef
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def rebuild(what: Rebuilding) -> Rebuilt:
    """Build the graph in a `tf.Graph` of its own.

    Raises:
        RequestError: the model does not return what it should, or a name is no tensor's.
        ModelRaised: the model's own code fails.
    """
    shape = what.shape()
    _check_collection(what.collection)
    model = checked(what.model, "model")
    graph = tf.Graph()
    with graph.as_default():
        source = make_input(what.input_type, shape)
        returned: Any = tf.cast(source.pictures, tf.float32)
        for name in ("preprocess", "predict", "postprocess"):
            with users_code(f"model: {name}"):
                returned = getattr(model, name)(returned)
        outputs = _named(graph, returned)
        if what.graph_hook is not None:
            with users_code("graph_hook_fn"):
                what.graph_hook()
        for name in what.additional_outputs:
            tensor = _additional(graph, name, fed=source.placeholder)
            outputs.setdefault(canonical(tensor.name), tensor)
        for tensor in outputs.values():
            graph.add_to_collection(what.collection, tensor)
        meta_graph = tf.compat.v1.train.export_meta_graph(
            graph=graph, saver_def=_saver_def(), clear_devices=True
        )
    (fed,) = inputs = (canonical(source.placeholder.name),)
    _check_fed(meta_graph.graph_def, fed, tuple(outputs))
    return Rebuilt(meta_graph=meta_graph, inputs=inputs, outputs=tuple(outputs))


def _check_collection(name: str) -> None:
    """Refuse a collection that TensorFlow has for something else: of variables, for example."""
    if name in vars(tf.compat.v1.GraphKeys).values():
        raise RequestError(
            f"output_collection_name {name!r}: TensorFlow keeps something else under it; "
            f"{DEFAULT_COLLECTION} is the usual one"
        )


def _check_fed(graph_def: graph_pb2.GraphDef, fed: str, outputs: tuple[str, ...]) -> None:
    """Make sure that the outputs are computed from the one placeholder that is fed.

    Raises:
        RequestError: they do without it, or need another.
    """
    nodes = {node.name: node for node in graph_def.node}
    needed = reachable(nodes, outputs)
    if fed not in needed:
        raise RequestError(
            f"model: what postprocess returns ({listed(outputs)}) does not depend on what "
            f"preprocess is given"
        )
    unfed = sorted(name for name in needed - {fed} if nodes[name].op in PLACEHOLDER_OPS)
    if unfed:
        raise RequestError(
            f"model: what postprocess returns needs the placeholder {listed(unfed)}, which nothing "
            f"feeds: make it a constant, of the value that it has when the model is served"
        )


def _saver_def() -> Any:
    variables = tf.compat.v1.global_variables()
    if not variables:
        raise RequestError(
            "model: it made no variable, so that there is nothing to take from the checkpoint; "
            "predict should make them as it did in training, with tf.compat.v1.get_variable or "
            "layers that do"
        )
    with users_code("model: saving its variables"):  # two of one name, for example
        return tf.compat.v1.train.Saver(variables).as_saver_def()


def _named(graph: Any, returned: object) -> dict[str, Any]:
    """Return the outputs, each a tensor of a node of its own name."""
    if not isinstance(returned, Mapping) or not returned:
        raise RequestError(
            f"model: postprocess should return a dict of tensors by the names that they are served "
            f"by, and returned {_described(returned)}"
        )
    return {
        name: _under_name(graph, name, _checked_output(graph, name, value))
        for name, value in returned.items()
    }


def _checked_output(graph: Any, name: object, value: object) -> Any:
    """Return what postprocess returned as `name`, which is a tensor of the graph."""
    if not isinstance(name, str):
        raise RequestError(
            f"model: postprocess should return tensors by name, and {name!r} is no name: names are "
            f"text"
        )
    if not _NODE_NAME.fullmatch(name):
        raise RequestError(
            f"model: postprocess returns an output {name!r}, which is no name for a node: that "
            f"begins with a letter, digit or dot, and holds letters, digits and _ . > - with / "
            f"between them"
        )
    for kind, remedy in _COMPOSITE:
        if isinstance(value, kind):
            raise RequestError(
                f"model: postprocess returns {_described(value)} as {name!r}, and a node gives one "
                f"dense tensor: return {remedy}"
            )
    if not tf.is_tensor(value):
        raise RequestError(
            f"model: postprocess should return tensors by name, and returned {_described(value)} "
            f"as {name!r}"
        )
    if isinstance(value, tf.Variable):
        value = value.read_value()
    if getattr(value, "graph", None) is not graph:
        raise RequestError(
            f"model: postprocess returns as {name!r} {_described(value)} that was made outside the "
            f"graph that is built: preprocess, predict and postprocess should make all they use"
        )
    return value


def _under_name(graph: Any, name: str, tensor: Any) -> Any:
    """Return the first output of a node `name` that has the value of `tensor`."""
    if tensor.dtype in _WITHOUT_VALUE:
        raise RequestError(
            f"model: postprocess returns {tensor.name} as {name!r}, a handle ({tensor.dtype.name}) "
            f"that is worth nothing outside the graph: return what is read from it"
        )
    if tensor.name == f"{name}:0":
        return tensor
    taken = _operation(graph, name)
    if taken is not None:
        raise RequestError(
            f"model: postprocess returns {tensor.name} as {name!r}, and another node of the graph "
            f"is called {name} ({taken.type}): give that node, or the output, another name"
        )
    # The slash at the end: the name as it is, also where it is a scope's already.
    return tf.identity(tensor, name=f"{name}/")


def _additional(graph: Any, name: str, *, fed: Any) -> Any:
    option = f"--extra-outputs {name}"
    try:
        tensor = graph.get_tensor_by_name(session_name(name))
    except (KeyError, ValueError) as error:
        known = [operation.name for operation in graph.get_operations()]
        raise RequestError(
            f"{option}: the graph has no such tensor"
            f"{nearest(canonical(name).partition(':')[0], known)}"
        ) from error
    if tensor is fed:
        raise RequestError(f"{option}: this is the input")
    if tensor.dtype in _WITHOUT_VALUE:
        raise RequestError(
            f"{option}: this is a handle ({tensor.dtype.name}) that is worth nothing outside the "
            f"graph: name what is read from it"
        )
    return tensor


def _operation(graph: Any, name: str) -> Any:
    try:
        return graph.get_operation_by_name(name)
    except (KeyError, ValueError):
        return None


def _described(value: object) -> str:
    if isinstance(value, tf.Tensor):
        return f"a tensor ({value.name})" if getattr(value, "graph", None) else "an eager tensor"
    if isinstance(value, Mapping) and not value:
        return "an empty dict"
    return "None" if value is None else f"a {type(value).__name__}"
