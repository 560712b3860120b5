"""Arguments of ops that are inputs: axes, shapes, counts, limits of loops."""

from __future__ import annotations

from collections.abc import Iterator

from tensorflow.core.framework import node_def_pb2

from harness.domain import Choices, NewShape, SizeOf
from harness.graph.reading.flat import FlatGraph
from harness.graph.reading.following import Number, Use
from harness.graph.reading.loops import is_counter
from harness.graph.reading.op_arguments import attribute
from harness.graph.reading.rules.finding import Finding, Rule, Subject, found, limits
from harness.signature import Shape

_MOST_STEPS = 60
_LARGEST_SIZE = 4
_MOST_ROUNDS = 10


def _axis(position: int, data: int, *, further: int = 0) -> Rule:
    """An axis of what is read at `data`, or one of those and `further` ones."""

    def rule(subject: Subject, use: Use) -> Iterator[Finding]:
        if use.position != position % len(use.node.input):
            return
        tensor_shape = subject.flat.shape(use.node.input[data])
        # Where nothing is known, the first and the last axis are there.
        rank = (1 if tensor_shape is None else len(tensor_shape)) + further
        accepted = limits(subject, use.carried, -rank, rank - 1)
        shape = _of_one_axis(subject.shape)
        if accepted is not None and rank and shape is not None:
            yield found(use, accepted, shape=shape)

    return rule


def _of_one_axis(shape: Shape | None) -> Shape | None:
    """Return the shape in which an input of `shape` is one axis; None where it is several.

    Several must be distinct, which no range says.
    """
    if shape is None:
        return ()
    return shape if all(size == 1 for size in shape) else (1,) if shape == (None,) else None


def _from(low: Number, high: Number, position: int) -> Rule:
    def rule(subject: Subject, use: Use) -> Iterator[Finding]:
        accepted = limits(subject, use.carried, low, high)
        if use.position == position % len(use.node.input) and accepted is not None:
            yield found(use, accepted)

    return rule


def _always(number: int, position: int) -> Rule:
    def rule(_: Subject, use: Use) -> Iterator[Finding]:
        if use.position == position and not use.carried.is_limited:
            yield found(use, Choices(values=(number,)))

    return rule


def _count_of_the_largest(subject: Subject, use: Use) -> Iterator[Finding]:
    """How many of the largest: as many as there are, and one where that is not known."""
    size = subject.flat.size(use.node.input[0], -1)
    accepted = limits(subject, use.carried, 1, size or 1)
    if use.position == 1 and accepted is not None:
        yield found(use, accepted)


def _loop_limit(subject: Subject, use: Use) -> Iterator[Finding]:
    """How many rounds a loop makes."""
    other = use.node.input[1 - use.position]
    accepted = limits(subject, use.carried, 0, _MOST_ROUNDS)
    if not subject.is_whole_number or not subject.is_scalar or accepted is None:
        return
    if is_counter(subject.flat, other):
        yield found(use, accepted)


def _slice_index(subject: Subject, use: Use) -> Iterator[Finding]:
    """Where a slice begins: an index, where the axis is dropped, must be there."""
    if use.position not in {1, 2}:
        return
    place = _place_in(subject, use.node.input[1])
    drops = place is not None and attribute(use.node, "shrink_axis_mask").i >> place & 1
    accepted = limits(subject, use.carried, 0 if use.position == 1 else 1, _MOST_ROUNDS)
    if drops and use.position == 2:
        return  # it ends behind the index
    if drops:
        masks = ("ellipsis_mask", "new_axis_mask")
        moved = any(attribute(use.node, mask).i for mask in masks)
        size = None if moved else subject.flat.size(use.node.input[0], place or 0)
        accepted = limits(subject, use.carried, 0, (size or 1) - 1)
    if accepted is not None:
        yield found(use, accepted)


def _slice_size(subject: Subject, use: Use) -> Iterator[Finding]:
    """How much of an axis is taken: all of it, or where it is one size among others, a part."""
    if use.position != 2 or use.carried.is_limited:
        return
    place = _place_in(subject, use.node.input[2])
    if place is None:
        yield found(use, Choices(values=(-1,)))
        return
    accepted = limits(subject, use.carried, 1, subject.flat.size(use.node.input[0], place) or 1)
    if accepted is not None:
        yield found(use, accepted)


def _new_shape(subject: Subject, use: Use) -> Iterator[Finding]:
    """The whole shape of a Reshape, or one of its sizes."""
    if use.position == 1 and use.carried.is_whole and not subject.is_scalar:
        yield found(use, NewShape())
    else:
        yield from _size_at(1)(subject, use)


def _size_at(position: int, most: int = _LARGEST_SIZE) -> Rule:
    """A size of a new tensor: that of the data's axis, where it seems to be one, or a small one."""

    def rule(subject: Subject, use: Use) -> Iterator[Finding]:
        if use.position != position or not subject.is_whole_number or use.carried.is_limited:
            return
        place = _place_in(subject, use.node.input[position]) if subject.is_scalar else None
        data = None if place is None or use.carried.offset else _input_with_axis(subject, place)
        accepted = limits(subject, use.carried, 1, most)
        if data is not None:
            yield found(use, data, shape=())
        elif accepted is not None:
            yield found(use, accepted)

    return rule


def _place_in(subject: Subject, vector: str) -> int | None:
    """Return where in a vector that is put together of scalars the subject stands."""
    flat = subject.flat
    node = flat.origin_node(vector)
    if node is None or node.op not in {"Pack", "ConcatV2"}:
        return None
    place = 0
    for tensor in node.input if node.op == "Pack" else node.input[:-1]:
        if _is_made_of(flat, tensor, subject.tensor):
            return place
        size = 1 if node.op == "Pack" else flat.size(tensor, 0)
        if size is None:
            return None
        place += size
    return None


_SAME_NUMBER = frozenset({"Cast", "Reshape", "ExpandDims", "Squeeze", "StridedSlice", "Pack"})


def _is_made_of(flat: FlatGraph, tensor: str, subject: str) -> bool:
    for _ in range(_MOST_STEPS):
        tensor = flat.origin(tensor)
        node = flat.producer(tensor)
        if tensor == subject or node is None:
            return tensor == subject
        if node.op not in _SAME_NUMBER or not node.input:
            return False
        tensor = node.input[0]
    return False


def _input_with_axis(subject: Subject, axis: int) -> SizeOf | Choices | None:
    """Return the size of that axis of the data, which the subject has to be.

    The batch is what people feed beside the data; of another axis it is said only where the data
    leaves it open.
    """
    others = [
        spec
        for spec in subject.flat.inputs.values()
        if spec.name != subject.tensor and spec.shape is not None and len(spec.shape) > axis
    ]
    largest = max((len(spec.shape or ()) for spec in others), default=0)
    others = [spec for spec in others if len(spec.shape or ()) == largest]
    for spec in others:
        if spec.shape is not None and spec.shape[axis] is None:
            return SizeOf(of=spec.name, axis=axis)
    baked_in = {spec.shape[0] for spec in others if spec.shape} if axis == 0 else set()
    return Choices(values=(baked_in.pop() or 1,)) if len(baked_in) == 1 else None


def _random_shape(subject: Subject, use: Use) -> Iterator[Finding]:
    """The shape of random numbers: of as many as there are rows, where these select rows."""
    if use.position:
        return
    rows = _rows_selected_by(subject.flat, use.node)
    if rows is None:
        yield from _size_at(0)(subject, use)
    elif rows != subject.tensor:
        shape = () if subject.shape == () else (1,)
        yield found(use, SizeOf(of=rows, axis=0), shape=shape)


_MAKES_A_MASK = frozenset({"Add", "AddV2", "Sub", "Mul", "Floor", "Round", "Cast", "Identity",
                           "Less", "LessEqual", "Greater", "GreaterEqual",
                           "LogicalNot"})  # fmt: skip
_LISTS_ROWS = frozenset({"Where", "Reshape", "Squeeze", "StridedSlice", "Identity", "Cast"})


def _rows_selected_by(flat: FlatGraph, random: node_def_pb2.NodeDef) -> str | None:
    """Return the input of which random numbers select rows: `gather(input, where(mask))`."""
    queue = [(random.name, _MAKES_A_MASK)]
    for tensor, onward in queue:
        for reading in flat.readers(tensor):
            node = reading.node
            if node.op in {"Gather", "GatherV2"} and reading.position == 1:
                return flat.input_of(node.input[0])
            if node.op == "Where":
                queue.append((node.name, _LISTS_ROWS))
            elif node.op in onward:
                queue.append((node.name, onward))
        if len(queue) > _MOST_STEPS:
            break
    return None


_REDUCTIONS = ("Sum", "Mean", "Max", "Min", "Prod", "All", "Any", "EuclideanNorm", "ArgMax",
               "ArgMin", "Cumsum", "Cumprod", "CumulativeLogsumexp", "ReverseV2")  # fmt: skip
_RANDOM = ("RandomUniform", "RandomStandardNormal", "TruncatedNormal", "RandomUniformInt",
           "StatelessRandomUniform", "StatelessRandomNormal", "StatelessTruncatedNormal",
           "StatelessRandomUniformV2", "StatelessRandomNormalV2")  # fmt: skip
_RESIZES = ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea")
_SUPPRESSIONS = ("NonMaxSuppression", "NonMaxSuppressionV2", "NonMaxSuppressionV3",
                 "NonMaxSuppressionV4", "NonMaxSuppressionV5")  # fmt: skip

RULES: tuple[tuple[str, Rule], ...] = (
    *((op, _axis(1, 0)) for op in _REDUCTIONS),
    ("ExpandDims", _axis(1, 0, further=1)),
    ("ConcatV2", _axis(-1, 0)),
    ("Concat", _axis(0, 1)),
    ("GatherV2", _axis(2, 0)),
    ("Roll", _axis(2, 0)),
    ("Reshape", _new_shape),
    ("TopKV2", _count_of_the_largest),
    ("Fill", _size_at(0)),
    ("Empty", _size_at(0)),
    ("Tile", _size_at(1, most=3)),
    ("BroadcastTo", _size_at(1)),
    ("Conv2DBackpropInput", _size_at(0)),
    ("TensorArrayV3", _size_at(0)),
    *((op, _random_shape) for op in _RANDOM),
    *((op, _from(1, 32, 1)) for op in _RESIZES),
    ("CropAndResize", _from(1, 32, 3)),
    ("Range", _from(0, _MOST_ROUNDS, 0)),
    ("Range", _from(0, _MOST_ROUNDS, 1)),
    ("Range", _from(1, 3, 2)),
    ("LinSpace", _from(1, _MOST_ROUNDS, 2)),
    *((op, _loop_limit) for op in ("Less", "LessEqual", "Greater", "GreaterEqual")),
    ("Multinomial", _from(1, _LARGEST_SIZE, 1)),
    ("Bincount", _from(1, 32, 1)),
    *((op, _from(0, 3, 1)) for op in ("Pad", "PadV2")),
    ("Slice", _always(0, 1)),
    ("Slice", _slice_size),
    ("StridedSlice", _slice_index),
    ("StridedSlice", _from(1, 2, 3)),
    *((op, _from(1, _MOST_ROUNDS, 2)) for op in _SUPPRESSIONS),
    *((op, _from(0.0, 1.0, 3)) for op in _SUPPRESSIONS),
)
