"""Library functions: the nodes that stand in them, and their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tensorflow.core.framework import function_pb2, graph_pb2, node_def_pb2
from tensorflow.python.framework import op_def_registry

from harness.errors import BrokenModel
from harness.graph.extract import all_nodes
from harness.graph.reading.op_arguments import count_of

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


def placed_nodes(
    graph_def: graph_pb2.GraphDef,
) -> Iterator[tuple[str, node_def_pb2.NodeDef]]:
    """Yield every node with the library function that it stands in, "" for the main graph."""
    for node in graph_def.node:
        yield "", node
    for function in graph_def.library.function:
        for node in function.node_def:
            yield function.signature.name, node


def check_calls_end(graph_def: graph_pb2.GraphDef) -> None:
    """Refuse functions that call themselves whatever happens: the process that imports them dies.

    Raises:
        BrokenModel: naming one.
    """
    calls = {
        function.signature.name: {
            node.attr["f"].func.name if node.op in _CALLS else node.op for node in function.node_def
        }
        for function in graph_def.library.function
    }
    ended: set[str] = set()
    for first in calls:
        above: dict[str, None] = {}  # the functions that are being looked at, outermost first
        waiting = [(first, False)]
        while waiting:
            name, is_done = waiting.pop()
            if is_done:
                del above[name]
                ended.add(name)
            elif name in above:
                raise BrokenModel(
                    f"the function {name} calls itself without end ({' > '.join([*above, name])})"
                )
            elif name not in ended:
                above[name] = None
                waiting.append((name, True))
                waiting.extend((other, False) for other in calls[name] if other in calls)


def output_starts(
    node: node_def_pb2.NodeDef | None, functions: Mapping[str, function_pb2.FunctionDef]
) -> Mapping[str, int]:
    """Return where each output argument of a node of a function begins among its outputs."""
    if node is None:
        return {}
    called = functions.get(node.op)
    definition = called.signature if called is not None else op_def_registry.get(node.op)
    if definition is None or len(definition.output_arg) < 2:
        return {}
    starts = {}
    position = 0
    for argument in definition.output_arg:
        starts[argument.name] = position
        position += count_of(argument, node)
    return starts


def takes_lists(function: function_pb2.FunctionDef) -> bool:
    """Say whether a function has an argument or a result that is several tensors."""
    signature = function.signature
    arguments = (*signature.input_arg, *signature.output_arg)
    return any(argument.number_attr or argument.type_list_attr for argument in arguments)


def rename_functions(graph_def: graph_pb2.GraphDef, *, suffix: str) -> None:
    """Append `suffix` to the name of every library function, and to every mention of it.

    TensorFlow's eager context is one per process and refuses a second function of a name it knows,
    be it of another model.
    """
    library = graph_def.library
    renamed = {f.signature.name: f"{f.signature.name}{suffix}" for f in library.function}
    for function in library.function:
        function.signature.name = renamed[function.signature.name]
    for gradient in library.gradient:
        gradient.function_name = renamed.get(gradient.function_name, gradient.function_name)
        gradient.gradient_func = renamed.get(gradient.gradient_func, gradient.gradient_func)
    _rename_mentions(all_nodes(graph_def), renamed)


def _rename_mentions(nodes: Iterable[node_def_pb2.NodeDef], renamed: dict[str, str]) -> None:
    for node in nodes:
        node.op = renamed.get(node.op, node.op)
        for value in node.attr.values():
            if value.HasField("func"):
                value.func.name = renamed.get(value.func.name, value.func.name)
            for function in value.list.func:
                function.name = renamed.get(function.name, function.name)
