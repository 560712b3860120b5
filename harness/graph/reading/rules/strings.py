"""What is encoded in strings: pictures, sounds, numbers, lines of CSV and tf.train.Example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from tensorflow.core.framework import node_def_pb2, types_pb2

from harness.domain import (
    Choices,
    Column,
    Examples,
    Feature,
    NumberTexts,
    Pictures,
    Range,
    Records,
    Sounds,
)
from harness.graph.dtypes import dtype_name, shape_of
from harness.graph.reading.flat import FlatGraph
from harness.graph.reading.following import Use, uses
from harness.graph.reading.op_arguments import (
    attribute,
    output,
    read_by_argument,
    written_by_argument,
)
from harness.graph.reading.rules.finding import Finding, Rule, Subject, found
from harness.signature import Shape

_FORMATS = {
    "DecodeJpeg": ("jpeg",),
    "DecodeAndCropJpeg": ("jpeg",),
    "ExtractJpegShape": ("jpeg",),
    "DecodePng": ("png",),
    "DecodeBmp": ("bmp",),
    "DecodeGif": ("gif",),
    "DecodeImage": ("png", "jpeg"),
}
_CONVOLUTIONS = frozenset({"Conv2D", "DepthwiseConv2dNative"})
_ON_THE_WAY = frozenset({"ResizeBilinear", "ResizeBicubic", "ResizeArea", "ResizeNearestNeighbor",
                         "ResizeNearestNeighborGrad", "CropAndResize", "Sub", "Mul", "RealDiv",
                         "Add", "AddV2", "Div", "Maximum", "Minimum"})  # fmt: skip
_MOST_STEPS = 200
_MOST_TEXTS = 64
"""Numbers that are listed one by one."""


def _picture(subject: Subject, use: Use) -> Iterator[Finding]:
    if use.position or subject.dtype != "string":
        return
    node, flat = use.node, subject.flat
    channels = int(attribute(node, "channels").i)
    sizes: dict[str, tuple[int, ...]] = {}
    shape = _stated_shape(flat, node.name)
    if shape is not None:
        height, width, depth = shape
        sizes = {"heights": (height,), "widths": (width,)} if min(height, width) > 0 else {}
        channels = channels or max(depth, 0)
    channels = channels or _channels_convolved(flat, node.name)
    yield found(use, Pictures(formats=_FORMATS[node.op], channels=channels, **sizes))


def _stated_shape(flat: FlatGraph, picture: str) -> tuple[int, int, int] | None:
    """Return height, width and channels where a Reshape of the decoded picture states them."""
    for use in uses(flat, picture):
        if use.node.op == "Reshape" and use.position == 0 and use.carried.is_whole:
            shape = flat.constant(use.node.input[1])
            if shape is not None and shape.size >= 3:
                height, width, channels = (int(size) for size in shape[-3:])
                return height, width, channels
    return None


def _channels_convolved(flat: FlatGraph, picture: str) -> int:
    """Return how many channels the first convolution of the picture takes; 0 for not known."""
    queue = [picture]
    seen = {picture}
    for tensor in queue:
        if len(queue) > _MOST_STEPS:
            break
        for use in uses(flat, tensor):
            if use.node.op in _CONVOLUTIONS and use.position == 0:
                size = flat.size(use.node.input[1], 2) or 0
                return size if size in {1, 3, 4} else 0
            if use.node.op in _ON_THE_WAY and use.node.name not in seen:
                seen.add(use.node.name)
                queue.append(use.node.name)
    return 0


def _sound(subject: Subject, use: Use) -> Iterator[Finding]:
    if use.position == 0 and subject.dtype == "string":
        channels = int(attribute(use.node, "desired_channels").i)
        yield found(use, Sounds(channels=max(channels, 1)))


def _number(subject: Subject, use: Use) -> Iterator[Finding]:
    out_type = attribute(use.node, "out_type").type or types_pb2.DT_FLOAT
    dtype = dtype_name(out_type)
    accepted = subject.inside(use.node.name, dtype, None)
    if isinstance(accepted, Range) and "int" in dtype:
        texts = range(int(accepted.low), int(accepted.high) + 1)
        if len(texts) <= _MOST_TEXTS:
            yield found(use, Choices(values=tuple(map(str, texts))))
            return
    yield found(use, NumberTexts(dtype=dtype))


def _record(subject: Subject, use: Use) -> Iterator[Finding]:
    if use.position:
        return
    node, flat = use.node, subject.flat
    types = [dtype_name(enum) for enum in attribute(node, "OUT_TYPE").list.type]
    selected = list(attribute(node, "select_cols").list.i) or list(range(len(types)))
    # Columns that are not selected are there, and nobody reads them.
    columns = [Column(dtype="string", required=False)] * (max(selected, default=-1) + 1)
    for index, (column, dtype) in enumerate(zip(selected, types, strict=False)):
        columns[column] = Column(
            dtype=dtype,
            required=_is_empty(flat, node.input[1 + index]),
            values=subject.inside(output(node, index), dtype, None),
        )
    delimiter = attribute(node, "field_delim").s.decode() or ","
    quotes = bool(attribute(node, "use_quote_delim").b)
    yield found(use, Records(columns=tuple(columns), delimiter=delimiter, quotes=quotes))


def _example(subject: Subject, use: Use) -> Iterator[Finding]:
    if use.position:
        return
    lists = _features(subject, use.node, "feature_list_")
    context = _features(subject, use.node, "context_") | _features(subject, use.node, "")
    yield found(use, Examples(features=context, feature_lists=lists))


def _features(subject: Subject, node: node_def_pb2.NodeDef, prefix: str) -> dict[str, Feature]:
    """Return the features whose attributes and arguments are called `prefix` and a kind."""
    flat = subject.flat
    read, written = read_by_argument(node), written_by_argument(node)
    features: dict[str, Feature] = {}
    for kind in ("sparse", "ragged", "dense"):
        names = _keys(flat, node, read, f"{prefix}{kind}_keys")
        values = written.get(f"{prefix}{kind}_values", [])
        defaults = read.get(f"{prefix}dense_defaults", []) if kind == "dense" else []
        shapes = [shape_of(proto) for proto in attribute(node, f"{prefix}dense_shapes").list.shape]
        for index, (name, (tensor, dtype)) in enumerate(zip(names, values, strict=False)):
            shape = shapes[index] if kind == "dense" and index < len(shapes) else None
            is_listed = prefix == "feature_list_"
            has_default = index < len(defaults) and not _is_empty(flat, defaults[index])
            features[name] = Feature(
                dtype=dtype,
                shape=shape,
                required=kind == "dense" and not has_default and (is_listed or not _varies(shape)),
                values=subject.inside(tensor, dtype, None),
            )
    return features


def _varies(shape: Shape | None) -> bool:
    return bool(shape) and shape is not None and shape[0] is None


def _keys(
    flat: FlatGraph,
    node: node_def_pb2.NodeDef,
    read: Mapping[str, list[str]],
    argument: str,
) -> list[str]:
    """Return the names of features: constants that the node reads, or an attribute of it."""
    if argument not in read:
        return [key.decode() for key in attribute(node, argument).list.s]
    names: list[str] = []
    for tensor in read[argument]:
        value = flat.constant(tensor)
        if value is None:
            return []
        names.extend(key.decode() for key in np.atleast_1d(value).tolist())
    return names


def _is_empty(flat: FlatGraph, default: str) -> bool:
    value = flat.constant(default)
    return value is not None and value.size == 0


RULES: tuple[tuple[str, Rule], ...] = (
    *((op, _picture) for op in _FORMATS),
    ("DecodeWav", _sound),
    ("StringToNumber", _number),
    ("DecodeCSV", _record),
    *(
        (op, _example)
        for op in (
            "ParseExample",
            "ParseExampleV2",
            "ParseSingleExample",
            "ParseSequenceExample",
            "ParseSequenceExampleV2",
            "ParseSingleSequenceExample",
        )
    ),
)
