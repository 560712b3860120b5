"""The frozen graph and its checkpoint, each with one input for pictures and one output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.domain import Domain, Phase
from harness.errors import BrokenModel, RequestError, listed
from harness.graph.domains import domains_of
from harness.graph.lint import static_warnings
from harness.graph.randomness import random_nodes
from harness.models.model import Model
from harness.models.opening import open_model
from harness.signature import TensorSpec, format_shape
from harness.subject import Request
from harness.tensor_names import canonical

CLASSES = "classes"
"""The output that is taken where several are inferred."""


@dataclass(frozen=True, kw_only=True)
class Interface:
    """A frozen graph and what of it is fed and fetched.

    `phases` are the values of inputs that tell the graph that it is not trained.
    """

    model: Model
    input: TensorSpec
    output: TensorSpec
    domain: Domain
    phases: Mapping[str, float]
    told: tuple[str, ...] = ()


def open_interface(path: Path, *, input_name: str, output_name: str) -> Interface:
    """Return the frozen graph at `path` with its input and output, inferred where they are "".

    Raises:
        RequestError: a name is no tensor of the graph, or cannot be inferred.
        BrokenModel: the file cannot be used.
    """
    told: list[str] = []
    try:
        model = _opened(path, input_name, output_name, told)
        domains = domains_of(model.graph_def, model.signature, defaults=model.defaults)
        fed = _input(model, domains, input_name)
    except (RequestError, BrokenModel) as error:
        raise _said(error) from error
    if not input_name:
        told.append(f"input inferred: {fed.name}")
    phases = {
        spec.name: float(values.inference)
        for spec in model.signature.inputs
        if spec != fed and isinstance(values := domains[spec.name].values, Phase)
    }
    told += [f"{name} is fed {value:g}, as for inference" for name, value in phases.items()]
    told += _warned("frozen graph", model)
    (output,) = model.signature.outputs
    return Interface(
        model=model,
        input=fed,
        output=output,
        domain=domains[fed.name],
        phases=phases,
        told=tuple(told),
    )


def open_reference(
    path: Path, interface: Interface, *, meta_graph: Path | None, moving_averages: bool
) -> tuple[Model, tuple[str, ...]]:
    """Return the checkpoint's model with the same inputs and output, and what is to be told of it.

    Raises:
        RequestError: it has no such inputs or output, or of other dtypes.
        BrokenModel: the files cannot be used.
    """
    signature = interface.model.signature
    request = Request(
        path=path,
        meta_graph=meta_graph,
        inputs=signature.input_names,
        outputs=signature.output_names,
        moving_averages=moving_averages,
    )
    try:
        model = open_model(request)
    except (RequestError, BrokenModel) as error:
        message = str(error).removeprefix(f"--checkpoint {path}: ")
        raise _said(type(error)(f"--checkpoint {path}: {message}")) from error
    told = []
    for frozen, own in zip(signature, model.signature, strict=True):
        if own.dtype != frozen.dtype:
            raise RequestError(
                f"--checkpoint {path}: its {own.name} is {own.dtype}, and that of the frozen graph "
                f"{frozen.dtype}: they are no two forms of one model"
            )
        if own.shape != frozen.shape:
            told.append(f"in the checkpoint it is {own}, in the frozen graph {frozen}")
    return model, (*told, *_warned("checkpoint", model))


def _warned(who: str, model: Model) -> list[str]:
    """Return what the graph shows of a model that is not as it should be to be served.

    Both may be wrong alike: then their predictions are equal, and depend on what is fed together.
    """
    found = static_warnings(model.graph_def, model.signature, unread_averages=model.unread_averages)
    told = [f"{who}: {each.message}" for each in found if each.code != "argmax_output"]
    drawn = random_nodes(model.graph_def)
    if drawn:
        told.append(f"{who}: random numbers are drawn ({listed(drawn)}), the same each time here")
    if model.without_average:
        told.append(f"{who}: no moving average was saved of {listed(model.without_average)}")
    return told


def _opened(path: Path, input_name: str, output_name: str, told: list[str]) -> Model:
    """Return the model with one output, and all inputs that it needs."""
    if output_name:
        return _with_input(path, input_name, output_name)
    try:
        outputs = open_model(Request(path=path)).signature.outputs
    except RequestError:
        outputs = ()
    if len(outputs) == 1:
        told.append(f"output inferred: {outputs[0].name}")
        return _with_input(path, input_name, outputs[0].name)
    try:
        model = _with_input(path, input_name, CLASSES)
    except RequestError:
        if not outputs:
            open_model(Request(path=path))  # raises the error that lists what may be one
        raise _choose(outputs) from None
    others = ", ".join(spec.name for spec in outputs if spec.name != CLASSES)
    told.append(f"output taken: {CLASSES}{f' (there are {others} too)' if others else ''}")
    return model


def _with_input(path: Path, input_name: str, output_name: str) -> Model:
    """Return the model; the graph is cut at the input where that is no input by itself."""
    try:
        model = open_model(Request(path=path, outputs=(output_name,)))
    except RequestError:
        if not input_name:
            raise
    else:
        if not input_name or canonical(input_name) in model.signature.input_names:
            return model
    return open_model(Request(path=path, inputs=(input_name,), outputs=(output_name,)))


def _input(model: Model, domains: Mapping[str, Domain], input_name: str) -> TensorSpec:
    """Return the one input that takes pictures: the others are fed what they are in inference."""
    inputs = model.signature.inputs
    output = model.signature.outputs[0].name
    if not inputs:
        raise RequestError(f"--output {output} depends on no input: name another output")
    named = [spec for spec in inputs if spec.name == canonical(input_name)]
    unfed = [spec for spec in inputs if not _is_phase(spec, domains)]
    others = [spec.name for spec in unfed if spec not in named]
    if len(others) > (0 if named else 1):
        raise RequestError(
            f"--output {output} also needs {', '.join(others)}, of which nothing is known: name "
            f"another output, or with --input a tensor that all inputs lead to"
            if named
            else f"--output {output} needs the inputs {', '.join(others)}, and pictures are fed to "
            f"one: name another output, or with --input a tensor that all of them lead to"
        )
    return [*named, *unfed, *inputs][0]


def _is_phase(spec: TensorSpec, domains: Mapping[str, Domain]) -> bool:
    return spec.shape in {(), None} and isinstance(domains[spec.name].values, Phase)


def _choose(outputs: Sequence[TensorSpec]) -> RequestError:
    lines = [
        f"  --output={spec.name}   {spec.dtype} {format_shape(spec.shape)}" for spec in outputs
    ]
    return RequestError("\n".join(["the graph has several outputs; add one of:", *lines]))


def _said(error: RequestError | BrokenModel) -> RequestError | BrokenModel:
    """Return the error with the options of this command in the place of a run's."""
    text = str(error).replace("--inputs", "--input").replace("--outputs", "--output")
    return type(error)(text)
