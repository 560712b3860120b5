"""The state that a graph holds: its variables, and what else must be initialised before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tensorflow.core.framework import graph_pb2, node_def_pb2, types_pb2
from tensorflow.python.framework import op_def_registry

from harness.graph.dtypes import dtype_name, shape_of
from harness.graph.extract import all_nodes
from harness.graph.functions import placed_nodes
from harness.signature import Shape

REF_VARIABLE_OPS = frozenset({"Variable", "VariableV2"})
VARIABLE_OPS = REF_VARIABLE_OPS | {"VarHandleOp"}

_TABLE_PREFIXES = ("HashTable", "MutableHashTable", "MutableDenseHashTable", "LookupTable",
                   "AnonymousHashTable", "AnonymousMutable", "InitializeTable")  # fmt: skip
_PIPELINE_MARKS = ("Iterator", "Queue", "Dataset", "Reader", "Unstage", "Barrier",
                   "RecordInput")  # fmt: skip
_READS_OF_A_RESOURCE = frozenset({"ReadVariableOp", "ResourceGather", "ResourceGatherNd",
                                  "VariableShape", "VarIsInitializedOp",
                                  "DestroyResourceOp", "DisableCopyOnRead"})  # fmt: skip
_WRITE_PREFIXES = ("Assign", "ResourceApply", "ResourceSparseApply", "ResourceScatter",
                   "ResourceStridedSliceA", "ResourceCountUpTo")  # fmt: skip
_PASS_REFERENCES_ON = frozenset({"RefSwitch", "RefMerge", "RefIdentity", "RefEnter", "RefExit",
                                 "RefNextIteration", "RefSelect"})  # fmt: skip
_TEMPORARY_OPS = frozenset({"TemporaryVariable", "DestroyTemporaryVariable"})
_DEFAULT_CONTAINER = "localhost"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """What a session knows a variable by: nodes of one resource are one variable.

    Reference and resource variables are of two C++ classes, and are kept apart by them.
    """

    container: str
    name: str
    is_reference: bool


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable node, and where in the checkpoint its value stands.

    `name` is the node's, and of a node inside a library function "NODE of the function FUNCTION":
    a node of the main graph may have the same. `key` is the tensor's name in the checkpoint;
    `slice_spec` is "" or, for a shard of a partitioned variable, the saver's "10 4 0,5:0,4": full
    shape, then start,length by dimension. `is_trainable` is False where the graph lists those that
    are, and this is none of them; `is_local` says that it is in the collection of local variables,
    `is_left_out` that the graph's saver does not restore it; `restored_into` is then the other
    variable, if any, that it restores `key` into.
    """

    name: str
    op: str
    dtype: str
    shape: Shape | None
    key: str
    slice_spec: str = ""
    function: str = ""
    resource: Resource | None = None
    is_trainable: bool = True
    is_local: bool = False
    is_left_out: bool = False
    restored_into: str = ""

    @property
    def is_resource(self) -> bool:
        """Whether the variable is read through a handle."""
        return self.op == "VarHandleOp"


def variable_nodes(graph_def: graph_pb2.GraphDef) -> Iterator[node_def_pb2.NodeDef]:
    """Yield the nodes that hold a variable, library functions included."""
    return (node for node in all_nodes(graph_def) if node.op in VARIABLE_OPS)


def placed_variables(
    graph_def: graph_pb2.GraphDef,
) -> Iterator[tuple[str, node_def_pb2.NodeDef]]:
    """Yield the nodes that hold a variable, each with the library function that it stands in."""
    return (
        (function, node) for function, node in placed_nodes(graph_def) if node.op in VARIABLE_OPS
    )


def as_variable(
    node: node_def_pb2.NodeDef, *, key: str, slice_spec: str = "", function: str = ""
) -> Variable:
    """Return the variable that `node` holds, which stands in `function` or in the main graph."""
    return Variable(
        name=name_in(function, node.name),
        op=node.op,
        dtype=dtype_name(node.attr["dtype"].type),
        shape=shape_of(node.attr["shape"].shape),
        key=key,
        slice_spec=slice_spec,
        function=function,
        resource=resource_of(node, function=function),
    )


def name_in(function: str, node: str) -> str:
    """Return what a node is called in messages: by its function too, if it stands in one."""
    return f"{node} of the function {function}" if function else node


def resource_of(node: node_def_pb2.NodeDef, *, function: str = "") -> Resource | None:
    """Return what a session knows the variable of `node` by; None where that cannot be told.

    A handle names its resource by `shared_name` alone, be that "", which all such handles share.
    A reference variable without one is named after its node, and that is renamed whenever
    TensorFlow inlines the function it stands in. Sources: tensorflow/core/kernels/
    resource_variable_ops.cc (VarHandleOp), tensorflow/core/framework/resource_mgr.cc
    (ContainerInfo::Init).
    """
    name = _text(node, "shared_name")
    is_reference = node.op in REF_VARIABLE_OPS
    if is_reference and not name:
        if function:
            return None
        name = node.name
    container = _text(node, "container") or _DEFAULT_CONTAINER
    return Resource(container=container, name=name, is_reference=is_reference)


def _text(node: node_def_pb2.NodeDef, attribute: str) -> str:
    # To look up what is not there would put it there, without a value.
    return node.attr[attribute].s.decode() if attribute in node.attr else ""


def nameless(variable: Variable) -> str:
    """Return the sentence on a variable of which no resource can be told."""
    return (
        f"variable {variable.name} ({variable.op}) has no shared_name: TensorFlow names it after "
        f"its node, which is renamed where the function is inlined, so that no saver can restore it"
    )


def tables(graph_def: graph_pb2.GraphDef) -> list[str]:
    """Return the nodes that hold or use a lookup table."""
    return [n.name for n in all_nodes(graph_def) if n.op.startswith(_TABLE_PREFIXES)]


def input_pipeline(graph_def: graph_pb2.GraphDef) -> list[str]:
    """Return the nodes of iterators, queues, datasets and readers."""
    return [
        node.name for node in all_nodes(graph_def) if any(m in node.op for m in _PIPELINE_MARKS)
    ]


def writes_a_variable(node: node_def_pb2.NodeDef) -> bool:
    """Say whether a node changes a variable; queues, tables and readers do not count."""
    if node.op in _READS_OF_A_RESOURCE | _PASS_REFERENCES_ON | _TEMPORARY_OPS:
        return False
    if node.op.startswith(_WRITE_PREFIXES):
        return True
    definition = op_def_registry.get(node.op)
    # An op takes a reference (rather than a value) only in order to write through it. The handles
    # of the oldest queues and tables are references to strings, and their type is fixed.
    return (
        definition is not None
        and any(a.is_ref and a.type != types_pb2.DT_STRING for a in definition.input_arg)
        and node.op != "IsVariableInitialized"
    )
