"""The part of a graph that computes the outputs from the inputs, and nothing else.

Training ops that this TensorFlow does not know, queue runners, summaries and savers stop mattering
once the graph is cut down to the sub-graph between inputs and outputs. Devices are cleared, and
`_output_shapes` and `_class` dropped: the first contradicts the shape functions of newer versions,
the second pins a node to another that may be gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from itertools import chain

from tensorflow.core.framework import function_pb2, graph_pb2, node_def_pb2

from harness.errors import BrokenModel, RequestError
from harness.graph.dtypes import dtype_enum, output_dtypes
from harness.signature import TensorSpec
from harness.tensor_names import canonical, is_control, node_name, output_index

PLACEHOLDER_OPS = frozenset({"Placeholder", "PlaceholderV2"})

_DROPPED_ATTRIBUTES = ("_output_shapes", "_class")


def extract(
    graph_def: graph_pb2.GraphDef, *, inputs: Iterable[TensorSpec], outputs: Collection[str]
) -> graph_pb2.GraphDef:
    """Return the sub-graph that `outputs` need, cut at `inputs`; a copy in the original order.

    An input that is no placeholder becomes one. Where the input is not the first output of its
    node, the node becomes an IdentityN over placeholders, so that "node:1" can be fed still.
    Every name in `outputs` must exist.

    Raises:
        RequestError: an output is an input too, or needs an output of a cut node that is no input.
        BrokenModel: a node reads one that the graph does not hold, or an output that it lacks.
    """
    cuts = {spec.name: spec for spec in inputs}
    cut_nodes: dict[str, list[TensorSpec]] = {}
    for name, spec in cuts.items():
        cut_nodes.setdefault(node_name(name), []).append(spec)
    nodes = {node.name: node for node in graph_def.node}
    kept = reachable(nodes, outputs, stop=cut_nodes)
    _check_cuts(graph_def, nodes, kept, cuts, outputs)
    kept.update(cut_nodes)
    replaced = {name for name in cut_nodes if nodes[name].op not in PLACEHOLDER_OPS}
    result = graph_pb2.GraphDef(versions=graph_def.versions)
    for node in graph_def.node:
        if node.name not in kept:
            continue
        if node.name not in replaced:
            copy = result.node.add()
            copy.CopyFrom(node)
            _clean(copy)
            _forget_controls(copy, replaced)
            if node.name in cut_nodes:
                # A placeholder made under `control_dependencies` waits for ops that are left out.
                del copy.input[:]
        else:
            result.node.extend(_cut(node.name, cut_nodes[node.name]))
    result.library.function.extend(
        _cleaned_function(function) for function in needed_functions(graph_def, result.node)
    )
    return result


def reachable(
    nodes: dict[str, node_def_pb2.NodeDef],
    tensors: Iterable[str],
    *,
    stop: Collection[str] = (),
) -> set[str]:
    """Return the names of the nodes that `tensors` need, control edges included.

    The inputs of a node named in `stop` are not followed; the node itself is in the result.

    Raises:
        BrokenModel: a node reads one that is not in `nodes`.
    """
    seen = {node_name(tensor) for tensor in tensors}
    queue = deque(seen)
    while queue:
        name = queue.popleft()
        if name in stop:
            continue
        for reference in nodes[name].input:
            source = node_name(reference)
            if source not in nodes:
                raise BrokenModel(f"the node {name} reads {source}, which the graph does not hold")
            if source not in seen:
                seen.add(source)
                queue.append(source)
    return seen


def function_names(node: node_def_pb2.NodeDef) -> Iterator[str]:
    """Yield the library functions that a node calls, by attribute or by its own op."""
    yield node.op
    for value in node.attr.values():
        if value.func.name:
            yield value.func.name
        for function in value.list.func:
            yield function.name


def needed_functions(
    graph_def: graph_pb2.GraphDef, nodes: Iterable[node_def_pb2.NodeDef]
) -> list[function_pb2.FunctionDef]:
    """Return the library functions that `nodes` call, directly or not, in library order."""
    if not graph_def.library.function:
        return []
    library = {function.signature.name: function for function in graph_def.library.function}
    seen: set[str] = set()
    queue = deque(nodes)
    while queue:
        for name in function_names(queue.popleft()):
            if name in library and name not in seen:
                seen.add(name)
                queue.extend(library[name].node_def)
    return [function for name, function in library.items() if name in seen]


def all_nodes(graph_def: graph_pb2.GraphDef) -> Iterator[node_def_pb2.NodeDef]:
    """Yield the nodes of the graph and of its library functions."""
    yield from graph_def.node
    for function in graph_def.library.function:
        yield from function.node_def


def _check_cuts(
    graph_def: graph_pb2.GraphDef,
    nodes: dict[str, node_def_pb2.NodeDef],
    kept: Collection[str],
    cuts: Collection[str],
    outputs: Collection[str],
) -> None:
    for name in outputs:
        if name in cuts:
            raise RequestError(f"--outputs {name}: it is an input too, so nothing is computed")
    cut_nodes = {node_name(name): name for name in cuts}
    inside = ((name, r) for name in kept if name not in cut_nodes for r in nodes[name].input)
    for reader, read in chain(((name, name) for name in outputs), inside):
        reference = canonical(read)
        fed = cut_nodes.get(node_name(reference))
        if fed and reference not in cuts and not is_control(reference):
            _check_output(reference, graph_def, nodes[node_name(reference)], reader=reader)
            raise RequestError(
                f"--inputs {fed}: the outputs need {reference} of the same node as well; "
                f"name both as inputs"
            )


def _check_output(
    reference: str, graph_def: graph_pb2.GraphDef, node: node_def_pb2.NodeDef, *, reader: str
) -> None:
    dtypes = output_dtypes(node, graph_def)
    index = reference.partition(":")[2] or "0"
    if dtypes is not None and not (index.isdecimal() and int(index) < len(dtypes)):
        raise BrokenModel(
            f"the node {reader} reads {reference}, and {node.name} ({node.op}) has "
            f"{len(dtypes)} output(s): the file of the graph is damaged"
        )


def _forget_controls(node: node_def_pb2.NodeDef, replaced: Collection[str]) -> None:
    # What is fed is not run, so there is nothing to wait for.
    kept = [r for r in node.input if not (is_control(r) and node_name(r) in replaced)]
    if len(kept) != len(node.input):
        del node.input[:]
        node.input.extend(kept)


def _clean(node: node_def_pb2.NodeDef) -> None:
    node.device = ""
    for name in _DROPPED_ATTRIBUTES:
        if name in node.attr:
            del node.attr[name]


def _cleaned_function(function: function_pb2.FunctionDef) -> function_pb2.FunctionDef:
    copy = function_pb2.FunctionDef()
    copy.CopyFrom(function)
    for node in copy.node_def:
        _clean(node)
    for name in _DROPPED_ATTRIBUTES:
        if name in copy.attr:
            del copy.attr[name]
    for attributes in copy.arg_attr.values():
        for name in _DROPPED_ATTRIBUTES:
            if name in attributes.attr:
                del attributes.attr[name]
    return copy


def _cut(name: str, specs: list[TensorSpec]) -> list[node_def_pb2.NodeDef]:
    if [spec.name for spec in specs] == [name]:
        return [placeholder(name, specs[0])]
    by_index = {output_index(spec.name): spec for spec in specs}
    placeholders = []
    types = []
    for index in range(max(by_index) + 1):
        spec = by_index.get(index)
        # An output below a cut one that nobody feeds: a placeholder that nobody reads.
        spec = spec or TensorSpec(name=f"{name}:{index}", dtype="float32", shape=None)
        placeholders.append(placeholder(f"{name}/cut_{index}", spec))
        types.append(dtype_enum(spec.dtype))
    joined = node_def_pb2.NodeDef(
        name=name, op="IdentityN", input=[node.name for node in placeholders]
    )
    joined.attr["T"].list.type.extend(types)
    return [*placeholders, joined]


def placeholder(name: str, spec: TensorSpec) -> node_def_pb2.NodeDef:
    """Return a Placeholder node of the dtype and shape of `spec`."""
    node = node_def_pb2.NodeDef(name=name, op="Placeholder")
    node.attr["dtype"].type = dtype_enum(spec.dtype)
    shape = node.attr["shape"].shape
    shape.SetInParent()  # the shape of a scalar has nothing in it that would
    if spec.shape is None:
        shape.unknown_rank = True
    else:
        for size in spec.shape:
            shape.dim.add(size=-1 if size is None else size)
    return node
