"""What two nodes in the same place read: which input stands for which."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

from harness.graph.normal.graph import Node, Tensor
from harness.graph.structure.describing import called, listed
from harness.graph.structure.kinds import attribute, is_commutative, shape_of
from harness.graph.structure.orders import are_crosswise
from harness.graph.structure.similarity import Graphs
from harness.signature import Shape, format_shape


def other_input(reference: Node, candidate: Node) -> str:
    """Tell which feeds an input of the candidate refuses; "" where it takes all that are right.

    To take more than the reference is no fault.
    """
    changes = []
    dtypes = attribute(reference, "dtype"), attribute(candidate, "dtype")
    if None not in dtypes and dtypes[0] != dtypes[1]:
        changes.append(f"dtype {dtypes[0]} became {dtypes[1]}")
    before, after = shape_of(reference), shape_of(candidate)
    if not _accepts(after, before):
        changes.append(f"shape {format_shape(before)} became {format_shape(after)}")
    return f"input {reference.name}: {', '.join(changes)}" if changes else ""


def _accepts(shape: Shape | None, other: Shape | None) -> bool:
    """Say whether all of what `other` stands for is a `shape` too."""
    if shape is None:
        return True
    return (
        other is not None
        and len(shape) == len(other)
        and all(size in (None, its) for size, its in zip(shape, other, strict=True))
    )


def exchanged(graphs: Graphs, reference: Node, candidate: Node) -> Sequence[Tensor] | None:
    """Return what the candidate reads in the order of the reference; None where it is that order.

    Both nodes read equally much. Only where what is read elsewhere is alike is it another order.
    """
    if is_commutative(reference):
        crosswise = are_crosswise(graphs, reference, candidate)
        return candidate.inputs[::-1] if crosswise else None
    pairs = list(zip(reference.inputs, candidate.inputs, strict=True))
    others = [place for place, pair in enumerate(pairs) if not graphs.are_alike(*pair)]
    if len(others) < 2:
        return None
    read: dict[Hashable, list[Tensor]] = defaultdict(list)
    for place in reversed(others):
        read[_cone(graphs.candidate_cones, candidate.inputs[place])].append(candidate.inputs[place])
    order = list(candidate.inputs)
    for place in others:
        alike = read[_cone(graphs.reference_cones, reference.inputs[place])]
        if not alike:
            return _data_for_constant(graphs, reference, candidate, others)
        order[place] = alike.pop()
    return order


def _data_for_constant(
    graphs: Graphs, reference: Node, candidate: Node, others: Sequence[int]
) -> Sequence[Tensor] | None:
    """Return the other order of two inputs, of which the one was data and now is none."""
    if len(others) != 2:
        return None
    was = [graphs.reference_is_dynamic[reference.inputs[place][0]] for place in others]
    now = [graphs.candidate_is_dynamic[candidate.inputs[place][0]] for place in others]
    if was[0] == was[1] or was != now[::-1]:
        return None
    order = list(candidate.inputs)
    one, other = others
    order[one], order[other] = order[other], order[one]
    return order


def in_another_order(
    graphs: Graphs, reference: Node, *, order: Sequence[Tensor], instead: Sequence[Tensor]
) -> str:
    """Tell that a node reads the same as the reference, but in the order of `instead`."""
    moved = [
        graphs.reference.nodes[source].name
        for (source, _), right, found in zip(reference.inputs, order, instead, strict=True)
        if right != found
    ]
    return f"{called(reference)}: inputs {listed(moved)} exchanged"


def aligned(
    graphs: Graphs, reference: Node, candidate: Node
) -> tuple[list[tuple[Tensor, Tensor]], list[Tensor], list[Tensor]]:
    """Pair what two nodes read that read unequally much; then what only the one or other reads."""
    mine, its = list(reference.inputs), list(candidate.inputs)
    pairs = []
    for tensor in reference.inputs:
        for found in its:
            if graphs.are_alike(tensor, found):
                pairs.append((tensor, found))
                mine.remove(tensor)
                its.remove(found)
                break
    return pairs, mine, its


def other_number(
    graphs: Graphs, reference: Node, candidate: Node, mine: Sequence[Tensor], its: Sequence[Tensor]
) -> str:
    """Tell that a node reads more or less than it did."""
    if not its:
        names = listed(graphs.reference.nodes[source].name for source, _ in mine)
        return f"{called(reference)} reads {names} no more"
    if not mine:
        names = listed(called(graphs.candidate.nodes[source]) for source, _ in its)
        return f"{called(reference)} reads {names} too"
    return f"{called(reference)}: {len(reference.inputs)} inputs became {len(candidate.inputs)}"


def paired_guards(
    graphs: Graphs, reference: Node, candidate: Node
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pair the guards of two nodes, the alike ones first; then those of the one and of the other.

    Their order says nothing. What is alike to nothing is paired as it comes.
    """
    pairs, mine, its = _paired_by(
        reference.guards, candidate.guards, graphs.reference_cones, graphs.candidate_cones
    )
    if len({graphs.reference_cones[guard] for guard, _ in pairs}) < len(pairs):
        # Of several that are alike, constants tell which is which.
        exact, mine, its = _paired_by(
            reference.guards, candidate.guards,
            graphs.reference_cones_with_values, graphs.candidate_cones_with_values,
        )  # fmt: skip
        pairs, mine, its = _paired_by(mine, its, graphs.reference_cones, graphs.candidate_cones)
        pairs = exact + pairs
    both = min(len(mine), len(its)) if len(reference.guards) == len(candidate.guards) else 0
    pairs += list(zip(mine[:both], its[:both], strict=True))
    return pairs, mine[both:], its[both:]


def _paired_by(
    mine: Sequence[int], its: Sequence[int], keys: Sequence[int], its_keys: Sequence[int]
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pair nodes of one key; then those of the one and of the other graph that are left."""
    by_key: dict[int, list[int]] = defaultdict(list)
    for index in reversed(its):
        by_key[its_keys[index]].append(index)
    pairs, alone = [], []
    for index in mine:
        alike = by_key[keys[index]]
        if alike:
            pairs.append((index, alike.pop()))
        else:
            alone.append(index)
    left = Counter(index for indices in by_key.values() for index in indices)
    return pairs, alone, [index for index in its if left[index]]


def _cone(cones: Sequence[int], tensor: Tensor) -> Hashable:
    return cones[tensor[0]], tensor[1]
