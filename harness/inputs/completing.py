"""What is drawn of each input: the model's shape and the domain's in one, every dimension named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.domain import BATCH, Axis, Domain, Recorded, Sparse, axes_of, format_sizes
from harness.errors import RequestError
from harness.inputs import recorded
from harness.inputs.checking import check_domains
from harness.signature import Shape, Signature, TensorSpec, format_shape

LARGEST_BATCH = 8
LARGEST_DIMENSION = 32

Sizes = tuple[int | Axis | None, ...]


def completed(signature: Signature, domains: Mapping[str, Domain]) -> dict[str, Domain]:
    """Return what is drawn of every input of `signature`, by name.

    Every unknown dimension is an axis: "batch" in the first place, else one of its own ("x[1]").
    A shape of unknown rank stays None, and so does the number of entries of a sparse tensor.

    Raises:
        RequestError: a domain names no input, or contradicts its shape or dtype; axes of one name
            have no size in common; a dtype cannot be fed.
    """
    check_domains(signature, domains)
    members = {name: role for domain in domains.values() for name, role in _members(domain).items()}
    found: dict[str, Domain] = {}
    for spec in signature.inputs:
        domain = domains.get(spec.name, Domain())
        shape = _joined(spec, domain)
        if isinstance(domain.values, Sparse):
            shape = _entries(shape, len(domain.values.shape))
        elif spec.name in members:
            shape = members[spec.name](shape)
        found[spec.name] = replace(domain, shape=shape)
    common = _common_sizes(found)
    return {name: _named(name, domain, common, members) for name, domain in found.items()}


def _joined(spec: TensorSpec, domain: Domain) -> Sizes | None:
    """Return the shape of `spec` with what `domain` says of its unknown dimensions."""
    if isinstance(domain.values, Recorded):
        return _of_file(spec, domain, recorded.check(domain.values, spec))
    if domain.shape is None or spec.shape is None:
        return spec.shape if domain.shape is None else domain.shape
    fits = len(spec.shape) == len(domain.shape) and all(
        known is None or _allows(stated, known)
        for known, stated in zip(spec.shape, domain.shape, strict=True)
    )
    if not fits:
        raise RequestError(
            f"input spec {spec.name}: shape {_format(domain.shape)} contradicts the model's "
            f"{format_shape(spec.shape)}"
        )
    return tuple(
        stated if known is None else known
        for known, stated in zip(spec.shape, domain.shape, strict=True)
    )


def _of_file(spec: TensorSpec, domain: Domain, shape: Shape) -> Sizes:
    """Return the shape of what stands in a file, whose axes are of one size."""
    joined = _joined(replace(spec, shape=shape), replace(domain, values=None)) or ()
    stated = domain.shape if domain.shape is not None else (None,) * len(joined)
    return tuple(
        replace(axis, sizes=(size,)) if isinstance(axis, Axis) and isinstance(size, int) else size
        for axis, size in zip(stated, joined, strict=True)
    )


def _allows(stated: int | Axis | None, known: int) -> bool:
    if isinstance(stated, Axis):
        return known in stated.sizes
    return stated is None or stated == known


def _format(shape: Sizes) -> str:
    sizes = (f"({s.name}: {format_sizes(s.sizes)})" if isinstance(s, Axis) else s for s in shape)
    return f"[{', '.join('?' if size is None else str(size) for size in sizes)}]"


def _members(domain: Domain) -> dict[str, Callable[[Sizes | None], Sizes]]:
    """Return the inputs that are drawn together with a sparse one, and what their shapes are."""
    values = domain.values
    if not isinstance(values, Sparse):
        return {}
    rank = len(values.shape)
    members: dict[str, Callable[[Sizes | None], Sizes]] = {values.values: _values}
    if values.dense_shape:
        members[values.dense_shape] = lambda _: (rank,)
    return members


def _entries(shape: Sizes | None, rank: int) -> Sizes:
    return (_only_known(shape), rank)


def _values(shape: Sizes | None) -> Sizes:
    return (_only_known(shape), *(shape or ())[1:])


def _only_known(shape: Sizes | None) -> int | None:
    """Return the first size where it is one number; else it is as many as entries are drawn."""
    return shape[0] if shape and isinstance(shape[0], int) else None


def _common_sizes(domains: Mapping[str, Domain]) -> dict[str, Axis]:
    """Return the axes by name, with those sizes that every input takes."""
    common: dict[str, Axis] = {}
    first: dict[str, str] = {}
    for name, domain in domains.items():
        for axis in axes_of(domain):
            known = common.get(axis.name)
            if known is None:
                if not axis.sizes or min(axis.sizes) < 0:
                    raise RequestError(
                        f"input spec {name}: the axis {axis.name} has no sizes: state one or more "
                        f"from 0 up"
                    )
                common[axis.name] = replace(axis, sizes=tuple(sorted({*axis.sizes})))
                first[axis.name] = name
                continue
            sizes = tuple(size for size in known.sizes if size in set(axis.sizes))
            if not any(sizes):
                raise RequestError(
                    f"input spec {name}: the axis {axis.name} is {format_sizes(axis.sizes)} here "
                    f"and {format_sizes(known.sizes)} in {first[axis.name]}: state sizes that both "
                    f"take, or name one of the axes otherwise"
                )
            common[axis.name] = replace(
                known, sizes=sizes, refused_by=known.refused_by or axis.refused_by
            )
    return common


def _named(
    name: str, domain: Domain, common: Mapping[str, Axis], members: Mapping[str, object]
) -> Domain:
    def axis(size: int | Axis | None, index: int) -> int | Axis:
        if isinstance(size, int):
            return size
        if isinstance(size, Axis):
            return common[size.name]
        if index == 0:
            batch = Axis(name=BATCH, sizes=tuple(range(LARGEST_BATCH + 1)))
            return common.get(BATCH, batch)
        return Axis(name=f"{name}[{index}]", sizes=tuple(range(1, LARGEST_DIMENSION + 1)))

    values = domain.values
    is_part = isinstance(values, Sparse) or name in members
    if isinstance(values, Sparse):
        dense = tuple(axis(size, 0) for size in values.shape)
        values = replace(values, shape=dense)
    shape: Sizes | None = domain.shape
    if shape is not None:
        shape = tuple(
            None if size is None and index == 0 and is_part else axis(size, index)
            for index, size in enumerate(shape)
        )
    return replace(domain, shape=shape, values=values)
