"""A graph laid flat, to be read: who reads a tensor, where it comes from, its value and its shape.

Nothing is imported before a shape or a value is asked for that no node states.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.python.framework import tensor_util

from harness.errors import BrokenModel
from harness.graph.dtypes import LEGACY_SHAPE_PRODUCER, shape_of
from harness.graph.extract import PLACEHOLDER_OPS, needed_functions
from harness.graph.inlining import inlined, is_large_value
from harness.graph.reading.op_arguments import has_its_inputs
from harness.graph.state import VARIABLE_OPS
from harness.graph.tensors import imported
from harness.signature import Shape, Signature
from harness.tensor_names import canonical, node_name, output_index, session_name

Array = npt.NDArray[Any]

_SAME_VALUE = frozenset({"Identity", "StopGradient", "PreventGradient", "Snapshot", "Enter",
                         "RefEnter", "Switch", "RefSwitch", "Exit", "RefExit", "CheckNumerics",
                         "ReadVariableOp", "EnsureShape", "RefIdentity"})  # fmt: skip
_MOST_NODES = 2000
"""That are imported alone for the sake of one tensor; for more, the whole graph is, and once."""
_FOLLOWERS = 64
_MOST_SMALL_IMPORTS = 30
_READS = frozenset({"TensorArrayRead", "TensorArrayGather", "TensorArrayConcat",
                    "TensorArrayPack"})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A node that reads a tensor, at a position among its inputs."""

    node: node_def_pb2.NodeDef
    position: int


class FlatGraph:
    """The extracted graph that computes a signature, with no function left closed."""

    def __init__(self, graph_def: graph_pb2.GraphDef, signature: Signature) -> None:
        self.graph_def = inlined(graph_def, branches=True)
        self.inputs = {spec.name: spec for spec in signature.inputs}
        # Of a node that lacks inputs nothing is said here; the stage `restore` says what it lacks.
        self.nodes: Mapping[str, node_def_pb2.NodeDef] = {
            node.name: node for node in self.graph_def.node if has_its_inputs(node)
        }
        self._state_input_shapes()
        self._imports_left = _MOST_SMALL_IMPORTS
        self._readers: dict[str, list[Reading]] = {}
        self._outputs: dict[str, set[str]] = {}
        for node in self.nodes.values():
            for position, tensor in enumerate(node.input):
                self._readers.setdefault(tensor, []).append(Reading(node=node, position=position))
                self._outputs.setdefault(node_name(tensor), set()).add(tensor)
        self._static: dict[str, tuple[Shape | None, Array | None]] = {}

    def readers(self, tensor: str) -> tuple[Reading, ...]:
        """Return the nodes that read a tensor."""
        return tuple(self._readers.get(tensor, ()))

    def outputs_read(self, node: str) -> tuple[str, ...]:
        """Return the tensors of a node that anybody reads."""
        return tuple(sorted(self._outputs.get(node, ())))

    def producer(self, tensor: str) -> node_def_pb2.NodeDef | None:
        """Return the node that gives a tensor; None where the graph is damaged."""
        return self.nodes.get(node_name(tensor))

    def origin(self, tensor: str) -> str:
        """Return the tensor whose value this one passes on, itself where it is computed.

        An input is its own origin, and so is what a loop changes.
        """
        seen: set[str] = set()
        while tensor not in self.inputs and tensor not in seen:
            seen.add(tensor)
            node = self.producer(tensor)
            if node is None or not node.input:
                break
            if node.op in _SAME_VALUE:
                tensor = node.input[0]
            elif node.op == "IdentityN":
                tensor = node.input[output_index(tensor)]
            else:
                break
        return tensor

    def origin_node(self, tensor: str) -> node_def_pb2.NodeDef | None:
        """Return the node that gives what this tensor passes on."""
        return self.producer(self.origin(tensor))

    def input_of(self, tensor: str) -> str | None:
        """Return the input that a tensor passes on, None for what is computed."""
        origin = self.origin(tensor)
        return origin if origin in self.inputs else None

    def stated(self, tensor: str) -> Array | None:
        """Return the value of a constant that a tensor passes on, if it is small."""
        node = self.origin_node(tensor)
        if node is None or node.op != "Const" or is_large_value(node.attr["value"]):
            return None
        value: Array = tensor_util.MakeNdarray(node.attr["value"].tensor)
        return value

    def constant(self, tensor: str) -> Array | None:
        """Return the value of a tensor that depends on no input, as far as TensorFlow folds it."""
        value = self.stated(tensor)
        return self._read_statically(tensor)[1] if value is None else value

    def scalar(self, tensor: str) -> int | float | None:
        """Return the one number that a constant holds; None for anything else, and for NaN."""
        value = self.stated(tensor)
        node = self.origin_node(tensor)
        if node is not None and node.op == "Cast":
            value = self.stated(node.input[0])
        if value is None or value.size != 1 or value.dtype.kind not in "biuf":
            return None
        number = value.reshape(()).item()
        return number if np.isfinite(number) else None

    def shape(self, tensor: str) -> Shape | None:
        """Return the static shape of a tensor; of a variable's handle, that of the variable."""
        node = self.origin_node(tensor)
        if node is not None and node.op in VARIABLE_OPS:
            return shape_of(node.attr["shape"].shape)
        if node is not None and node.op == "Const":
            return shape_of(node.attr["value"].tensor.tensor_shape)
        return self._read_statically(tensor)[0]

    def shapes(self) -> list[Shape | None]:
        """Return the static shapes of all tensors; none where the graph is not accepted."""
        graph = self._whole
        operations = graph.get_operations() if graph is not None else ()
        return [_static_shape(tensor) for op in operations for tensor in op.outputs]

    def size(self, tensor: str, axis: int) -> int | None:
        """Return the static size of an axis, None where it is not known."""
        shape = self.shape(tensor)
        if shape is None or not -len(shape) <= axis < len(shape):
            return None
        return shape[axis]

    def array_reads(self, handle: str) -> list[node_def_pb2.NodeDef]:
        """Return the nodes that read elements of the TensorArray of `handle`."""
        return self._array_reads.get(self.origin(handle), [])

    @cached_property
    def _array_reads(self) -> dict[str, list[node_def_pb2.NodeDef]]:
        found: dict[str, list[node_def_pb2.NodeDef]] = {}
        for node in self.graph_def.node:
            if node.op.rstrip("V23") in _READS:
                found.setdefault(self.origin(node.input[0]), []).append(node)
        return found

    def before(self, tensors: Iterable[str]) -> Iterator[node_def_pb2.NodeDef]:
        """Yield the nodes that `tensors` depend on, nearest first, their own included."""
        queue = [node_name(tensor) for tensor in tensors]
        seen = set(queue)
        for name in queue:
            node = self.nodes.get(name)
            if node is None:
                continue
            yield node
            for read in node.input:
                source = node_name(read)
                if source not in seen:
                    seen.add(source)
                    queue.append(source)

    def shape_with(self, tensor: str, sizes: Mapping[tuple[str, int], int]) -> Shape | None:
        """Return the static shape that a tensor has with `sizes` for the axes of inputs.

        None too where the shape functions object.
        """
        part = self._graph_of(self.before([tensor]))
        for node in part.node:
            for axis, dim in enumerate(node.attr["shape"].shape.dim if _is_fed(node) else ()):
                dim.size = sizes.get((self._input_at(node.name), axis), dim.size)
        graph = _imported(part)
        if graph is None:
            return None
        return _static_shape(graph.get_tensor_by_name(session_name(tensor)))

    def accepts_rank(self, name: str, rank: int) -> bool:
        """Say whether shape functions accept that rank of an input of unknown rank.

        Those of the nodes that follow are asked; what reads it far on rarely says its rank.
        """
        followers: dict[str, None] = {name: None}
        queue = [name]
        for tensor in queue:
            for reading in self.readers(tensor):
                if len(followers) < _FOLLOWERS and reading.node.name not in followers:
                    followers[reading.node.name] = None
                    queue.extend(self.outputs_read(reading.node.name))
        part = self._graph_of(self.before(followers))
        for node in part.node:
            if _is_fed(node) and self._input_at(node.name) == name:
                shape = node.attr["shape"].shape
                shape.unknown_rank = False
                for _ in range(rank):
                    shape.dim.add(size=-1)
        return _imported(part) is not None

    def _graph_of(self, nodes: Iterable[node_def_pb2.NodeDef]) -> graph_pb2.GraphDef:
        part = graph_pb2.GraphDef(versions=self.graph_def.versions)
        part.node.extend(nodes)
        part.library.function.extend(needed_functions(self.graph_def, part.node))
        return part

    def _input_at(self, placeholder: str) -> str:
        """Return the input that a placeholder stands for; see `graph.extract`."""
        node, _, index = placeholder.rpartition("/cut_")
        return canonical(f"{node}:{index}") if node else placeholder

    def _state_input_shapes(self) -> None:
        # What the signature knows is at least what the placeholder says: a legacy one says [].
        self.graph_def.versions.producer = max(
            self.graph_def.versions.producer, LEGACY_SHAPE_PRODUCER
        )
        for node in self.graph_def.node:
            spec = self.inputs.get(self._input_at(node.name))
            if spec is None or not _is_fed(node):
                continue
            shape = node.attr["shape"].shape
            shape.Clear()
            shape.SetInParent()
            shape.unknown_rank = spec.shape is None
            for size in spec.shape or ():
                shape.dim.add(size=-1 if size is None else size)

    def _read_statically(self, tensor: str) -> tuple[Shape | None, Array | None]:
        if tensor not in self._static:
            found: tuple[Shape | None, Array | None] = (None, None)
            graph = self._graph_with(tensor)
            if graph is not None:
                known = graph.get_tensor_by_name(session_name(tensor))
                found = (_static_shape(known), tf.get_static_value(known))
            self._static[tensor] = found
        return self._static[tensor]

    def _graph_with(self, tensor: str) -> tf.Graph | None:
        """Return what a tensor depends on as TensorFlow takes it, be it with the whole graph."""
        before = list(itertools.islice(self.before([tensor]), _MOST_NODES + 1))
        if len(before) > _MOST_NODES or not self._imports_left:
            return self._whole
        self._imports_left -= 1
        return _imported(self._graph_of(before))

    @cached_property
    def _whole(self) -> tf.Graph | None:
        return _imported(self.graph_def)


def _imported(graph_def: graph_pb2.GraphDef) -> tf.Graph | None:
    try:
        return imported(graph_def)
    except BrokenModel:  # the stage `restore` says why
        return None


def _is_fed(node: node_def_pb2.NodeDef) -> bool:
    return node.op in PLACEHOLDER_OPS


def _static_shape(tensor: tf.Tensor) -> Shape | None:
    return None if tensor.shape.rank is None else tuple(tensor.shape.as_list())
