"""What a path holds, and what would be taken as its inputs and outputs, with nothing run.

What is taken is asked of `open_model`, as every run asks it. Where that refuses, since the user has
to choose or the files lack a part, `assemble` is asked for what leads to all that may be meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.domain import Domain
from harness.errors import BrokenModel, FreezeproofError, RequestError
from harness.graph.domains import domains_of
from harness.graph.infer import RankedOutput, infer_outputs, rank_outputs
from harness.graph.op_registration import check_registered
from harness.graph.tensors import imported
from harness.inputs.completing import completed
from harness.inspection.facts import (
    Goal,
    GraphFacts,
    Inspection,
    Question,
    ServedSignature,
    TaggedGraph,
)
from harness.inspection.graph_facts import Part, graph_facts, likely
from harness.inspection.whole_graph import WholeGraph, read_whole_graph, tagged_graphs
from harness.locate import Location, checkpoint_files, locate, meta_file
from harness.models.assemble import Named, assemble
from harness.models.candidate import size_on_disk
from harness.models.model import Model
from harness.models.opening import check_options, open_model
from harness.models.proto_file import making_sense_of
from harness.models.restorable import check_restorable
from harness.subject import Request

_GOALS: dict[Question, Goal] = {"": "outputs", "signature": "signatures", "outputs": "candidates"}


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What was read of a model, whatever is taken of it."""

    location: Location
    request: Request
    graphs: tuple[TaggedGraph, ...]
    whole: WholeGraph
    ranked: tuple[RankedOutput, ...]

    @property
    def signatures(self) -> tuple[ServedSignature, ...]:
        """The signatures of the graph that is taken."""
        return tuple(s for graph in self.graphs if graph.is_taken for s in graph.signatures)

    @property
    def signature(self) -> ServedSignature | None:
        """The signature that is taken, where one is."""
        return next((s for s in self.signatures if s.is_taken), None)


def inspect(request: Request, *, with_operations: bool = False) -> Inspection:
    """Return what is known of the model that `request` names, as much as can be read.

    Raises:
        RequestError: the path is nothing, or what else the request names does not fit it.
        BrokenModel: not even a graph can be read.
    """
    location = locate(request.path)
    check_options(request, location)
    with making_sense_of(location.path):
        return _inspected(location, request, with_operations=with_operations)


def _inspected(location: Location, request: Request, *, with_operations: bool) -> Inspection:
    model, refusal = _opened(request)
    graphs = tagged_graphs(location.path, request) if location.kind == "saved_model" else ()
    if graphs and not request.tags and not any(graph.is_taken for graph in graphs):
        return _inspection(location, request, graphs, question="tags")
    try:
        read = _read(location, request, graphs)
    except (FreezeproofError, OSError) as error:
        raise refusal or error from error  # the one says better than the other what is wrong
    question: Question = "" if model else _question(read)
    if isinstance(refusal, RequestError) and not question and _names_something(request):
        raise refusal
    if model is not None:
        part = Part(model=model, goal="outputs")
        refusal = _fault(model)
    else:
        part = _part(read, _GOALS[question])
    domains: dict[str, Domain] = {}
    if model is not None and refusal is None:
        try:
            domains = _domains(model)
        except FreezeproofError as error:
            refusal = error
    facts = graph_facts(
        read.whole,
        kind=location.kind,
        ranked=read.ranked,
        part=part,
        with_operations=with_operations,
    )
    return _inspection(
        location,
        request,
        graphs,
        question=question,
        graph=facts,
        domains=domains,
        fault=None if question and isinstance(refusal, RequestError) else refusal,
    )


def _opened(request: Request) -> tuple[Model | None, FreezeproofError | None]:
    try:
        return open_model(request), None
    except (RequestError, BrokenModel) as error:
        return None, error


def _read(location: Location, request: Request, graphs: tuple[TaggedGraph, ...]) -> _Reading:
    whole = read_whole_graph(location, request)
    return _Reading(
        location=location,
        request=request,
        graphs=graphs,
        whole=whole,
        ranked=tuple(rank_outputs(whole.graph_def, whole.collections)),
    )


def _question(read: _Reading) -> Question:
    """Return what the user has to choose before the model can be opened."""
    request = read.request
    if request.outputs or request.signature_key or read.signature:
        return ""
    if read.signatures:
        return "signature"
    try:
        infer_outputs(read.whole.graph_def, read.whole.collections)
    except RequestError:
        return "outputs"
    return ""


def _names_something(request: Request) -> bool:
    return bool(
        request.inputs
        or request.outputs
        or request.signature_key
        or request.tags
        or request.meta_graph
        or request.moving_averages
    )


def _fault(model: Model) -> FreezeproofError | None:
    """Return why the stage `restore` would fail, as far as that is seen without a session."""
    try:
        check_registered(model.graph_def, holder="the path to the outputs")
        check_restorable(model)
        imported(model.graph_def)
    except FreezeproofError as error:
        return error
    return None


def _domains(model: Model) -> dict[str, Domain]:
    """Return what a run would draw of each input, as long as the user says nothing of it.

    Raises:
        RequestError: an input cannot be fed.
    """
    read = domains_of(model.graph_def, model.signature, defaults=model.defaults)
    return completed(model.signature, read)


def _part(read: _Reading, goal: Goal) -> Part:
    """Return the part of the graph that leads to the outputs, or to all that may be meant.

    Raises:
        RequestError: the inputs that the request names are no tensors of the graph.
    """
    signature = read.signature
    inputs, outputs = read.request.inputs, read.request.outputs
    if signature is not None:
        inputs = inputs or tuple(spec.name for spec in signature.inputs)
        outputs = tuple(spec.name for spec in signature.outputs)
    if goal == "signatures":
        outputs = tuple(dict.fromkeys(o.name for s in read.signatures for o in s.outputs))
    elif goal == "candidates":
        outputs = _best(read.ranked)
        if not outputs:
            return Part(model=None, goal="")
    try:
        model = assemble(
            read.whole.graph_def,
            path=read.location.path,
            kind=read.location.kind,
            named=Named(inputs=inputs, outputs=outputs),
            entries=read.whole.entries,
            checkpoint_prefix=str(read.whole.prefix) if read.whole.prefix else None,
            collections=read.whole.collections,
        )
    except FreezeproofError:
        if read.request.inputs:
            raise
        return Part(model=None, goal="")
    return Part(model=model, goal=goal)


def _best(ranked: Sequence[RankedOutput]) -> tuple[str, ...]:
    """Return the tensors of the candidate outputs that share the highest score."""
    found = likely(ranked)
    return tuple(n for each in found if each.score == found[0].score for n in each.tensors)


def _inspection(
    location: Location,
    request: Request,
    graphs: tuple[TaggedGraph, ...],
    *,
    question: Question,
    graph: GraphFacts | None = None,
    domains: Mapping[str, Domain] | None = None,
    fault: FreezeproofError | None = None,
) -> Inspection:
    files = [location.path]
    if location.kind == "checkpoint":
        meta = request.meta_graph or meta_file(location.path)
        files = [*checkpoint_files(location.path), meta]
    return Inspection(
        path=location.path,
        kind=location.kind,
        bytes_on_disk=sum(map(size_on_disk, files)),
        graphs=graphs,
        question=question,
        graph=graph,
        fault=str(fault or ""),
        fault_is_of_request=isinstance(fault, RequestError),
        domains=domains or {},
    )
