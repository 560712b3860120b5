"""Which tensor of the checkpoint each variable is restored from, read off the graph's own saver.

The names need not be the same: a shard of a partitioned variable is a slice of one tensor, moving
averages are restored under other names, and a TF2 SavedModel keys its checkpoint by objects. The
saver's restore op states it exactly: every Assign that it triggers takes output `i` of a RestoreV2
whose i-th tensor name is the key.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tensorflow.core.framework import function_pb2, graph_pb2, node_def_pb2
from tensorflow.python.framework import tensor_util

from harness.tensor_names import canonical, is_control, node_name

_ASSIGNS = frozenset({"Assign", "AssignVariableOp"})
_FORWARDS = frozenset({"Identity", "Reshape", "Cast", "Enter"})
_RESTORES = frozenset({"RestoreV2", "RestoreSlice", "Restore"})


@dataclass(frozen=True, kw_only=True)
class CheckpointEntry:
    """Where a value stands in a checkpoint: tensor name, and the slice of it ("" for all)."""

    key: str
    slice_spec: str = ""


def checkpoint_entries(
    graph_def: graph_pb2.GraphDef, *, restore_op: str
) -> dict[str, CheckpointEntry]:
    """Map the name of each variable node that `restore_op` restores to its checkpoint entry."""
    nodes = {node.name: node for node in graph_def.node}
    root = nodes.get(node_name(restore_op))
    if root is None:
        return {}
    library = {function.signature.name: function for function in graph_def.library.function}
    entries: dict[str, CheckpointEntry] = {}
    queue, seen = deque([root]), {root.name}
    while queue:
        node = queue.popleft()
        function = library.get(node.attr["f"].func.name) if "f" in node.attr else None
        if function is not None:
            entries.update(_entries_of_call(node, function))
        elif node.op in _ASSIGNS:
            entries.update(_entries_of_assigns([node], nodes))
        for reference in node.input:
            source = node_name(reference)
            # Control edges lead from the restore op to its Assigns; values are traced from there.
            if is_control(reference) and source in nodes and source not in seen:
                seen.add(source)
                queue.append(nodes[source])
    return entries


def _entries_of_call(
    call: node_def_pb2.NodeDef, function: function_pb2.FunctionDef
) -> dict[str, CheckpointEntry]:
    body = {node.name: node for node in function.node_def}
    formals = [argument.name for argument in function.signature.input_arg]
    actuals = [reference for reference in call.input if not is_control(reference)]
    passed = dict(zip(formals, map(node_name, actuals), strict=True))
    inside = _entries_of_assigns(function.node_def, body)
    return {passed.get(name, name): entry for name, entry in inside.items()}


def _entries_of_assigns(
    nodes: Iterable[node_def_pb2.NodeDef], body: Mapping[str, node_def_pb2.NodeDef]
) -> dict[str, CheckpointEntry]:
    entries = {}
    for node in nodes:
        if node.op not in _ASSIGNS:
            continue
        entry = _entry_of_value(node.input[1], body)
        if entry is not None:
            entries[_origin(node.input[0], body)] = entry
    return entries


def _entry_of_value(
    reference: str, body: Mapping[str, node_def_pb2.NodeDef]
) -> CheckpointEntry | None:
    while (node := body.get(node_name(reference))) is not None and node.op in _FORWARDS:
        reference = node.input[0]
    if node is None or node.op not in _RESTORES:
        return None
    names = _strings(node.input[1], body)
    # "RestoreV2:3" in a graph, "RestoreV2:tensors:3" in a function body.
    last = canonical(reference).rpartition(":")[2]
    index = int(last) if last.isdigit() else 0
    slices = [""] * len(names) if node.op == "Restore" else _strings(node.input[2], body)
    if index >= len(names) or index >= len(slices):
        return None
    return CheckpointEntry(key=names[index], slice_spec=slices[index])


def _origin(reference: str, body: Mapping[str, node_def_pb2.NodeDef]) -> str:
    """Return the node that a reference or handle comes from, past Identity and the like."""
    while (node := body.get(node_name(reference))) is not None and node.op in _FORWARDS:
        reference = node.input[0]
    return node_name(reference)


def _strings(reference: str, body: Mapping[str, node_def_pb2.NodeDef]) -> list[str]:
    node = body.get(node_name(reference))
    if node is None or node.op != "Const":
        return []
    values = tensor_util.MakeNdarray(node.attr["value"].tensor).reshape(-1)
    return [value.decode() for value in values]
