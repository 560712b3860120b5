"""Which tensor of the checkpoint each variable is restored from, read off the graph's own saver.

The names need not be the same: a shard of a partitioned variable is a slice of one tensor, moving
averages are restored under other names, and a TF2 SavedModel keys its checkpoint by objects. The
saver's restore op states it exactly: every Assign that it triggers takes output `i` of a RestoreV2
whose i-th tensor name is the key.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
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


class _Body:
    """The nodes of a graph or of a function body by name, each list of strings read once.

    A saver names all keys in one constant, and every one of its Assigns leads there.
    """

    def __init__(self, nodes: Iterable[node_def_pb2.NodeDef]) -> None:
        self.nodes = {node.name: node for node in nodes}
        self._strings: dict[str, list[str]] = {}

    def source(self, reference: str) -> node_def_pb2.NodeDef | None:
        """Return the node that `reference` names, None where it is no node (a formal argument)."""
        return self.nodes.get(node_name(reference))

    def strings(self, reference: str) -> list[str]:
        """Return the strings of the constant that `reference` names; none of anything else."""
        name = node_name(reference)
        if name not in self._strings:
            self._strings[name] = _strings(self.nodes.get(name))
        return self._strings[name]


def _strings(node: node_def_pb2.NodeDef | None) -> list[str]:
    if node is None or node.op != "Const":
        return []
    values = tensor_util.MakeNdarray(node.attr["value"].tensor).reshape(-1)
    return [value.decode() for value in values]


def checkpoint_entries(
    graph_def: graph_pb2.GraphDef, *, restore_op: str
) -> dict[str, CheckpointEntry]:
    """Map the name of each variable node that `restore_op` restores to its checkpoint entry."""
    body = _Body(graph_def.node)
    root = body.source(restore_op)
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
            entries.update(_entries_of_assigns([node], body))
        for reference in node.input:
            # Control edges lead from the restore op to its Assigns; values are traced from there.
            source = body.source(reference) if is_control(reference) else None
            if source is not None and source.name not in seen:
                seen.add(source.name)
                queue.append(source)
    return entries


def _entries_of_call(
    call: node_def_pb2.NodeDef, function: function_pb2.FunctionDef
) -> dict[str, CheckpointEntry]:
    formals = [argument.name for argument in function.signature.input_arg]
    actuals = [reference for reference in call.input if not is_control(reference)]
    passed = dict(zip(formals, map(node_name, actuals), strict=True))
    inside = _entries_of_assigns(function.node_def, _Body(function.node_def))
    return {passed.get(name, name): entry for name, entry in inside.items()}


def _entries_of_assigns(
    nodes: Iterable[node_def_pb2.NodeDef], body: _Body
) -> dict[str, CheckpointEntry]:
    entries = {}
    for node in nodes:
        if node.op not in _ASSIGNS:
            continue
        entry = _entry_of_value(node.input[1], body)
        if entry is not None:
            entries[node_name(_traced(node.input[0], body))] = entry
    return entries


def _entry_of_value(reference: str, body: _Body) -> CheckpointEntry | None:
    reference = _traced(reference, body)
    node = body.source(reference)
    if node is None or node.op not in _RESTORES:
        return None
    names = body.strings(node.input[1])
    # "RestoreV2:3" in a graph, "RestoreV2:tensors:3" in a function body.
    last = canonical(reference).rpartition(":")[2]
    index = int(last) if last.isdigit() else 0
    slices = [""] * len(names) if node.op == "Restore" else body.strings(node.input[2])
    if index >= len(names) or index >= len(slices):
        return None
    return CheckpointEntry(key=names[index], slice_spec=slices[index])


def _traced(reference: str, body: _Body) -> str:
    """Return where a value, reference or handle comes from, past Identity and the like.

    In a damaged graph these may stand in a circle: it ends at one of them then.
    """
    seen: set[str] = set()
    while (node := body.source(reference)) is not None and node.op in _FORWARDS:
        if node.name in seen:
            break
        seen.add(node.name)
        reference = node.input[0]
    return reference
