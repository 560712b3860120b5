"""What the axes of inputs are called: batch, height and width, time, or by input and number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tensorflow.core.framework import node_def_pb2

from harness.domain import BATCH, Axis, Domain, Lengths
from harness.graph.sizes.groups import Group
from harness.graph.sizes.sized_inputs import Slot
from harness.graph.sizes.trials import Trials
from harness.signature import Signature

TIME = "time"
HEIGHT = "height"
WIDTH = "width"
_SIDE = "side"
"""Of pictures that must be square."""

_OF_PICTURES = ("Conv2D", "DepthwiseConv2d", "MaxPool", "AvgPool", "ResizeBilinear",
                "ResizeNearest", "ResizeBicubic", "ResizeArea", "CropAndResize", "SpaceToDepth",
                "FusedBatchNorm", "FusedResizeAndPadConv2D", "Dilation2D")  # fmt: skip
_CHANNELS = (1, 3, 4)


def names_of(
    groups: Sequence[Group],
    *,
    trials: Trials,
    signature: Signature,
    domains: Mapping[str, Domain],
    axes: Mapping[Slot, Axis],
) -> tuple[str, ...]:
    """Return a name for each group, no two alike; those that `axes` give are kept."""
    roles = _roles(trials, signature, domains)
    taken: set[str] = set()
    names = []
    has_free_batch = any(group.is_leading and not group.is_found for group in groups)
    for group in groups:
        is_batch = group.is_leading and not (has_free_batch and group.is_found)
        candidates = [
            *(axes[slot].name for slot in group.slots if slot in axes and not slot.is_sparse),
            *([BATCH] if is_batch else []),
            *_role_of(group, roles),
            *(_label(slot) for slot in group.slots if not slot.is_sparse),
            *(axes[slot].name for slot in group.slots if slot in axes),
        ]
        name = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(name)
        names.append(name)
    return tuple(names)


def _role_of(group: Group, roles: Mapping[Slot, str]) -> Iterator[str]:
    found = {roles.get(slot, "") for slot in group.slots}
    if found == {HEIGHT, WIDTH}:
        yield _SIDE
    elif len(found) == 1:
        yield from found - {""}


def _roles(trials: Trials, signature: Signature, domains: Mapping[str, Domain]) -> dict[Slot, str]:
    roles: dict[Slot, str] = {}
    for spec in signature.inputs:
        shape = spec.shape
        if shape is not None and len(shape) == 4:
            first = _first_side(shape, trials.followers(spec.name))
            if first:
                roles[Slot(input=spec.name, axis=first)] = HEIGHT
                roles[Slot(input=spec.name, axis=first + 1)] = WIDTH
    for domain in domains.values():
        if isinstance(domain.values, Lengths):
            roles[Slot(input=domain.values.of, axis=domain.values.axis)] = TIME
    return roles


def _first_side(
    shape: Sequence[int | None], followers: Iterable[node_def_pb2.NodeDef]
) -> int | None:
    """Return the axis of the height, None where the input is no batch of pictures."""
    for node in followers:
        if node.op.startswith(_OF_PICTURES):
            if shape[3] in _CHANNELS:  # as in a graph that transposes them before it convolves
                return 1
            if shape[1] in _CHANNELS:
                return 2
            layout = node.attr["data_format"].s if "data_format" in node.attr else b""
            return 2 if layout == b"NCHW" else 1
    return None


def _label(slot: Slot) -> str:
    return f"{slot.input}[{slot.axis}]"
