"""What feeds are drawn from, as the report tells it: nothing is narrowed in silence."""

from __future__ import annotations

from collections.abc import Mapping

from harness.domain import Axis, Domain, Sparse, axes_of
from harness.signature import Signature
from harness.verdict import DrawnInput


def drawn_inputs(signature: Signature, domains: Mapping[str, Domain]) -> tuple[DrawnInput, ...]:
    """Return what is told of each input of `signature`, in order."""
    together = {
        member: name
        for name, domain in domains.items()
        if isinstance(domain.values, Sparse)
        for member in domain.values.members
    }
    return tuple(
        _drawn(name, domains.get(name, Domain()), together.get(name))
        for name in signature.input_names
    )


def _drawn(name: str, domain: Domain, together_with: str | None) -> DrawnInput:
    if together_with is not None and domain.values is None:
        return DrawnInput(
            name=name, shape=_shape(domain), values=f"drawn together with {together_with}"
        )
    said = [str(domain.values)] if domain.values is not None else []
    if domain.distribution:
        said.append(f"distribution {domain.distribution}")
    if domain.default is not None:
        said.append(f"its default, {domain.default!r}, and others")
    return DrawnInput(
        name=name,
        shape=_shape(domain),
        axes=tuple(map(str, axes_of(domain))),
        values=", ".join(said),
        read_from=domain.read_from if said else "",
    )


def _shape(domain: Domain) -> str:
    if domain.shape is None:
        return "[...]"
    names = (s.name if isinstance(s, Axis) else "?" if s is None else str(s) for s in domain.shape)
    return f"[{', '.join(names)}]"
