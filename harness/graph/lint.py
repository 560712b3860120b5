"""What can be said of a graph by looking at it: why it cannot be frozen, what is suspicious."""

from __future__ import annotations

from collections.abc import Mapping

from tensorflow.core.framework import graph_pb2, node_def_pb2

from harness.domain import Domain, Range
from harness.errors import listed
from harness.graph.batch_norm import training_batch_norms
from harness.graph.branches import Branches, above
from harness.graph.effects import file_ops
from harness.graph.extract import all_nodes
from harness.graph.last_ops import LastOp, decisions, remedy
from harness.graph.randomness import UNWRITTEN_OP, is_random, random_nodes, random_ops
from harness.graph.reading.flat import FlatGraph
from harness.graph.state import input_pipeline, tables
from harness.graph.writing import writes
from harness.signature import Signature
from harness.verdict import ModelWarning

_PYTHON_OPS = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})
_GENERATOR_OPS = frozenset({"RngReadAndSkip", "RngSkip"})
_DISTRIBUTIONS = ("Random", "Normal", "Uniform", "Int", "Binomial")


def obstacle(graph_def: graph_pb2.GraphDef) -> str:
    """Return why no method can freeze the graph; "" where nothing stands in the way."""
    written = writes(graph_def)
    if written:
        return str(written[0])
    return _unsaved_state(graph_def) or _python_function(graph_def) or _random_generator(graph_def)


def _unsaved_state(graph_def: graph_pb2.GraphDef) -> str:
    held = tables(graph_def)
    if held:
        return (
            f"lookup tables ({', '.join(held[:3])}) cannot be frozen into a GraphDef: their "
            f"initialisers must still be run"
        )
    fed_by = input_pipeline(graph_def)
    if fed_by:
        return (
            f"the output is fed by an input pipeline ({', '.join(fed_by[:3])}), which a frozen "
            f"graph cannot hold: name the tensor where it meets the model with --inputs NAME"
        )
    return ""


def _python_function(graph_def: graph_pb2.GraphDef) -> str:
    for node in all_nodes(graph_def):
        if node.op in _PYTHON_OPS:
            return (
                f"{node.name} ({node.op}) calls a Python function, which lives in the process that "
                f"built the graph and not in the file: a model that needs it cannot be frozen"
            )
    return ""


def _random_generator(graph_def: graph_pb2.GraphDef) -> str:
    steps = writes(graph_def, _changes_a_generator)
    if not steps:
        return ""
    return (
        f"the output depends on {steps[0].node}, which changes the state that "
        f"{steps[0].variables} holds each time it runs: a model that draws from "
        f"tf.random.Generator cannot be frozen"
    )


def _changes_a_generator(node: node_def_pb2.NodeDef) -> bool:
    # Random ops whose type starts with "Stateful" take the variable that holds their state.
    return node.op in _GENERATOR_OPS or (
        node.op.startswith("Stateful") and any(name in node.op for name in _DISTRIBUTIONS)
    )


def warnings(
    *,
    variables: int,
    saved_tensors: int,
    unused_inputs: tuple[str, ...] = (),
    without_average: tuple[str, ...] = (),
    cut_off: tuple[str, ...] = (),
) -> tuple[ModelWarning, ...]:
    """Return what is suspicious about a model whose checkpoint holds `saved_tensors` tensors."""
    found = []
    if cut_off:
        found.append(
            ModelWarning(
                code="cut_off",
                message=(
                    f"the variables {listed(cut_off)} lie before the input pipeline that the graph "
                    f"was cut at, and are not verified; name the inputs with --inputs NAMES"
                ),
                nodes=cut_off,
            )
        )
    if saved_tensors and not variables:
        found.append(
            ModelWarning(
                code="no_weight",
                message=(
                    "no variable of the checkpoint reaches the output: the frozen graph holds "
                    "no weight"
                ),
            )
        )
    if unused_inputs:
        found.append(
            ModelWarning(
                code="unused_input",
                message=f"no output depends on the input {', '.join(unused_inputs)}",
                nodes=unused_inputs,
            )
        )
    if without_average:
        found.append(
            ModelWarning(
                code="without_average",
                message=f"no moving average was saved of {listed(without_average)}: raw values",
                nodes=without_average,
            )
        )
    return tuple(found)


def static_warnings(
    graph_def: graph_pb2.GraphDef, signature: Signature, *, unread_averages: tuple[str, ...] = ()
) -> tuple[ModelWarning, ...]:
    """Return what is suspicious about the extracted graph that computes `signature`.

    `unread_averages` are the variables of which the checkpoint holds a moving average that nothing
    reads.
    """
    flat = FlatGraph(graph_def, signature)
    found = (
        _batch_norm_warning(flat, signature),
        _average_warning(unread_averages),
        _file_warning(graph_def),
        _constant_warning(flat, signature),
        *(
            _decision_warning(end, remedy(end, graph_def, signature))
            for end in decisions(flat, signature.output_names)
        ),
    )
    return tuple(warning for warning in found if warning is not None)


def _batch_norm_warning(flat: FlatGraph, signature: Signature) -> ModelWarning | None:
    nodes = training_batch_norms(flat, Branches(flat), signature.output_names)
    if not nodes:
        return None
    verb = "normalises" if len(nodes) == 1 else "normalise"
    return ModelWarning(
        code="training_batch_norm",
        message=(
            f"{listed(nodes)} {verb} by the mean and the variance of the batch that is fed, as in "
            f"training, so that an example's output depends on the others: export the graph that "
            f"is built for inference (training=False), which takes the moving averages"
        ),
        nodes=nodes,
    )


def _average_warning(variables: tuple[str, ...]) -> ModelWarning | None:
    if not variables:
        return None
    return ModelWarning(
        code="unread_average",
        message=(
            f"the checkpoint holds moving averages of {listed(variables)}, and the model takes the "
            f"raw values: give --moving-averages if the averages are what you serve"
        ),
        nodes=variables,
    )


def _file_warning(graph_def: graph_pb2.GraphDef) -> ModelWarning | None:
    found = file_ops(graph_def)
    if not found:
        return None
    said = [f"{name} ({op})" for name, op in found]
    return ModelWarning(
        code="file_op",
        message=(
            f"on the path to the output, {listed(said)} reaches files, sockets or other processes, "
            f"which need not be there where the model is served: leave it out, or name the tensor "
            f"behind it with --inputs NAME"
        ),
        nodes=tuple(name for name, _ in found),
    )


def _constant_warning(flat: FlatGraph, signature: Signature) -> ModelWarning | None:
    """Warn of an output that no input reaches, where another output is reached.

    Where none is, `constant_output` says it, or the model has no inputs and is asked for its
    numbers. Texts are names of classes, and the like.
    """

    def varies(tensor: str) -> bool:
        node = flat.producer(tensor)
        return tensor in flat.inputs or (node is not None and is_random(node))

    constant = tuple(
        spec.name
        for spec in signature.outputs
        if spec.dtype != "string" and not any(map(varies, above(flat, [spec.name])))
    )
    if not constant or len(constant) == len(signature.outputs):
        return None
    return ModelWarning(
        code="ignored_input",
        message=(
            f"{listed(constant)} depends on no input and is the same whatever is fed: leave it out "
            f"of --outputs, or export the tensor that is meant"
        ),
        nodes=constant,
    )


def _decision_warning(end: LastOp, remedy: str) -> ModelWarning:
    of = "" if end.node == end.output else f" ({end.node})"
    return ModelWarning(
        code="argmax_output",
        message=(
            f"{end.output} is decided by {end.op}{of} from scores that no output shows: outputs "
            f"alone hide most errors of the weights; {remedy}"
        ),
        nodes=(end.output,),
    )


def narrow_warnings(domains: Mapping[str, Domain]) -> tuple[ModelWarning, ...]:
    """Warn of inputs of which one value alone could be read off the graph: it may accept more."""
    return tuple(
        ModelWarning(
            code="narrow_input",
            message=(
                f"{name} was fed {domain.values.low} alone, which is all that could be read from "
                f"{domain.read_from}: state what else it accepts with --input-spec FILE"
            ),
            nodes=(name,),
        )
        for name, domain in domains.items()
        if isinstance(domain.values, Range)
        and domain.values.low == domain.values.high
        and domain.read_from
    )


def training_warning(fed: str, found: str) -> ModelWarning:
    """Return the warning about a candidate that differs where it is `fed` as in training."""
    return ModelWarning(
        code="training_phase",
        message=f"fed as in training ({fed}), unlike in inference, candidates differ: {found}",
    )


def random_warning(graph_def: graph_pb2.GraphDef, *, fed: str = "") -> ModelWarning:
    """Return the warning about a graph whose outputs change with its random numbers.

    `fed` says what it was fed, as in training, where it was seen then alone.
    """
    ops = random_ops(graph_def)
    why = (
        "its values, memory that nothing has written"
        if ops == [UNWRITTEN_OP]
        else "its numbers (dropout left in?)"
    )
    return ModelWarning(
        code="random_op",
        message=(
            f"{', '.join(ops)} lies on the path to the output, which changes with {why}"
            f"{f' where it is fed as in training ({fed})' if fed else ''}; it was compared with "
            f"the numbers pinned"
        ),
        nodes=tuple(random_nodes(graph_def)),
    )
