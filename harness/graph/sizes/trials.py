"""What TensorFlow's shape functions say of input sizes: the graph is imported with them.

No kernel runs, and weights stay on disk: a constant that is large keeps its shape alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.python.client import pywrap_tf_session
from tensorflow.python.framework import c_api_util

from harness.domain import Domain
from harness.graph.extract import all_nodes, needed_functions, reachable
from harness.graph.inlining import inlined
from harness.graph.sizes.output_checks import Wanted, checked_output, checks_of
from harness.graph.sizes.sized_inputs import Sizes, known_shape, sized_inputs, slots_of
from harness.signature import Signature
from harness.tensor_names import node_name

BUDGET = 600_000
"""Nodes imported over all trials: some four seconds. By a clock, sizes would be the machine's."""
_FEWEST_TRIALS = 4
"""Fewer show nothing, and to lay the graph open takes time too."""
_COST_OF_A_TRIAL = 50
"""In nodes, however small the graph."""
_MOST_ELEMENTS = 4096
"""Of a constant whose value may matter to a shape function."""
_NAMED_NODE = re.compile(r"\{\{node ([^}]+)\}\}")
_IMPORTS_IN_C = hasattr(pywrap_tf_session, "TF_GraphImportGraphDefWithResults") and all(
    hasattr(c_api_util, name)
    for name in ("tf_buffer", "ScopedTFImportGraphDefOptions", "ScopedTFImportGraphDefResults")
)


class OutOfBudget(Exception):
    """So much was imported that nothing more is tried."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What TensorFlow says of sizes that it does not accept; `node` is "" where it names none.

    It is `of_output` where the node is an output that is not as wanted, and nothing else is amiss.
    """

    node: str
    message: str
    of_output: bool = False

    @property
    def numbers(self) -> tuple[int, ...]:
        """The whole numbers of the message: sizes that are, and sizes that should be."""
        # Between the node's name and the shapes of what it reads stand its attributes.
        reason, _, rest = self.message.partition(" for '{{node")
        found = re.findall(r"\d+", f"{reason} {rest.rpartition('with input shapes')[2]}")
        return tuple(dict.fromkeys(map(int, found)))


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Some of the graph, serialized, but for the placeholders that are inputs.

    `cost` is what its import is reckoned at.
    """

    placeholders: Collection[str]
    rest: bytes
    cost: int


class Trials:
    """A graph that is imported again and again, with other sizes of its inputs each time.

    `slots` are the unknown dimensions, in the order of the inputs. Functions are laid open, as far
    as TensorFlow takes what comes of it.
    """

    def __init__(
        self,
        graph_def: graph_pb2.GraphDef,
        signature: Signature,
        domains: Mapping[str, Domain],
        *,
        budget: int = BUDGET,
    ) -> None:
        """Take the graph; nothing is imported yet."""
        self._inputs = sized_inputs(graph_def, signature, domains)
        self._outputs = signature.outputs
        self._left = budget
        self.slots = tuple(dict.fromkeys(slots_of(self._inputs)))
        self._whole = graph_def
        self._take(graph_def)

    @cached_property
    def can_be_tried(self) -> bool:
        """Whether TensorFlow can import the graph with nothing but what is known of its inputs."""
        if _cost(self._whole) * _FEWEST_TRIALS > self._left:
            return False
        for flat in _flattened(self._whole):
            self._take(flat)
            try:
                if self.refusal({}) is None:
                    return True
            except OutOfBudget:
                return False
        return False

    def _take(self, graph_def: graph_pb2.GraphDef) -> None:
        self._graph_def = graph_def
        self._nodes = {node.name: node for node in graph_def.node}
        self._parts: dict[frozenset[str], _Part] = {}

    @property
    def affordable(self) -> int:
        """How many trials of the whole graph may be made still."""
        return self._left // self._part(()).cost

    def refusal(
        self, sizes: Sizes, *, of: Collection[str] = (), wanted: Wanted | None = None
    ) -> Refusal | None:
        """Return what TensorFlow objects to, None where it does not.

        With `of`, those nodes and what they need are looked at, and no others. What is `wanted` of
        outputs is objected to where it is not so.

        Raises:
            OutOfBudget: nothing more is tried.
        """
        part = self._part(of)
        self._left -= part.cost
        if self._left < 0:
            raise OutOfBudget
        first = graph_pb2.GraphDef()
        for each in self._inputs:
            if each.placeholder in part.placeholders:
                first.node.extend(each.nodes(sizes))
        if wanted is not None:
            first.node.extend(checks_of(self._outputs, wanted))
        # The lists of serialized messages that stand one after the other become one list.
        message = _objection(first.SerializeToString() + part.rest)
        if message is None:
            return None
        named = _NAMED_NODE.findall(message)
        for name in reversed(named):
            output = checked_output(name, self._outputs)
            if output is not None or name in self._nodes:
                return Refusal(node=output or name, message=message, of_output=output is not None)
        return Refusal(node="", message=message)

    def elements(self, sizes: Sizes) -> int:
        """Return how many elements the largest input has with these sizes."""
        shapes = [
            known_shape(dimensions, sizes)
            for each in self._inputs
            for dimensions in (each.dimensions, each.content)
        ]
        return max(math.prod(size or 1 for size in shape or ()) for shape in shapes)

    def weight_sizes(self, of: Collection[str]) -> tuple[int, ...]:
        """Return the sizes that occur in variables and constants that the nodes `of` need."""
        found: dict[int, None] = {}
        inputs = {each.placeholder for each in self._inputs}
        for name in self._needed(of):
            node = self._nodes[name]
            if node.op == "Const":
                shape = node.attr["value"].tensor.tensor_shape
            elif "shape" in node.attr and name not in inputs:
                shape = node.attr["shape"].shape
            else:
                continue
            found.update((dim.size, None) for dim in shape.dim if dim.size > 1)
        return tuple(sorted(found))

    def followers(self, name: str) -> Iterator[node_def_pb2.NodeDef]:
        """Yield the nodes that depend on the input `name`, in the graph's order."""
        found = {each.placeholder for each in self._inputs if each.spec.name == name}
        found.add(node_name(name))
        for node in self._graph_def.node:
            if any(node_name(read) in found for read in node.input):
                found.add(node.name)
                yield node

    def _part(self, of: Collection[str]) -> _Part:
        key = frozenset(of)
        if key not in self._parts:
            kept = self._needed(key)
            names = {each.placeholder for each in self._inputs}
            rest = graph_pb2.GraphDef(versions=self._graph_def.versions)
            rest.node.extend(
                node
                for node in self._graph_def.node
                if node.name in kept and node.name not in names
            )
            rest.library.function.extend(needed_functions(self._graph_def, rest.node))
            self._parts[key] = _Part(
                placeholders=names & kept,
                rest=rest.SerializeToString(),
                cost=_cost(rest),
            )
        return self._parts[key]

    def _needed(self, of: Collection[str]) -> set[str]:
        return reachable(self._nodes, of) if of else set(self._nodes)


def _cost(graph_def: graph_pb2.GraphDef) -> int:
    bodies = sum(len(function.node_def) for function in graph_def.library.function)
    return len(graph_def.node) + bodies + _COST_OF_A_TRIAL


def _flattened(graph_def: graph_pb2.GraphDef) -> Iterator[graph_pb2.GraphDef]:
    """Yield the graph in forms of which each hides less from shape functions than the next."""
    yield _without_weights(inlined(graph_def, branches=True))
    yield _without_weights(inlined(graph_def))
    copy = graph_pb2.GraphDef()
    copy.CopyFrom(graph_def)
    yield _without_weights(copy)


def _without_weights(graph_def: graph_pb2.GraphDef) -> graph_pb2.GraphDef:
    """Return the graph, changed: large constants without values, no attributes without any."""
    for node in all_nodes(graph_def):
        for name in [n for n, value in node.attr.items() if value.WhichOneof("value") is None]:
            del node.attr[name]
        if node.op == "Const":
            tensor = node.attr["value"].tensor
            elements: int = math.prod(dim.size for dim in tensor.tensor_shape.dim)
            if elements > _MOST_ELEMENTS:
                # Without values, a tensor of this shape is all zeros, or empty strings.
                emptied = type(tensor)(dtype=tensor.dtype, tensor_shape=tensor.tensor_shape)
                tensor.CopyFrom(emptied)
    return graph_def


def _objection(serialized: bytes) -> str | None:
    """Return what TensorFlow says against a serialized graph when it is imported, if anything."""
    try:
        if _IMPORTS_IN_C:
            _import_in_c(serialized)
        else:
            with tf.Graph().as_default():
                tf.import_graph_def(graph_pb2.GraphDef.FromString(serialized), name="")
    except (ValueError, KeyError, TypeError, tf.errors.OpError) as error:
        return str(getattr(error, "message", None) or error)
    return None


def _import_in_c(serialized: bytes) -> None:
    """Import as `tf.import_graph_def` does, less the Python object that it makes of each node.

    These take ten times as long as the import itself.
    """
    options = c_api_util.ScopedTFImportGraphDefOptions()
    graph = tf.Graph()
    with c_api_util.tf_buffer(serialized) as buffer, graph._c_graph.get() as c_graph:  # noqa: SLF001
        results = pywrap_tf_session.TF_GraphImportGraphDefWithResults(
            c_graph, buffer, options.options
        )
        c_api_util.ScopedTFImportGraphDefResults(results)
