"""A transform as it is recognised, and what kinds there are."""

from __future__ import annotations

from dataclasses import dataclass

from harness.graph.normal.graph import Tensor
from harness.graph.structure.repairs import Place

BATCH_NORM_FOLDING = "batch-norm folding"
CONSTANT_FOLDING = "constant folding"
STORED_OTHERWISE = "stored otherwise"
TRAINING_NODES = "training nodes removed"
PADDING_FUSED = "padding fused"


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """A transform found in a place, and the places above it where matching goes on.

    `reference` and `candidate` are tensors without inputs above them that went into it. `edit` is
    what else was done there, "" for nothing.
    """

    kind: str
    nodes: tuple[str, ...]
    places: tuple[Place, ...]
    edit: str = ""
    reference: tuple[Tensor, ...] = ()
    candidate: tuple[Tensor, ...] = ()
