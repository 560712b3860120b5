"""The inference graph of a model, rebuilt around an input, with a saver of TensorFlow's own."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from harness.errors import FreezeproofError, RequestError, first_line, nearest
from harness.exporting.input_types import check_input, make_input
from harness.exporting.layout import DEFAULT_COLLECTION
from harness.exporting.model_protocol import InferenceModel, checked
from harness.signature import Shape
from harness.tensor_names import canonical, session_name


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
    """
    shape = what.shape()
    model = checked(what.model, "model")
    graph = tf.Graph()
    with graph.as_default():
        source = make_input(what.input_type, shape)
        inputs = tf.cast(source.pictures, tf.float32)
        returned: object = inputs
        for function in (model.preprocess, model.predict, model.postprocess):
            returned = _called(function, returned)
        outputs = _named(graph, returned)
        if what.graph_hook is not None:
            what.graph_hook()
        for name in what.additional_outputs:
            tensor = _additional(graph, name)
            outputs.setdefault(canonical(tensor.name), tensor)
        for tensor in outputs.values():
            graph.add_to_collection(what.collection, tensor)
        meta_graph = tf.compat.v1.train.export_meta_graph(
            graph=graph, saver_def=_saver_def(), clear_devices=True
        )
    return Rebuilt(
        meta_graph=meta_graph,
        inputs=(canonical(source.placeholder.name),),
        outputs=tuple(outputs),
    )


def _called(function: Callable[[Any], object], argument: object) -> object:
    try:
        return function(argument)
    except FreezeproofError:
        raise
    except Exception as error:  # the user's own code: anything may come out of it
        raise RequestError(
            f"model: {function.__name__} fails with {type(error).__name__}: {first_line(error)}"
            f"{_place(error)}"
        ) from error


def _place(error: Exception) -> str:
    """Return where in the model's own code it failed: the innermost line that is no library's."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)[1:]
        if "site-packages" not in Path(frame.filename).parts
    ]
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""


def _saver_def() -> Any:
    variables = tf.compat.v1.global_variables()
    if not variables:
        raise RequestError(
            "model: it made no variable, so that there is nothing to take from the checkpoint; "
            "predict should make them as it did in training, with tf.compat.v1.get_variable or "
            "layers that do, in the default graph"
        )
    return tf.compat.v1.train.Saver(variables).as_saver_def()


def _named(graph: Any, returned: object) -> dict[str, Any]:
    """Return the outputs, each a tensor of a node of its own name."""
    if not isinstance(returned, Mapping) or not returned:
        raise RequestError(
            f"model: postprocess should return a dict of tensors by the names that they are served "
            f"by, and returned {_described(returned)}"
        )
    outputs = {}
    for name, tensor in returned.items():
        if not isinstance(name, str) or not tf.is_tensor(tensor):
            raise RequestError(
                f"model: postprocess should return tensors by name, and returned "
                f"{_described(tensor)} as {name!r}"
            )
        outputs[name] = _under_name(graph, name, tf.convert_to_tensor(tensor))
    return outputs


def _under_name(graph: Any, name: str, tensor: Any) -> Any:
    """Return the first output of a node `name` that has the value of `tensor`."""
    if tensor.name == f"{name}:0":
        return tensor
    try:
        # The slash at the end: the name as it is, also where it is a scope's already.
        return tf.identity(tensor, name=f"{name}/")
    except ValueError as error:
        taken = _operation(graph, name)
        if taken is not None:
            raise RequestError(
                f"model: postprocess returns {tensor.name} as {name!r}, and another node of the "
                f"graph is called {name} ({taken.type}): give that node, or the output, another "
                f"name"
            ) from error
        raise RequestError(
            f"model: postprocess returns an output {name!r}, which is no name that TensorFlow "
            f"allows a node: {error}"
        ) from error


def _additional(graph: Any, name: str) -> Any:
    try:
        return graph.get_tensor_by_name(session_name(name))
    except (KeyError, ValueError) as error:
        known = [operation.name for operation in graph.get_operations()]
        raise RequestError(
            f"--extra-outputs {name}: the graph has no such tensor"
            f"{nearest(canonical(name).partition(':')[0], known)}"
        ) from error


def _operation(graph: Any, name: str) -> Any:
    try:
        return graph.get_operation_by_name(name)
    except (KeyError, ValueError):
        return None


def _described(value: object) -> str:
    return "an empty dict" if value == {} else f"a {type(value).__name__}"
