"""The state that a graph holds: its variables, and what else must be initialised before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.python.framework import op_def_registry

from harness.graph.dtypes import dtype_name, shape_of
from harness.graph.extract import all_nodes
from harness.signature import Shape
from harness.tensor_names import node_name

REF_VARIABLE_OPS = frozenset({"Variable", "VariableV2"})
VARIABLE_OPS = REF_VARIABLE_OPS | {"VarHandleOp"}

_TABLE_PREFIXES = ("HashTable", "MutableHashTable", "MutableDenseHashTable", "LookupTable",
                   "AnonymousHashTable", "AnonymousMutable", "InitializeTable")  # fmt: skip
_PIPELINE_MARKS = ("Iterator", "Queue", "Dataset", "Reader")
_READS_OF_A_RESOURCE = frozenset({"ReadVariableOp", "ResourceGather", "ResourceGatherNd",
                                  "VariableShape", "VarIsInitializedOp",
                                  "DestroyResourceOp", "DisableCopyOnRead"})  # fmt: skip
_PASS_REFERENCES_ON = frozenset({"RefSwitch", "RefMerge", "RefIdentity", "RefEnter", "RefExit",
                                 "RefNextIteration", "RefSelect"})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable node, and where in the checkpoint its value stands.

    `key` is the tensor's name in the checkpoint; `slice_spec` is "" or, for a shard of a
    partitioned variable, the saver's "10 4 0,5:0,4": full shape, then start,length by dimension.
    """

    name: str
    op: str
    dtype: str
    shape: Shape | None
    key: str
    slice_spec: str = ""

    @property
    def is_resource(self) -> bool:
        """Whether the variable is read through a handle."""
        return self.op == "VarHandleOp"


def variable_nodes(graph_def: graph_pb2.GraphDef) -> Iterator[node_def_pb2.NodeDef]:
    """Yield the nodes that hold a variable, library functions included."""
    return (node for node in all_nodes(graph_def) if node.op in VARIABLE_OPS)


def as_variable(node: node_def_pb2.NodeDef, *, key: str, slice_spec: str = "") -> Variable:
    """Return the variable that `node` holds."""
    return Variable(
        name=node.name,
        op=node.op,
        dtype=dtype_name(node.attr["dtype"].type),
        shape=shape_of(node.attr["shape"].shape),
        key=key,
        slice_spec=slice_spec,
    )


def tables(graph_def: graph_pb2.GraphDef) -> list[str]:
    """Return the nodes that hold or use a lookup table."""
    return [n.name for n in all_nodes(graph_def) if n.op.startswith(_TABLE_PREFIXES)]


def input_pipeline(graph_def: graph_pb2.GraphDef) -> list[str]:
    """Return the nodes of iterators, queues, datasets and readers."""
    return [
        node.name for node in all_nodes(graph_def) if any(m in node.op for m in _PIPELINE_MARKS)
    ]


def writes(graph_def: graph_pb2.GraphDef) -> list[node_def_pb2.NodeDef]:
    """Return the nodes that change a variable: Assign, AssignAdd, ScatterUpdate, ApplyAdam, …"""
    return [node for node in all_nodes(graph_def) if writes_a_variable(node)]


def what_writes(node: node_def_pb2.NodeDef) -> str:
    """Return the sentence on a node of the path that writes a variable."""
    return (
        f"the output depends on {node.name} ({node.op}), which writes "
        f"{node_name(node.input[0])}: a model that changes its own state cannot be frozen"
    )


def writes_a_variable(node: node_def_pb2.NodeDef) -> bool:
    """Say whether a node changes a variable; queues, tables and readers do not count."""
    if node.op in _READS_OF_A_RESOURCE or node.op in _PASS_REFERENCES_ON:
        return False
    if node.op.startswith(("Assign", "ResourceApply", "ResourceScatter", "ResourceStridedSliceA",
                           "ResourceCountUpTo")):  # fmt: skip
        return True
    definition = op_def_registry.get(node.op)
    # An op takes a reference (rather than a value) only in order to write through it. A variable's
    # dtype is an attribute; the handles of the oldest queues and tables are references to strings.
    return (
        definition is not None
        and any(argument.is_ref and argument.type_attr for argument in definition.input_arg)
        and node.op != "IsVariableInitialized"
    )
