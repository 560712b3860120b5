"""Variables replaced by constants in a GraphDef: no session, none of TensorFlow's converters.

A reference variable becomes a Const of its name, and the Ref variants of control flow ops become
the plain ones. A resource variable becomes a Const too, and what used to carry its handle now
carries its value: reads become Identity, ResourceGather becomes GatherV2, and the handle is
followed through V1 control flow, function calls of either kind, If, Case and While. A library
function that takes a handle or holds a variable is copied and rewritten likewise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow.core.framework import function_pb2, graph_pb2, node_def_pb2, types_pb2
from tensorflow.python.framework import tensor_util

from harness.errors import BrokenModel
from harness.graph.extract import needed_functions, reachable
from harness.graph.state import VARIABLE_OPS, name_in
from harness.graph.writing import writes
from harness.tensor_names import canonical, is_control, node_name

Handles = dict[str, int]
"""Tensors that carried a variable's handle, with the dtype (enum) of the value they now carry."""

_FORWARDS = frozenset({"Identity", "Enter", "Exit", "NextIteration", "Switch", "Merge",
                       "RefIdentity", "RefEnter", "RefExit", "RefNextIteration", "RefSwitch",
                       "RefMerge"})  # fmt: skip
_CALLS = {
    # op -> (attribute with the dtypes of the arguments, position of the first argument,
    #        attributes naming the functions called)
    "PartitionedCall": ("Tin", 0, ("f",)),
    "StatefulPartitionedCall": ("Tin", 0, ("f",)),
    "If": ("Tin", 1, ("then_branch", "else_branch")),
    "StatelessIf": ("Tin", 1, ("then_branch", "else_branch")),
    "Case": ("Tin", 1, ("branches",)),
    "StatelessCase": ("Tin", 1, ("branches",)),
    "While": ("T", 0, ("cond", "body")),
    "StatelessWhile": ("T", 0, ("cond", "body")),
}
_LOOPS = frozenset({"While", "StatelessWhile"})
# Inside a function body a tensor is "node:output_arg:i": where the rewritten op names its output
# otherwise than the old one, what reads it has to be told.
_RENAMED_OUTPUT = {
    "ReadVariableOp": "value",
    "VarIsInitializedOp": "is_initialized",
    "IsVariableInitialized": "is_initialized",
    "VarHandleOp": "resource",
    "VariableV2": "ref",
    "Variable": "ref",
}


def freeze(
    graph_def: graph_pb2.GraphDef,
    *,
    weights: Mapping[str, npt.NDArray[Any]],
    outputs: Iterable[str],
) -> graph_pb2.GraphDef:
    """Return a copy of `graph_def` with every variable a constant, cut down to `outputs`.

    `weights` gives the value of each variable by name: the node's, or `name_in` its function.

    Raises:
        BrokenModel: an op uses a variable in a way that a constant cannot serve.
    """
    kept = reachable({node.name: node for node in graph_def.node}, outputs)
    result = graph_pb2.GraphDef(versions=graph_def.versions)
    result.node.extend(node for node in graph_def.node if node.name in kept)
    result.library.function.extend(needed_functions(graph_def, result.node))
    written = writes(result)
    if written:
        raise BrokenModel(str(written[0]))
    library = _Library({f.signature.name: f for f in result.library.function}, weights)
    _Body(nodes=list(result.node), library=library, add=result.node).freeze({})
    frozen_library = graph_pb2.GraphDef()
    frozen_library.library.function.extend(
        [*result.library.function, *library.specialised.values()]
    )
    del result.library.function[:]
    result.library.function.extend(needed_functions(frozen_library, result.node))
    return result


class _Library:
    """The library functions, and their copies that take values where they took handles."""

    def __init__(
        self,
        functions: Mapping[str, function_pb2.FunctionDef],
        weights: Mapping[str, npt.NDArray[Any]],
    ) -> None:
        self.functions = functions
        self.weights = weights
        self.specialised: dict[tuple[str, tuple[tuple[int, int], ...]], Any] = {}
        self._handle_outputs: dict[tuple[str, tuple[tuple[int, int], ...]], dict[int, int]] = {}

    def handle_outputs(self, name: str, arguments: Mapping[int, int]) -> dict[int, int]:
        """Return which outputs of a function carry a handle when these arguments do."""
        key = (name, tuple(sorted(arguments.items())))
        if key not in self._handle_outputs:
            self._handle_outputs[key] = self._found_handle_outputs(name, arguments)
        return self._handle_outputs[key]

    def _found_handle_outputs(self, name: str, arguments: Mapping[int, int]) -> dict[int, int]:
        function = self.functions[name]
        handles = _formal_handles(function, arguments)
        body = _Body(nodes=list(function.node_def), library=self, function=function)
        found = body.propagate(handles)
        return {
            index: found[function.ret[output.name]]
            for index, output in enumerate(function.signature.output_arg)
            if function.ret[output.name] in found
        }

    def specialise(self, name: str, arguments: Mapping[int, int]) -> str:
        """Return the name of the copy of a function that takes values at `arguments`."""
        needs_copy = arguments or any(
            node.op in VARIABLE_OPS or node.op in _CALLS or node.op in self.functions
            for node in self.functions[name].node_def
        )
        if not needs_copy:
            return name
        key = (name, tuple(sorted(arguments.items())))
        if key not in self.specialised:
            copy = function_pb2.FunctionDef()
            copy.CopyFrom(self.functions[name])
            copy.signature.name = f"{name}_frozen_{len(self.specialised)}"
            self.specialised[key] = copy
            _freeze_function(copy, self, arguments, origin=name)
        return str(self.specialised[key].signature.name)


def _formal_handles(function: function_pb2.FunctionDef, arguments: Mapping[int, int]) -> Handles:
    formals = function.signature.input_arg
    return {formals[index].name: dtype for index, dtype in arguments.items()}


def _freeze_function(
    function: function_pb2.FunctionDef,
    library: _Library,
    arguments: Mapping[int, int],
    *,
    origin: str,
) -> None:
    handles = _formal_handles(function, arguments)
    body = _Body(
        nodes=list(function.node_def),
        library=library,
        function=function,
        origin=origin,
        add=function.node_def,
    )
    found = body.freeze(handles)
    for index, dtype in arguments.items():
        function.signature.input_arg[index].type = dtype
        function.signature.input_arg[index].ClearField("handle_data")
        if index in function.arg_attr:
            del function.arg_attr[index]
        if index in function.resource_arg_unique_id:
            del function.resource_arg_unique_id[index]
    for output in function.signature.output_arg:
        source = function.ret[output.name]
        if source in found:
            output.type = found[source]
            output.ClearField("handle_data")
        function.ret[output.name] = body.renamed.get(source, source)


@dataclass(kw_only=True)
class _Body:
    """The nodes of a graph or of a function, with its way of writing tensor names."""

    nodes: list[node_def_pb2.NodeDef]
    library: _Library
    function: function_pb2.FunctionDef | None = None
    origin: str = ""
    """The name of the function before it was copied."""
    add: Any = None
    renamed: dict[str, str] = field(default_factory=dict)

    def freeze(self, handles: Handles) -> Handles:
        """Rewrite every node in place; return all tensors that carried a handle."""
        found = self.propagate(handles)
        for node in self.nodes:
            self._rewrite(node, found)
        if self.renamed:
            for node in self.nodes:
                for index, reference in enumerate(node.input):
                    node.input[index] = self.renamed.get(reference, reference)
        return found

    def propagate(self, handles: Handles) -> Handles:
        """Return `handles` and every tensor that a handle reaches unchanged."""
        found = dict(handles)
        readers: dict[str, list[node_def_pb2.NodeDef]] = {}
        for node in self.nodes:
            if node.op == "VarHandleOp":
                found[self._output(node, 0)] = node.attr["dtype"].type
            for reference in self._data_inputs(node):
                readers.setdefault(reference, []).append(node)
        # Each node waits once: a call reads as many handles as the model has variables.
        queue = {reader.name: reader for t in found for reader in readers.get(t, ())}
        while queue:
            _, node = queue.popitem()
            for tensor, dtype in self._handles_out(node, found).items():
                if tensor not in found:
                    found[tensor] = dtype
                    queue.update((reader.name, reader) for reader in readers.get(tensor, ()))
        return found

    def _data_inputs(self, node: node_def_pb2.NodeDef) -> list[str]:
        names = [reference for reference in node.input if not is_control(reference)]
        return names if self.function is not None else [canonical(name) for name in names]

    def _output(self, node: node_def_pb2.NodeDef, index: int) -> str:
        if self.function is None:
            return node.name if index == 0 else f"{node.name}:{index}"
        if node.op in {"Switch", "RefSwitch"}:
            return f"{node.name}:{('output_false', 'output_true')[index]}:0"
        if node.op in _RENAMED_OUTPUT:
            return f"{node.name}:{_RENAMED_OUTPUT[node.op]}:{index}"
        if node.op in self.library.functions:
            called = self.library.functions[node.op]
            return f"{node.name}:{called.signature.output_arg[index].name}:0"
        return f"{node.name}:output:{index}"

    def _handles_out(self, node: node_def_pb2.NodeDef, found: Handles) -> Handles:
        """Return the outputs of `node` that carry a handle, given the inputs that do."""
        inputs = self._data_inputs(node)
        if node.op in _FORWARDS:
            dtype = next((found[name] for name in inputs if name in found), None)
            if dtype is None:
                return {}
            count = 2 if node.op in {"Switch", "RefSwitch"} else 1
            return {self._output(node, index): dtype for index in range(count)}
        if node.op == "IdentityN":
            return {self._output(node, i): found[n] for i, n in enumerate(inputs) if n in found}
        if self._calls(node):
            arguments = self._handle_arguments(node, found)
            out: dict[int, int] = {}
            for name in _called(node, only="body" if node.op in _LOOPS else None):
                out.update(self.library.handle_outputs(name, arguments))
            return {self._output(node, index): dtype for index, dtype in out.items()}
        return {}

    def _calls(self, node: node_def_pb2.NodeDef) -> bool:
        # TensorFlow 1 calls a function by a node whose op is the function's name.
        return node.op in _CALLS or node.op in self.library.functions

    def _handle_arguments(self, node: node_def_pb2.NodeDef, found: Handles) -> dict[int, int]:
        first = _CALLS[node.op][1] if node.op in _CALLS else 0
        arguments = self._data_inputs(node)[first:]
        return {index: found[name] for index, name in enumerate(arguments) if name in found}

    def _rewrite(self, node: node_def_pb2.NodeDef, found: Handles) -> None:
        handles = [name for name in self._data_inputs(node) if name in found]
        if node.op in VARIABLE_OPS:
            value = self.library.weights[name_in(self.origin, node.name)]
            self._become_constant(node, value, node.attr["dtype"].type)
        elif node.op == "IsVariableInitialized":
            self._become_constant(node, np.array(True), types_pb2.DT_BOOL)
        elif node.op.startswith("Ref") and node.op in _FORWARDS and not handles:
            node.op = node.op.removeprefix("Ref")
        elif node.op in self.library.functions:
            node.op = self.library.specialise(node.op, self._handle_arguments(node, found))
        elif node.op in _CALLS:
            self._rewrite_call(node, found)
        elif handles:
            self._rewrite_reader(node, found, handles[0])

    def _rewrite_reader(self, node: node_def_pb2.NodeDef, found: Handles, handle: str) -> None:
        op, dtype = node.op, found[handle]
        self._rename_output(node)
        if op in _FORWARDS:
            node.op = op.removeprefix("Ref")
            node.attr["T"].type = dtype
        elif op == "IdentityN":
            for index, name in enumerate(self._data_inputs(node)):
                if name in found:
                    node.attr["T"].list.type[index] = found[name]
        elif op == "ReadVariableOp":
            _become(node, "Identity", T=dtype)
        elif op == "VariableShape":
            out_type = node.attr["out_type"].type or types_pb2.DT_INT32
            _become(node, "Shape", T=dtype, out_type=out_type)
        elif op == "VarIsInitializedOp":
            self._become_constant(node, np.array(True), types_pb2.DT_BOOL)
        elif op == "ResourceGatherNd":
            _become(node, "GatherNd", Tparams=dtype, Tindices=node.attr["Tindices"].type)
        elif op == "ResourceGather":
            self._become_gather(node, dtype)
        else:
            raise BrokenModel(
                f"{node.name} ({op}) takes the handle of the variable {node_name(handle)} and is "
                f"not known to read it only: it cannot be given a constant instead"
            )

    def _become_gather(self, node: node_def_pb2.NodeDef, dtype: int) -> None:
        batch_dims = node.attr["batch_dims"].i
        axis = self.add.add(name=f"{node.name}/axis", op="Const")
        axis.attr["dtype"].type = types_pb2.DT_INT32
        axis.attr["value"].tensor.CopyFrom(
            tensor_util.make_tensor_proto(np.array(batch_dims, np.int32))
        )
        if self.function is None:
            # Inside a V1 while loop a constant must belong to the frame of the loop. So does the
            # variable; the node of the indices may be an input, which is fed and never run.
            axis.input.append(f"^{node_name(node.input[0])}")
        _become(
            node,
            "GatherV2",
            Tparams=dtype,
            Tindices=node.attr["Tindices"].type,
            Taxis=types_pb2.DT_INT32,
        )
        node.attr["batch_dims"].i = batch_dims
        node.input.insert(2, axis.name if self.function is None else f"{axis.name}:output:0")

    def _rewrite_call(self, node: node_def_pb2.NodeDef, found: Handles) -> None:
        arguments = self._handle_arguments(node, found)
        types, _, attributes = _CALLS[node.op]
        outputs = self._handles_out(node, found)
        for index, dtype in arguments.items():
            node.attr[types].list.type[index] = dtype
        if "Tout" in node.attr:
            for index in range(len(node.attr["Tout"].list.type)):
                tensor = self._output(node, index)
                if tensor in outputs:
                    node.attr["Tout"].list.type[index] = outputs[tensor]
        if "output_shapes" in node.attr:
            for index, shape in enumerate(node.attr["output_shapes"].list.shape):
                if self._output(node, index) in outputs:
                    # Of the handle it was the scalar; of the value, TensorFlow finds it.
                    shape.Clear()
                    shape.unknown_rank = True
        for attribute in attributes:
            value = node.attr[attribute]
            for function in [value.func] if value.func.name else value.list.func:
                function.name = self.library.specialise(function.name, arguments)

    def _become_constant(
        self, node: node_def_pb2.NodeDef, value: npt.NDArray[Any], dtype: int
    ) -> None:
        self._rename_output(node)
        controls = [reference for reference in node.input if is_control(reference)]
        is_reader = node.op not in VARIABLE_OPS
        if is_reader and self.function is None:
            # What used to take a tensor inside a loop must stay inside the frame of the loop.
            controls.extend(f"^{node_name(name)}" for name in self._data_inputs(node)[:1])
        node.op = "Const"
        node.attr.clear()
        node.attr["dtype"].type = dtype
        proto = tensor_util.make_tensor_proto(value)
        if proto.dtype != dtype:
            raise BrokenModel(
                f"variable {name_in(self.origin, node.name)} is "
                f"{types_pb2.DataType.Name(dtype)} in the graph and "
                f"{types_pb2.DataType.Name(proto.dtype)} in the checkpoint"
            )
        node.attr["value"].tensor.CopyFrom(proto)
        del node.input[:]
        node.input.extend(controls)

    def _rename_output(self, node: node_def_pb2.NodeDef) -> None:
        if self.function is not None and node.op in _RENAMED_OUTPUT:
            self.renamed[self._output(node, 0)] = f"{node.name}:output:0"


def _become(node: node_def_pb2.NodeDef, op: str, **types: int) -> None:
    node.op = op
    node.attr.clear()
    for name, dtype in types.items():
        node.attr[name].type = dtype


def _called(node: node_def_pb2.NodeDef, *, only: str | None) -> list[str]:
    if node.op not in _CALLS:
        return [node.op]
    attributes = (only,) if only else _CALLS[node.op][2]
    names = []
    for attribute in attributes:
        value = node.attr[attribute]
        names.extend([value.func.name] if value.func.name else [f.name for f in value.list.func])
    return names
