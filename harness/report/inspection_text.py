"""What is known of a model on disk, as text: from what the path is to what would be frozen."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping, Sequence

from rich.text import Text

from harness.drawn import drawn_inputs
from harness.inspection.facts import (
    LARGEST_GRAPH,
    CandidateOutput,
    FedTensor,
    Freezing,
    Goal,
    GraphFacts,
    HeldVariable,
    Inspection,
    Role,
    ServedSignature,
)
from harness.report.page import Column, Page
from harness.signature import TensorSpec, format_shape
from harness.subject import Request

_KINDS = {"checkpoint": "checkpoint", "saved_model": "SavedModel", "frozen": "GraphDef"}
_GOALS: Mapping[Goal, str] = {
    "": "",
    "outputs": "the outputs",
    "candidates": "the best candidates",
    "signatures": "any signature's outputs",
}
_CHOICES = {
    "tags": "--tags=TAGS",
    "signature": "--signature=KEY",
    "outputs": "--outputs=NAMES",
}
_MOST_CANDIDATES = 8
_MOST_OF_A_SIGNATURE = 8
_MOST_ROWS = 30
_MOST_OPS = 15
_LONGEST_CELL = 60
_TAKEN = ("  taken", "green")
_OPTION = "cyan"
_ROLES = {
    Role.INPUT: ("input", "green"),
    Role.UNUSED: ("input of the signature that no output needs", "yellow"),
    Role.UNFED: ("needed, and nothing feeds it", "red"),
    Role.KEEPS_DEFAULT: ("default kept", ""),
    Role.LABEL: ("label", "dim"),
    Role.NOT_NEEDED: ("not needed", "dim"),
    None: ("", ""),
}


def render_inspection(
    inspection: Inspection,
    request: Request,
    *,
    width: int,
    color: bool,
    everything: bool,
    other_options: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the text; long lists are cut short unless `everything` is wanted.

    Commands to copy have the options of the request, and `other_options` that it does not keep.
    """
    page = Page(width=width, color=color)
    _path(page, inspection)
    _graphs(page, inspection, everything=everything)
    graph = inspection.graph
    if graph is not None:
        _interface(page, inspection, graph)
        _drawn(page, inspection, everything=everything)
        _candidates(page, graph, everything=everything)
        _placeholders(page, graph, everything=everything)
        _pipeline(page, graph)
        _variables(page, graph, everything=everything)
        _weights(page, graph, everything=everything)
        _ops(page, graph, everything=everything)
    _frozen(page, inspection, _arguments(request, other_options))
    return request.said(str(page))


def _path(page: Page, inspection: Inspection) -> None:
    page.line((f"{_KINDS[inspection.kind]} {inspection.path}", "bold"), indent=0)
    size = f"{inspection.bytes_on_disk:,} bytes on disk"
    graph = inspection.graph
    if graph is None:
        page.sentence(size)
        return
    page.sentence(
        f"{_count(graph.nodes, 'node')}, {_count(graph.functions, 'library function')}, {size}, "
        f"producer version {graph.producer}"
    )
    if graph.has_legacy_shapes:
        page.sentence("before version 24, a placeholder's shape [] means unknown, and not a scalar")


def _graphs(page: Page, inspection: Inspection, *, everything: bool) -> None:
    for graph in inspection.graphs:
        option = _option("--tags", ",".join(graph.tags)) if graph.tags else Text("without tags")
        page.heading("Graph ", option, *([_TAKEN] if graph.is_taken else []))
        for signature in graph.signatures:
            _signature(page, signature, everything=everything)
        if not graph.signatures:
            page.sentence("no signature")


def _signature(page: Page, signature: ServedSignature, *, everything: bool) -> None:
    page.line(_option("--signature", signature.key), *([_TAKEN] if signature.is_taken else []))
    for word, specs in (("input ", signature.inputs), ("output", signature.outputs)):
        shown = specs if everything else specs[:_MOST_OF_A_SIGNATURE]
        for spec in shown:
            page.line((f"{word}  ", "dim"), str(spec), indent=6)
        _and_more(page, len(specs) - len(shown), indent=6)


def _interface(page: Page, inspection: Inspection, graph: GraphFacts) -> None:
    if graph.signature is None:
        page.heading("Inputs and outputs")
        page.sentence(_why_unsettled(inspection, graph))
        return
    for word, specs, is_inferred in (
        ("Inputs", graph.signature.inputs, graph.inputs_inferred),
        ("Outputs", graph.signature.outputs, graph.outputs_inferred),
    ):
        page.heading(word, " (inferred)" if is_inferred else "")
        _tensors(page, specs)


def _why_unsettled(inspection: Inspection, graph: GraphFacts) -> str:
    if inspection.question == "signature":
        return "there are several signatures: choose one with --signature=KEY"
    if inspection.question and not graph.candidates:
        return (
            "the outputs cannot be told from the graph: name them with --outputs=NAMES "
            "(--ops-csv=FILE lists the nodes)"
        )
    if inspection.question:
        return (
            "the outputs cannot be told from the graph: choose among the candidates, with "
            "--outputs=NAME or, for several, --outputs=NAME,NAME"
        )
    return "they cannot be told, for what is wrong with the model (see the end)"


def _tensors(page: Page, specs: Sequence[TensorSpec]) -> None:
    columns = [Column(heading=heading) for heading in ("name", "dtype", "shape")]
    if specs:
        page.table(columns, [[Text(s.name), *_described(s)] for s in specs])
    else:
        page.sentence("none")


def _described(spec: TensorSpec) -> list[Text]:
    return [Text(spec.dtype), Text(format_shape(spec.shape))]


_DRAWN_COLUMNS = (
    Column(heading="name"),
    Column(heading="values"),
    Column(heading="shape"),
    Column(heading="sizes", is_named=True),
    Column(heading="read from", is_named=True),
)


def _drawn(page: Page, inspection: Inspection, *, everything: bool) -> None:
    if inspection.graph is None or inspection.graph.signature is None or not inspection.domains:
        return
    page.heading("Drawn", ": what the inputs would be fed")
    rows = [
        [drawn.name, drawn.values or "any", drawn.shape, "; ".join(drawn.axes), drawn.read_from]
        for drawn in drawn_inputs(inspection.graph.signature, inspection.domains)
    ]
    longest = None if everything else _LONGEST_CELL
    page.table(_DRAWN_COLUMNS, [[Text(_cut(cell, longest)) for cell in row] for row in rows])


def _cut(text: str, longest: int | None) -> str:
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"


def _candidates(page: Page, graph: GraphFacts, *, everything: bool) -> None:
    shown = graph.candidates if everything else graph.candidates[:_MOST_CANDIDATES]
    number = f"{len(graph.candidates):,}, the best first" if shown else "no node looks like one"
    page.heading("Candidate outputs", f": {number}")
    columns = [Column(heading="")] * 2
    for (score, reasons), group in itertools.groupby(shown, lambda c: (c.score, c.reasons)):
        page.sentence(f"score {score}: ", ("; ".join(reasons), "dim"))
        page.table(columns, [_candidate(each) for each in group], indent=4)
    _and_more(page, len(graph.candidates) - len(shown))


def _candidate(candidate: CandidateOutput) -> list[Text]:
    option = _option("--outputs", ",".join(candidate.names))
    types = [f"{spec.dtype} {format_shape(spec.shape)}" for spec in candidate.tensors]
    return [
        option + Text(*_TAKEN) if candidate.is_taken else option,
        Text(", ".join(types) or f"op {candidate.op}"),
    ]


def _placeholders(page: Page, graph: GraphFacts, *, everything: bool) -> None:
    shown = graph.placeholders if everything else graph.placeholders[:_MOST_ROWS]
    page.heading("Placeholders", f": {len(graph.placeholders):,}{_seen_from(graph)}")
    _fed(page, shown)
    _and_more(page, len(graph.placeholders) - len(shown))


def _pipeline(page: Page, graph: GraphFacts) -> None:
    if not graph.cuts:
        return
    page.heading("Tensors by which an input pipeline meets the model", _seen_from(graph))
    _fed(page, graph.cuts)
    needed = [c.spec.name for c in graph.cuts if c.role in {Role.INPUT, Role.UNFED}]
    if needed:
        page.line(_option("--inputs", ",".join(needed)))


def _fed(page: Page, tensors: Sequence[FedTensor]) -> None:
    columns = [Column(heading=heading) for heading in ("name", "op", "dtype", "shape", "")]
    if tensors:
        rows = [[Text(t.spec.name), Text(t.op), *_described(t.spec), _role(t)] for t in tensors]
        page.table(columns, rows)


def _role(tensor: FedTensor) -> Text:
    word, style = _ROLES[tensor.role]
    return Text(word, style=style)


def _seen_from(graph: GraphFacts) -> str:
    """Say what it is that needs things, where that is not the outputs."""
    if graph.leads_to in {"", "outputs"}:
        return ""
    return f", as {_GOALS[graph.leads_to]} need them"


def _variables(page: Page, graph: GraphFacts, *, everything: bool) -> None:
    if not graph.variables and not graph.saved_tensors:
        return
    page.heading("Variables", f": {len(graph.variables):,}")
    if graph.saved_tensors:
        size = "" if graph.saved_bytes is None else f" of {graph.saved_bytes:,} bytes"
        files = _files(graph)
        file = f", in {files.pop()}" if len(files) == 1 and files != {""} else ""
        page.sentence(f"the checkpoint holds {_count(graph.saved_tensors, 'tensor')}{size}{file}")
    left = len(graph.variables) if everything else _MOST_ROWS
    is_long = len(graph.variables) > left
    on_path = [variable for variable in graph.variables if variable.is_on_path]
    others = [variable for variable in graph.variables if not variable.is_on_path]
    goal = _GOALS[graph.leads_to]
    for group, words in ((on_path, f"on the path to {goal}"), (others, "not on it")):
        if not group and group is others:
            continue
        ordered = sorted(group, key=lambda v: -(v.bytes or 0)) if is_long else group
        rows = [_variable(variable, graph) for variable in ordered[:left]]
        if graph.leads_to:
            size = f"{sum(variable.bytes or 0 for variable in group):,} bytes"
            found = f"{len(group):,} {words}, {size}" if group else f"none {words}"
            page.sentence(f"{found}:" if rows else found)
        if rows:
            page.table(_VARIABLE_COLUMNS, rows, indent=4)
        left -= len(rows)
    _and_more(page, len(graph.variables) - (_MOST_ROWS if is_long else len(graph.variables)))


_VARIABLE_COLUMNS = (
    Column(heading="name"),
    Column(heading="dtype"),
    Column(heading="shape"),
    Column(heading="bytes", is_right=True, is_named=True),
    Column(heading="saved as", is_named=True),
    Column(heading="in", is_named=True),
)


def _variable(variable: HeldVariable, graph: GraphFacts) -> list[Text]:
    file = (variable.file or "-") if len(_files(graph)) > 1 else ""
    cells = (
        variable.name,
        variable.dtype,
        format_shape(variable.shape),
        "-" if variable.bytes is None else f"{variable.bytes:,}",
        "" if variable.key == variable.name else variable.key + variable.part,
        file if variable.is_saved else "not saved",
    )
    return [Text(cell) for cell in cells]


def _files(graph: GraphFacts) -> set[str]:
    return {variable.file for variable in graph.variables if variable.is_saved}


def _weights(page: Page, graph: GraphFacts, *, everything: bool) -> None:
    if not graph.weights:
        return
    size = sum(weight.bytes for weight in graph.weights)
    page.heading(
        "Constants that stand for weights",
        f": {len(graph.weights):,} on the path to {_GOALS[graph.leads_to]}, {size:,} bytes",
    )
    by_size = sorted(graph.weights, key=lambda weight: -weight.bytes)
    is_long = len(by_size) > _MOST_ROWS and not everything
    shown = by_size[:_MOST_ROWS] if is_long else graph.weights
    columns = [
        Column(heading="name"),
        Column(heading="dtype"),
        Column(heading="shape"),
        Column(heading="bytes", is_right=True, is_named=True),
    ]
    rows = [
        [Text(w.name), Text(w.dtype), Text(format_shape(w.shape)), Text(f"{w.bytes:,}")]
        for w in shown
    ]
    page.table(columns, rows)
    _and_more(page, len(graph.weights) - len(shown))


def _ops(page: Page, graph: GraphFacts, *, everything: bool) -> None:
    shown = graph.ops if everything else graph.ops[:_MOST_OPS]
    page.heading("Ops", f": {len(graph.ops):,}")
    columns = [
        Column(heading="op"),
        Column(heading="on path", is_right=True, is_named=True),
        Column(heading="in graph", is_right=True, is_named=True),
    ]
    has_path = bool(graph.leads_to)
    rows = [
        [Text(o.op), Text(f"{o.on_path:,}" if has_path else ""), Text(f"{o.in_graph:,}")]
        for o in shown
    ]
    page.table(columns, rows)
    _and_more(page, len(graph.ops) - len(shown))


def _frozen(page: Page, inspection: Inspection, arguments: Text) -> None:
    page.heading("Frozen")
    graph = inspection.graph
    if inspection.fault:
        page.sentence(("cannot be used", "bold red"), f": {inspection.fault}")
    elif graph is None or graph.freezing is None:
        page.sentence("to see what would be frozen, make the choice:")
        chosen = _CHOICES.get(inspection.question, "")
        page.line(("freezeproof inspect ", _OPTION), arguments, (f" {chosen}", _OPTION))
    else:
        _freezing(page, graph.freezing)
        if not graph.freezing.obstacle:
            page.sentence("to verify it:")
            page.line(("pytest --checkpoint=", _OPTION), arguments)


def _freezing(page: Page, freezing: Freezing) -> None:
    if freezing.obstacle:
        page.sentence(("cannot be frozen", "bold red"), f": {freezing.obstacle}")
    elif freezing.is_frozen:
        page.sentence("it is frozen already")
    else:
        held = f"{_count(freezing.variables, 'variable')} ({freezing.weight_bytes:,} bytes)"
        page.sentence(f"{held} would be frozen into a .pb of about {freezing.bytes:,} bytes")
        if freezing.bytes > LARGEST_GRAPH:
            page.sentence(
                ("cannot be frozen", "bold red"),
                f": a GraphDef of more than {LARGEST_GRAPH:,} bytes cannot be written",
            )
    for warning in freezing.warnings:
        page.sentence(("warning", "yellow"), f": {warning.message}")
    if freezing.random_ops:
        page.sentence(
            ("note", "yellow"),
            f": {', '.join(freezing.random_ops)} lies on the path (dropout left in?); whether the "
            f"outputs change with its numbers shows when they are computed",
        )


def _arguments(request: Request, other_options: Sequence[tuple[str, str]]) -> Text:
    """Return the path and the options as they are typed."""
    options = (
        ("--meta-graph", str(request.meta_graph or "")),
        ("--inputs", ",".join(request.inputs)),
        ("--outputs", ",".join(request.outputs)),
        ("--signature", request.signature_key or ""),
        ("--tags", ",".join(request.tags)),
        *other_options,
    )
    typed = [Text(shlex.quote(str(request.path)), style=_OPTION)]
    typed += [_option(flag, value) for flag, value in options if value]
    if request.moving_averages:
        typed.append(Text("--moving-averages", style=_OPTION))
    return Text(" ").join(typed)


def _option(flag: str, value: str) -> Text:
    return Text(shlex.quote(f"{flag}={value}"), style=_OPTION)


def _and_more(page: Page, number: int, *, indent: int = 2) -> None:
    if number > 0:
        page.sentence(f"and {number:,} more (--all lists them)", indent=indent)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
