"""Lengths of sequences: no longer than the axis of the data that they count along."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.domain import Lengths, SizeOf
from harness.graph.reading.flat import FlatGraph
from harness.graph.reading.following import Use
from harness.graph.reading.loops import axes_that_give, is_counter, limits_of_counter
from harness.graph.reading.op_arguments import attribute
from harness.graph.reading.rules.finding import Finding, Limits, Rule, Subject, found
from harness.signature import Shape
from harness.tensor_names import node_name

_SIZES = (240, 480)
"""Multiples of the factors by which networks make an axis shorter."""
_NEAR = 12
"""Nodes between a Range and the comparison that makes a mask of it."""
_STAYS_A_MASK = frozenset({"Cast", "ExpandDims", "StridedSlice", "LogicalNot", "Identity", "Sub"})
_MEETS = frozenset({"Mul", "Select", "SelectV2", "Add", "AddV2", "BiasAdd", "LogicalAnd"})
_CTC = {"CTCGreedyDecoder": 1, "CTCBeamSearchDecoder": 1, "CTCLoss": 3, "CTCLossV2": 3}
"""Op -> where it reads the lengths; the time is the first axis of what it reads first."""


def _reversed(subject: Subject, use: Use) -> Iterator[Finding]:
    if use.position == 1:
        data, axis = use.node.input[0], int(attribute(use.node, "seq_dim").i)
        batch_axis = int(attribute(use.node, "batch_dim").i)
        yield from _along(subject, use, [(data, axis)], batch_axis=batch_axis)


def _decoded(subject: Subject, use: Use) -> Iterator[Finding]:
    if use.position == _CTC[use.node.op]:
        logits = use.node.input[0]
        yield from _along(subject, use, [(logits, 0), *_axes_of_loops_before(subject.flat, logits)])


def _counted_to(subject: Subject, use: Use) -> Iterator[Finding]:
    """A vector that the counter of a loop over time is compared with: `tf.nn.dynamic_rnn`."""
    counter = use.node.input[1 - use.position]
    if not subject.is_whole_number or subject.shape == () or not is_counter(subject.flat, counter):
        return
    axes = [
        axis
        for limit in limits_of_counter(subject.flat, counter)
        for axis in axes_that_give(subject.flat, limit)
    ]
    yield from _along(subject, use, [a for a in axes if a[0] != subject.tensor])


def _axes_of_loops_before(flat: FlatGraph, tensor: str) -> Iterator[tuple[str, int]]:
    for node in flat.before([tensor]):
        if node.op in {"TensorArrayV3", "TensorArrayV2"}:
            yield from axes_that_give(flat, node.input[0])
        elif node.op == "TensorListReserve":
            yield from axes_that_give(flat, node.input[1])


def _along(
    subject: Subject, use: Use, axes: Iterable[tuple[str, int]], *, batch_axis: int | None = None
) -> Iterator[Finding]:
    """Yield lengths along the first of `axes` that is known to follow an input, or is fixed."""
    if use.carried.is_limited:
        return
    for tensor, axis in axes:
        # Of time and batch, one is the first axis and the other the second.
        batch = subject.flat.size(tensor, 1 - axis if batch_axis is None else batch_axis)
        is_open = subject.shape is None or subject.shape == (None,)
        shape = (batch,) if batch is not None and is_open else None
        followed = _followed(subject.flat, tensor, axis)
        size = subject.flat.size(tensor, axis)
        if followed is not None:
            yield found(use, followed, shape=shape)
            return
        if size:
            yield found(use, Limits(low=1, high=size), shape=shape)
            return


def _followed(flat: FlatGraph, tensor: str, axis: int) -> Lengths | None:
    """Return along which axis of an input an axis of a tensor runs, and how much shorter it is.

    The shape functions are asked what it is for two sizes of each axis that is open.
    """
    origin = flat.input_of(tensor)
    if origin is not None:
        return Lengths(of=origin, axis=axis)
    open_axes = [
        (spec.name, at)
        for spec in flat.inputs.values()
        for at, size in enumerate(spec.shape or ())
        if size is None
    ]
    before = {node.name for node in flat.before([tensor])}
    open_axes = [each for each in open_axes if node_name(each[0]) in before]
    for name, at in open_axes:
        for others in ({}, dict.fromkeys(open_axes, _SIZES[0])):
            first, second = (
                _size(flat.shape_with(tensor, {**others, (name, at): size}), axis)
                for size in _SIZES
            )
            if first and second and first < second:
                longest = max(
                    size / known for size, known in zip(_SIZES, (first, second), strict=True)
                )
                return Lengths(of=name, axis=at, divisor=max(1, -int(-longest // 1)))
    return None


def _size(shape: Shape | None, axis: int) -> int | None:
    return shape[axis] if shape is not None and axis < len(shape) else None


def _masked(subject: Subject, use: Use) -> Iterator[Finding]:
    """What `tf.sequence_mask` makes a mask of: lengths that a range of steps is compared with.

    The range ends at the longest of them or at a size of its own. In the first case the mask fits
    the data only if the longest is as long as the data, and all are.
    """
    steps = _end_of_range(subject.flat, use.node.input[1 - use.position])
    if steps is None or not subject.is_whole_number:
        return
    size = subject.flat.constant(steps)
    if size is not None and size.size == 1:
        yield found(use, Limits(low=1, high=int(size.reshape(-1)[0])))
        return
    yield from _along(subject, use, axes_that_give(subject.flat, steps))
    if node_name(subject.tensor) in {node.name for node in subject.flat.before([steps])}:
        data = next(filter(None, _masked_by(subject.flat, use.node.name)), None)
        if data is not None and data.divisor == 1 and data.of != subject.tensor:
            yield found(use, SizeOf(of=data.of, axis=data.axis))


def _end_of_range(flat: FlatGraph, tensor: str) -> str | None:
    """Return where a Range of whole numbers from 0 ends; None for anything else."""
    for _ in range(_NEAR):
        node = flat.origin_node(tensor)
        if node is None or not node.input:
            return None
        if node.op == "Range":
            return str(node.input[1]) if flat.scalar(node.input[0]) == 0 else None
        if node.op not in {"ExpandDims", "Reshape", "Cast", "Tile"}:
            return None
        tensor = node.input[0]
    return None


def _masked_by(flat: FlatGraph, mask: str) -> Iterator[Lengths | None]:
    """Yield which axes of inputs the second axis of a mask meets."""
    queue = [mask]
    for tensor in queue:
        for reading in flat.readers(tensor):
            if reading.node.op in _STAYS_A_MASK and len(queue) < _NEAR:
                queue.append(reading.node.name)
            elif reading.node.op in _MEETS:
                for other in reading.node.input:
                    if other != tensor and len(flat.shape(other) or ()) > 1:
                        yield _followed(flat, other, 1)


RULES: tuple[tuple[str, Rule], ...] = (
    ("ReverseSequence", _reversed),
    *((op, _decoded) for op in _CTC),
    *((op, _counted_to) for op in ("Less", "LessEqual", "Greater", "GreaterEqual")),
    *((op, _masked) for op in ("Less", "LessEqual", "Greater", "GreaterEqual")),
)
