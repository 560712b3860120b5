"""The values of a graph's constants, read one at a time when they are asked for.

Of a graph that was read as a skeleton, large values are still in the file. They are read from
there, not mapped: what is mapped stays in memory until something else wants it.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from tensorflow.core.framework import graph_pb2, node_def_pb2, tensor_pb2, types_pb2
from tensorflow.python.framework import dtypes as tf_dtypes
from tensorflow.python.framework import tensor_util

from harness.errors import BrokenModel, first_line, listed
from harness.graph.dtypes import dtype_name
from harness.graph.functions import placed_nodes
from harness.graph.state import name_in
from harness.signature import format_shape

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

BYTES_AT_A_TIME = 1 << 24


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """Where in a file the bytes of a value stand."""

    offset: int
    length: int


@dataclass(frozen=True, kw_only=True)
class FileState:
    """What tells that a file is the one that was read: it is written anew, or in place."""

    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, file: BinaryIO) -> FileState:
        """Return the state of an open file."""
        found = os.fstat(file.fileno())
        return cls(inode=found.st_ino, size=found.st_size, modified=found.st_mtime_ns)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """The values that a graph lacks which was read as a skeleton, by `name_in`."""

    path: Path
    state: FileState
    ranges: Mapping[str, ByteRange]


class Constants(Mapping[str, Array]):
    """The values of all Const nodes, those of library functions included, by `name_in`.

    Their dtypes are those that the checkpoint reader gives to variables of the same dtype.
    """

    def __init__(
        self,
        graph_def: graph_pb2.GraphDef,
        *,
        holder: str = "the graph",
        left_out: LeftOut | None = None,
    ) -> None:
        """Remember the graph, which is that of `holder`; no value is read before it is asked for.

        `left_out` says where the values are that `graph_def` lacks.
        """
        self._graph_def = graph_def
        self._holder = holder
        self._left_out = left_out
        self._ranges = left_out.ranges if left_out else {}

    def __getitem__(self, name: str) -> Array:
        """Return the value of the constant `name`.

        Raises:
            KeyError: the graph has no such constant.
            BrokenModel: its bytes do not make a tensor of its dtype and shape, or two nodes have
                the name, or the file is another than it was.
        """
        tensor = self._tensor(name)
        if name not in self._ranges:
            return self._in_memory(name, tensor)
        dtype, shape = self._form(name, tensor)
        (value,) = self._from_file(name, dtype, count=max(1, math.prod(shape)))
        return value.reshape(shape)

    def pieces(self, name: str, bytes_at_a_time: int = BYTES_AT_A_TIME) -> Iterator[Array]:
        """Yield the elements of the constant `name`, in order, as arrays of one dimension.

        Each has as many elements as `bytes_at_a_time` hold, the last one the rest; a constant
        without elements has one piece without any.

        Raises:
            KeyError, BrokenModel: as a look-up.
        """
        tensor = self._tensor(name)
        if name in self._ranges:
            dtype, _ = self._form(name, tensor)
            yield from self._from_file(name, dtype, count=max(1, bytes_at_a_time // dtype.itemsize))
            return
        flat = self._in_memory(name, tensor).reshape(-1)
        count = max(1, bytes_at_a_time // flat.dtype.itemsize)
        for start in range(0, max(1, flat.size), count):
            yield flat[start : start + count]

    def __contains__(self, name: object) -> bool:
        """Say whether there is such a constant; its value is not read for it."""
        return name in self._nodes

    def __iter__(self) -> Iterator[str]:
        """Iterate over the constants' names."""
        return iter(self._nodes)

    def __len__(self) -> int:
        """Return how many constants there are."""
        return len(self._nodes)

    @cached_property
    def _nodes(self) -> dict[str, node_def_pb2.NodeDef]:
        placed = [
            (name_in(function, node.name), node)
            for function, node in placed_nodes(self._graph_def)
            if node.op == "Const"
        ]
        nodes = dict(placed)
        if len(nodes) < len(placed):
            counts = Counter(name for name, _ in placed)
            twice = [name for name, count in counts.items() if count > 1]
            raise BrokenModel(
                f"{self._holder} holds several nodes of one name ({listed(twice)}): it is damaged, "
                f"copy it again"
            )
        return nodes

    def _tensor(self, name: str) -> tensor_pb2.TensorProto:
        """Return the proto of a value, which says its dtype and shape at least."""
        node = self._nodes[name]
        if "value" not in node.attr:  # to look it up would put it there
            raise self._broken(name, "has no value")
        tensor: tensor_pb2.TensorProto = node.attr["value"].tensor
        if tensor.tensor_shape.unknown_rank:
            raise self._broken(name, "has a value of unknown shape")
        if tensor.dtype != node.attr["dtype"].type:
            stated, held = (
                types_pb2.DataType.Name(enum) if enum in types_pb2.DataType.values() else enum
                for enum in (node.attr["dtype"].type, tensor.dtype)
            )
            raise self._broken(name, f"is stated to be {stated} and holds {held}")
        return tensor

    def _form(self, name: str, tensor: tensor_pb2.TensorProto) -> tuple[np.dtype[Any], Shape]:
        """Return dtype and shape of a value whose bytes are in the file, if there are as many."""
        shape = _shape(tensor)
        dtype = element_type(tensor.dtype)
        if dtype is None:
            raise self._broken(name, f"is {dtype_name(tensor.dtype)}, whose elements vary in size")
        self._check_length(name, tensor, shape, dtype, self._ranges[name].length)
        return dtype, shape

    def _check_length(
        self,
        name: str,
        tensor: tensor_pb2.TensorProto,
        shape: Shape,
        dtype: np.dtype[Any],
        length: int,
    ) -> None:
        # numpy would take -1 for "as many as there are".
        needed = math.prod(shape) * dtype.itemsize
        if needed != length or any(size < 0 for size in shape):
            raise self._broken(
                name,
                f"is {dtype_name(tensor.dtype)} {format_shape(shape)}, which takes {needed} bytes, "
                f"and holds {length}",
            )

    def _in_memory(self, name: str, tensor: tensor_pb2.TensorProto) -> Array:
        shape = _shape(tensor)
        content = tensor.tensor_content
        try:
            dtype = element_type(tensor.dtype)
            if dtype is None:
                return _strings(tensor, content, shape)
            if content:
                self._check_length(name, tensor, shape, dtype, len(content))
                return np.frombuffer(content, dtype).reshape(shape)
            value: Array = tensor_util.MakeNdarray(tensor)
            return value.view(dtype)
        except (ValueError, TypeError, IndexError, OverflowError, MemoryError) as error:
            raise self._broken(
                name, f"has no value that can be read ({first_line(error)})"
            ) from error

    def _from_file(self, name: str, dtype: np.dtype[Any], *, count: int) -> Iterator[Array]:
        """Yield what the file holds of a value, `count` elements at a time."""
        assert self._left_out is not None
        found = self._ranges[name]
        try:
            file = self._left_out.path.open("rb", buffering=0)
        except OSError as error:
            raise _changed(self._left_out.path) from error
        with file:
            for start in range(0, found.length, count * dtype.itemsize):
                size = min(count * dtype.itemsize, found.length - start)
                file.seek(found.offset + start)
                piece = np.fromfile(file, np.uint8, count=size)
                if piece.size < size or FileState.of(file) != self._left_out.state:
                    raise _changed(self._left_out.path)
                yield piece.view(dtype)

    def _broken(self, name: str, what: str) -> BrokenModel:
        return BrokenModel(
            f"{self._holder}: the constant {name} {what}: the file is damaged, copy it again"
        )


def element_type(enum: int) -> np.dtype[Any] | None:
    """Return the numpy dtype of the elements of a dtype (enum); None where they have no fixed size.

    Raises:
        TypeError: there is no such dtype.
    """
    described = tf_dtypes.as_dtype(enum)
    is_reference = described != described.base_dtype
    if is_reference or described in {tf_dtypes.resource, tf_dtypes.variant, tf_dtypes.string}:
        return None
    dtype = np.dtype(described.as_numpy_dtype)
    # The quantised dtypes are records of one field, and the checkpoint reader gives that field.
    found: np.dtype[Any] = dtype[0] if dtype.names else dtype
    return found


def _shape(tensor: tensor_pb2.TensorProto) -> Shape:
    return tuple(int(dim.size) for dim in tensor.tensor_shape.dim)


def _strings(tensor: tensor_pb2.TensorProto, content: bytes, shape: Shape) -> Array:
    if tensor.dtype != types_pb2.DT_STRING:
        raise TypeError(f"{dtype_name(tensor.dtype)} is no dtype of values")
    count = math.prod(shape)
    values = _decoded(content, count) if content else list(tensor.string_val)
    if not content:
        values.extend(values[-1:] * (count - len(values)) or [b""] * (count - len(values)))
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(shape)


def _decoded(content: bytes, count: int) -> list[bytes]:
    """Return the strings of a `tensor_content`: their lengths as varints, then their bytes.

    As in EncodeStringList, tensorflow/core/platform/tensor_coding.cc.
    """
    lengths = []
    at = 0
    for _ in range(count):
        length = shift = 0
        while content[at] & 0x80:
            length |= (content[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
        lengths.append(length | content[at] << shift)
        at += 1
    if at + sum(lengths) != len(content):
        raise ValueError("its strings are cut short")
    strings = []
    for length in lengths:
        strings.append(content[at : at + length])
        at += length
    return strings


def _changed(path: Path) -> BrokenModel:
    return BrokenModel(f"{path} changed while it was read: something writes it; run again then")
