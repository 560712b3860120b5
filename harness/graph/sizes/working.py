"""The sizes of the inputs' unknown dimensions that TensorFlow's shape functions accept.

What only a kernel refuses, as in the rounds of a loop, is not seen here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from tensorflow.core.framework import graph_pb2

from harness.domain import Axis, Domain, Lengths, Sparse
from harness.graph.sizes.groups import settled
from harness.graph.sizes.names import names_of
from harness.graph.sizes.ranges import working
from harness.graph.sizes.ranks import with_ranks
from harness.graph.sizes.sized_inputs import Dimensions, Slot, sized_inputs, sparse_dimensions
from harness.graph.sizes.trials import BUDGET, Trials
from harness.signature import Signature


def working_sizes(
    graph_def: graph_pb2.GraphDef,
    signature: Signature,
    domains: Mapping[str, Domain],
    *,
    budget: int = BUDGET,
) -> dict[str, Domain]:
    """Return the domains with an `Axis` for each unknown dimension of the extracted graph's inputs.

    Sizes drawn from these axes are accepted together by every shape function. Axes that `domains`
    have keep their names, and their sizes as far as they are accepted. An unknown rank stays so
    where any will do, and how many entries a sparse tensor has stays open. `budget` is in nodes
    imported.
    """
    domains = with_ranks(graph_def, signature, domains, budget=budget)
    stated = _stated_axes(domains)
    trials = Trials(graph_def, signature, domains, budget=budget)
    groups = settled(trials, stated)
    found = working(
        trials,
        groups,
        stated={slot: axis.sizes for slot, axis in stated.items()},
        never_empty=set(_never_empty(trials.slots, domains)),
    )
    names = names_of(groups, trials=trials, signature=signature, domains=domains, axes=stated)
    axes = {
        slot: Axis(name=name, sizes=each.sizes, refused_by=each.refused_by)
        for name, each in zip(names, found, strict=True)
        for slot in each.group.slots
    }
    result = {name: replace(domain) for name, domain in domains.items()}
    for each in sized_inputs(graph_def, signature, domains):
        name = each.spec.name
        domain = result.get(name, Domain())
        if any(isinstance(size, Slot) for size in each.dimensions or ()):
            domain = replace(domain, shape=_shape(each.dimensions or (), axes))
        if isinstance(domain.values, Sparse):
            sparse = _sparse_shape(name, domain.values, axes)
            domain = replace(domain, values=replace(domain.values, shape=sparse))
        result[name] = domain
    return result


def _stated_axes(domains: Mapping[str, Domain]) -> dict[Slot, Axis]:
    found = {}
    for name, domain in domains.items():
        for axis, size in enumerate(domain.shape or ()):
            if isinstance(size, Axis):
                found[Slot(input=name, axis=axis)] = size
        if isinstance(domain.values, Sparse):
            for axis, size in enumerate(domain.values.shape):
                if isinstance(size, Axis):
                    found[Slot(input=name, axis=axis, is_sparse=True)] = size
    return found


def _never_empty(slots: Iterable[Slot], domains: Mapping[str, Domain]) -> Iterator[Slot]:
    # Kernels for sparse tensors are not made for those without a row.
    yield from (slot for slot in slots if slot.is_sparse)
    for domain in domains.values():
        if isinstance(domain.values, Lengths):  # which are 1 at least
            yield Slot(input=domain.values.of, axis=domain.values.axis)


def _shape(dimensions: Dimensions, axes: Mapping[Slot, Axis]) -> tuple[int | Axis | None, ...]:
    return tuple(axes[size] if isinstance(size, Slot) else size for size in dimensions)


def _sparse_shape(name: str, sparse: Sparse, axes: Mapping[Slot, Axis]) -> tuple[int | Axis, ...]:
    return tuple(
        axes.get(slot, said) if isinstance(slot, Slot) and isinstance(said, Axis) else said
        for slot, said in zip(sparse_dimensions(name, sparse), sparse.shape, strict=True)
    )
