"""`convert_variables_to_constants_v2` on the graph wrapped as a TF2 function.

The MetaGraphDef is imported by `wrap_function`, which lifts resource variables out of the graph;
the saver's restore op gives them their values; `prune` cuts a function from inputs to outputs.
Reference variables cannot be lifted: the eager context keeps them, where TensorFlow lets it. Nor
can variables that stand inside library functions.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework import convert_to_constants

from harness.exporters.method import Export, Method, known_limit
from harness.exporters.training_graph import saver_def, training_meta_graph, write_graph_def
from harness.graph.functions import rename_functions
from harness.graph.state import REF_VARIABLE_OPS, variable_nodes
from harness.models.model import Model
from harness.tensor_names import canonical, session_name

_EXPORTS = itertools.count()


def export(model: Model, folder: Path) -> Export:
    """Wrap the model as a function and convert its variables; outputs are renamed by TensorFlow."""
    meta = training_meta_graph(model)
    suffix = f"_export_{next(_EXPORTS)}"
    rename_functions(meta.graph_def, suffix=suffix)
    _unshare_variables(meta.graph_def, suffix=suffix)
    reason = _not_lifted(model)
    signature = model.signature

    def import_all() -> None:
        tf.compat.v1.train.import_meta_graph(meta)

    with known_limit(reason, applies=bool(reason)):
        wrapped = tf.compat.v1.wrap_function(import_all, [])
        graph = wrapped.graph
        if model.variables:
            restore = wrapped.prune(
                feeds=[graph.as_graph_element(saver_def().filename_tensor_name)],
                fetches=[graph.as_graph_element(saver_def().restore_op_name)],
            )
            restore(tf.constant(model.checkpoint_prefix))
        function = wrapped.prune(
            feeds=[graph.as_graph_element(session_name(n)) for n in signature.input_names],
            fetches=[graph.as_graph_element(session_name(n)) for n in signature.output_names],
        )
        constant = convert_to_constants.convert_variables_to_constants_v2(function)
    path = write_graph_def(constant.graph.as_graph_def(), folder / "frozen.pb")
    renamed = [
        *zip(signature.input_names, constant.inputs, strict=True),
        *zip(signature.output_names, constant.outputs, strict=True),
    ]
    return Export(path=path, names={old: canonical(new.name) for old, new in renamed})


def _not_lifted(model: Model) -> str:
    for variable in model.variables:
        if not variable.is_resource:
            return f"TF2 functions hold no reference variables, and {variable.name} is one"
        if variable.function:
            return f"TF2 functions take variables from outside, and {variable.name} has its own"
    return ""


def _unshare_variables(graph_def: graph_pb2.GraphDef, *, suffix: str) -> None:
    # The eager context keeps reference variables by name, those of models exported before too.
    # Each node is restored for itself, so that two of one name need not share it any more.
    for node in variable_nodes(graph_def):
        if node.op in REF_VARIABLE_OPS:
            node.attr["shared_name"].s = f"{node.name}{suffix}".encode()


METHOD = Method(
    name="constants_v2",
    summary="convert_variables_to_constants_v2 on a wrapped function",
    export=export,
)
