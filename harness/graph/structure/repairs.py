"""Where two graphs differ: what somebody did there, and where they go on alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.graph.normal.graph import Node, Tensor
from harness.graph.structure.cones import upstream
from harness.graph.structure.describing import (
    added,
    called,
    missing,
    ops_of,
    other_attributes,
    replaced,
)
from harness.graph.structure.inputs import aligned, other_number
from harness.graph.structure.kinds import FLOW, INPUT, LEAVES, attribute
from harness.graph.structure.similarity import Graphs, are_of_other_kinds, are_same, misfits
from harness.graph.structure.values import value_text

Place = tuple[Tensor, Tensor]
"""A tensor of the reference and the one of the candidate that is read in its place."""

_MOST_ABOVE = 24
"""Tensors above a difference among which the place is looked for where the graphs go on alike."""
_AN_EDIT = 1.0
_ANOTHER_NODE = 0.3
_ANOTHER_REPLACED = 0.8
_OTHER_NAME = 0.3
_OTHER_OP = 0.75
_BOTH_SIDES = 0.6
_REWIRED = 1.2
_REWIRED_BY_NAME = 0.5
_UNEXPLAINED = 4.0


@dataclass(frozen=True, kw_only=True)
class Repair:
    """An edit, and the places above it where matching goes on.

    `cost` estimates how much is to be explained with it: the edit and what differs above.
    `is_in_place` says that the two nodes still stand in the same place.
    """

    cost: float
    text: str
    places: tuple[Place, ...] = ()
    is_in_place: bool = False


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Who reads a tensor of the reference: a node, or an output of the signature."""

    name: str
    is_output: bool = False


def find_repair(graphs: Graphs, reference: Tensor, candidate: Tensor, reader: Reader) -> Repair:
    """Return the edit that leaves least to be explained above it.

    Both tensors depend on the inputs. The search is bounded: it does not grow with the graphs.
    """
    return min(_repairs(graphs, reference, candidate, reader), key=lambda repair: repair.cost)


def _repairs(
    graphs: Graphs, reference: Tensor, candidate: Tensor, reader: Reader
) -> Iterator[Repair]:
    yield from _rewired(graphs, reference, candidate, reader)
    yield _unexplained(graphs, reference, candidate)
    if graphs.reference_cones[reference[0]] == graphs.candidate_cones[candidate[0]]:
        return  # two outputs of one node: nothing was done to it
    yield from _in_place(graphs, reference, candidate)
    yield from _with_other_inputs(graphs, reference, candidate)
    yield from _with_same_data(graphs, reference, candidate)
    reference_above = list(
        upstream(graphs.reference.nodes, reference, most=_MOST_ABOVE,
                 enters=graphs.reference_is_dynamic.__getitem__)
    )  # fmt: skip
    candidate_above = list(
        upstream(graphs.candidate.nodes, candidate, most=_MOST_ABOVE,
                 enters=graphs.candidate_is_dynamic.__getitem__)
    )  # fmt: skip
    yield from _missing(graphs, candidate, reference_above, reader)
    yield from _added(graphs, reference, candidate_above, reader)
    yield from _replaced(graphs, reference_above, candidate_above)


Above = list[tuple[Tensor, tuple[int, ...]]]


def _in_place(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Iterator[Repair]:
    """The node is still there, and has another op or other attributes."""
    repair = _changed(graphs, reference, candidate)
    if repair is None:
        return
    one, other = graphs.nodes(reference, candidate)
    yield replace(
        repair,
        cost=_AN_EDIT
        + (_OTHER_OP if one.op != other.op and one.name != other.name else 0)
        + (_OTHER_NAME if graphs.have_other_names(one, other) else 0)
        + misfits(graphs, *repair.places),
    )


def _changed(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Repair | None:
    """Return the edit of a node in its place; None where it reads more or less than it did."""
    one, other = graphs.nodes(reference, candidate)
    is_there = len(one.inputs) == len(other.inputs) and INPUT not in (one.op, other.op)
    if not is_there or reference[1] != candidate[1] or are_same(one, other):
        return None
    has_other_op = one.op != other.op
    return Repair(
        cost=_AN_EDIT,
        text=replaced([one], other.op) if has_other_op else other_attributes(one, other),
        places=tuple(zip(one.inputs, other.inputs, strict=True)),
        is_in_place=True,
    )


def _with_other_inputs(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Iterator[Repair]:
    """The node is still there, and reads more or less: one of those that take any number."""
    one, other = graphs.nodes(reference, candidate)
    if one.op != other.op or len(one.inputs) == len(other.inputs) or reference[1] != candidate[1]:
        return
    pairs, mine, its = aligned(graphs, one, other)
    yield Repair(
        cost=_AN_EDIT
        + _ANOTHER_NODE * (len(mine) + len(its))
        + (_OTHER_NAME if graphs.have_other_names(one, other) else 0),
        text=other_number(graphs, one, other, mine, its),
        # Beyond the shorter of the two nothing stands in the same place.
        places=(*pairs, *zip(mine, its, strict=False)),
        is_in_place=True,
    )


def _with_same_data(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Iterator[Repair]:
    """Another op stands there, which reads more or less, but of the data one tensor as before."""
    one, other = graphs.nodes(reference, candidate)
    if one.op == other.op or len(one.inputs) == len(other.inputs) or reference[1] != candidate[1]:
        return
    data = [tensor for tensor in one.inputs if graphs.reference_is_dynamic[tensor[0]]]
    its = [tensor for tensor in other.inputs if graphs.candidate_is_dynamic[tensor[0]]]
    if len(data) != 1 or len(its) != 1 or INPUT in (one.op, other.op):
        return
    place = data[0], its[0]
    yield Repair(
        cost=_AN_EDIT
        + _OTHER_OP
        + (_OTHER_NAME if graphs.have_other_names(one, other) else 0)
        + misfits(graphs, place),
        text=replaced([one], called(other)),
        places=(place,),
        is_in_place=True,
    )


def _missing(graphs: Graphs, candidate: Tensor, above: Above, reader: Reader) -> Iterator[Repair]:
    """The candidate reads what lies above the node of the reference."""
    for tensor, below in above:
        if are_of_other_kinds(graphs, tensor, candidate):
            continue
        nodes = _in_order_of_data(graphs.reference.nodes[index] for index in below)
        yield Repair(
            cost=_AN_EDIT
            + _between(graphs, below, tensor, candidate)
            + misfits(graphs, (tensor, candidate)),
            text=missing(nodes, reader.name),
            places=((tensor, candidate),),
        )


def _added(graphs: Graphs, reference: Tensor, above: Above, reader: Reader) -> Iterator[Repair]:
    """Something stands in the candidate between what the reference reads and its reader."""
    source = graphs.reference.nodes[reference[0]].name
    for tensor, below in above:
        if are_of_other_kinds(graphs, reference, tensor):
            continue
        yield Repair(
            cost=_AN_EDIT
            + _between(graphs, below, reference, tensor)
            + misfits(graphs, (reference, tensor)),
            text=added(_ops_between(graphs, below, tensor), source, reader.name),
            places=((reference, tensor),),
        )


def _between(graphs: Graphs, below: tuple[int, ...], reference: Tensor, candidate: Tensor) -> float:
    """Return what it costs that so much lies between; nothing where names say that it does."""
    one, other = graphs.nodes(reference, candidate)
    return 0.0 if one.name == other.name else _ANOTHER_NODE * (len(below) - 1)


def _replaced(graphs: Graphs, above: Above, candidate_above: Above) -> Iterator[Repair]:
    """Other nodes stand between two places in which the graphs are alike again."""
    for tensor, below in above:
        for its, its_below in candidate_above:
            if not graphs.are_alike(tensor, its):
                continue
            nodes = _in_order_of_data(graphs.reference.nodes[index] for index in below)
            yield Repair(
                cost=_AN_EDIT
                + _BOTH_SIDES
                + _ANOTHER_REPLACED * (len(below) + len(its_below) - 2)
                + misfits(graphs, (tensor, its)),
                text=replaced(nodes, _ops_between(graphs, its_below, its)),
                places=((tensor, its),),
            )


def _rewired(
    graphs: Graphs, reference: Tensor, candidate: Tensor, reader: Reader
) -> Iterator[Repair]:
    """The candidate reads what another tensor of the reference is."""
    one, other = graphs.nodes(reference, candidate)
    named = graphs.reference.names.get(other.name) if other.op not in FLOW else None
    alike = graphs.by_cone.get(graphs.candidate_cones[candidate[0]], ())
    is_called_so = named in alike
    found = named if is_called_so or not alike else alike[0]
    if found is None:
        return
    tensor = (found, candidate[1])
    source = graphs.reference.nodes[found]
    if tensor == reference or source.op != other.op:
        return
    verb = "gives" if reader.is_output else "reads"
    yield Repair(
        cost=_AN_EDIT
        + (_REWIRED_BY_NAME if is_called_so else _REWIRED)
        + misfits(graphs, (tensor, candidate)),
        text=f"{reader.name} {verb} {_output(source, tensor)} instead of {_output(one, reference)}",
        places=((tensor, candidate),),
    )


def _output(node: Node, tensor: Tensor) -> str:
    return f"output {tensor[1]} of {called(node)}" if tensor[1] else called(node)


def _in_order_of_data(nodes: Iterator[Node]) -> list[Node]:
    return list(nodes)[::-1]


def _ops_between(graphs: Graphs, below: tuple[int, ...], top: Tensor) -> str:
    """Name the candidate's ops from `top` down, and random ones that are read beside."""
    nodes = graphs.candidate.nodes
    path = _in_order_of_data(nodes[index] for index in below)
    beside = [
        nodes[index]
        for (index, _), _ in upstream(
            nodes, (below[0], 0), most=_MOST_ABOVE, enters=lambda index: index != top[0]
        )
        if index not in below and graphs.candidate_cones[index] not in graphs.by_cone
    ]
    return ops_of(path, beside)


def half_constant(graphs: Graphs, reference: Tensor, candidate: Tensor, reader: Reader) -> Repair:
    """Return the edit where one of two tensors depends on the inputs and the other does not."""
    one, other = graphs.nodes(reference, candidate)
    text = replaced([one], called(other))
    if one.op in LEAVES:
        nodes = graphs.candidate.nodes
        for tensor, below in upstream(nodes, candidate, most=_MOST_ABOVE, enters=lambda _: True):
            if nodes[tensor[0]].op in LEAVES and nodes[tensor[0]].name == one.name:
                text = added(_ops_between(graphs, below, tensor), one.name, reader.name)
                return Repair(cost=_AN_EDIT, text=text, places=((reference, tensor),))
    elif other.op in LEAVES:
        what = f"input {one.name}" if one.op == INPUT else called(one)
        has_value = attribute(other, "value") is not None
        text = f"{what} became {f'the constant {value_text(other)}' if has_value else 'a constant'}"
    return Repair(cost=_AN_EDIT, text=text)


def plain_repair(graphs: Graphs, reference: Tensor, candidate: Tensor, _: Reader) -> Repair:
    """Return the edit that takes no search: the node became another, in its place if it can be."""
    return _changed(graphs, reference, candidate) or _unexplained(graphs, reference, candidate)


def staying(graphs: Graphs, reference: Tensor, candidate: Tensor) -> float:
    """Return the cost of leaving two nodes in one place that are the same but for their names."""
    one, other = graphs.nodes(reference, candidate)
    return _OTHER_NAME + misfits(graphs, *zip(one.inputs, other.inputs, strict=True))


def _unexplained(graphs: Graphs, reference: Tensor, candidate: Tensor) -> Repair:
    one, other = graphs.nodes(reference, candidate)
    return Repair(cost=_UNEXPLAINED, text=replaced([one], called(other)))
