"""What matching two graphs in normal form finds."""

from __future__ import annotations

from dataclasses import dataclass

from harness.graph.normal.graph import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two nodes, by their indices, that stand in the same place."""

    reference: int
    candidate: int


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A difference, told as what somebody did to the reference; the nodes' names, if any."""

    text: str
    reference: str = ""
    candidate: str = ""


@dataclass(frozen=True, kw_only=True)
class Transform:
    """What a tool did to the reference that changes values by rounding at most."""

    kind: str
    nodes: tuple[str, ...]
    """Those of the reference."""


@dataclass(frozen=True, kw_only=True)
class Folded:
    """Two tensors that depend on no input and are made otherwise: their values must decide."""

    reference: Tensor
    candidate: Tensor


@dataclass(frozen=True, kw_only=True)
class Matching:
    """Two graphs side by side.

    They are the same up to the values of `leaves` where there are neither edits nor transforms,
    and nothing is unmatched.
    """

    pairs: tuple[Pair, ...]
    """Each node of the reference that has a place in the candidate, with the first one there."""
    leaves: tuple[Pair, ...]
    """Variables and constants of the reference with what stands in their places."""
    edits: tuple[Edit, ...]
    transforms: tuple[Transform, ...]
    folded: tuple[Folded, ...]
    unmatched_reference: tuple[int, ...]
    """Variables and large constants that have no place in the candidate."""
    unmatched_candidate: tuple[int, ...]
    """Variables and large constants that stand in no place of the reference."""
