"""A GraphDef read without the bytes of its large constants, which stay in the file.

Protobuf has a message of protobuf's own read whole, and a frozen graph is next to nothing but
weights. Here its wire format is walked instead: what is small is given to protobuf as it stands,
and what is large is walked into, down to the `tensor_content` of a constant, of which only the
place is kept. Nothing is decoded twice: where a node is not written as protobuf writes it (a field
twice, say, of which the last would count), it is given to protobuf whole, and so is the whole file
where its records cannot be told apart.

The wire format: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError
from tensorflow.core.framework import function_pb2, graph_pb2, node_def_pb2

from harness.graph.state import name_in
from harness.misfit import is_text
from harness.models.constants import ByteRange, FileState, LeftOut, element_type
from harness.models.proto_file import GRAPH_DEF, read_graph_file

LARGE = 4096
"""Bytes above which a field is walked into, and a content left out."""

_WINDOW = 1 << 16
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10

# Numbers of fields: tensorflow/core/framework/{graph,function,node_def,attr_value,tensor}.proto.
_NODE_OF_GRAPH, _LIBRARY_OF_GRAPH = 1, 2
_FUNCTION_OF_LIBRARY = 1
_NODE_OF_FUNCTION = 3
_ATTRIBUTE_OF_NODE = 5
_WAY_TO_CONTENT = (2, 8, 4)
"""From an attribute: its value, the tensor of that, the `tensor_content` of that."""


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """A graph, and where in its file the values are that it lacks.

    The constants without a value keep their dtype and shape.
    """

    graph_def: graph_pb2.GraphDef
    left_out: LeftOut


def read_skeleton(path: Path) -> Skeleton:
    """Return the GraphDef in a file, its large constants left in there.

    Text is read whole, and so is what cannot be walked.

    Raises:
        BrokenModel: the file holds no GraphDef, or one without nodes.
    """
    with path.open("rb", buffering=0) as file:
        state = FileState.of(file)
        window = _Window(file, state.size)
        try:
            graph_def, ranges = _walked(window)
        except (_Unlike, DecodeError):
            return Skeleton(
                graph_def=read_graph_file(path, GRAPH_DEF),
                left_out=LeftOut(path=path, state=state, ranges={}),
            )
    return Skeleton(graph_def=graph_def, left_out=LeftOut(path=path, state=state, ranges=ranges))


class _Unlike(Exception):
    """The bytes are not what protobuf writes for a graph."""


class _Window:
    """A file of which some bytes are in memory: those that were asked for last."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._start = 0
        self._held = b""
        self.size = size

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` to `end`; fewer where the file became shorter."""
        if end - start > _WINDOW:
            return self._read(start, end - start)
        at = start - self._start
        if at < 0 or end > self._start + len(self._held):
            self._held = self._read(start, min(_WINDOW, self.size - start))
            self._start, at = start, 0
        return self._held[at : at + end - start]

    def _read(self, start: int, count: int) -> bytes:
        self._file.seek(start)
        return self._file.read(count)

    def varint(self, start: int, end: int) -> tuple[int, int]:
        """Return the number that is written at `start`, and where it ends."""
        found = self.read(start, min(end, start + _LONGEST_VARINT))
        number = 0
        for index, byte in enumerate(found):
            number |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                if index and not byte:
                    break
                return number, start + index + 1
        raise _Unlike("a number without an end, or with zeros before it")


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a message: the whole record from `start` to `end`, its content from `content`."""

    number: int
    start: int
    content: int
    end: int
    is_message: bool
    """Or a string, or bytes, of which the wire format is the same."""

    @property
    def is_large(self) -> bool:
        return self.is_message and self.end - self.content > LARGE


def _fields(window: _Window, start: int, end: int) -> Iterator[_Field]:
    """Yield the fields of the message that stands from `start` to `end`."""
    while start < end:
        tag, content = window.varint(start, end)
        kind = tag & 7
        if kind == _BYTES:
            length, content = window.varint(content, end)
            stop = content + length
        elif kind == _VARINT:
            _, stop = window.varint(content, end)
        elif kind in {_FIXED32, _FIXED64}:
            stop = content + (4 if kind == _FIXED32 else 8)
        else:
            raise _Unlike("a group, or no kind at all")
        if stop > end:
            raise _Unlike("a field that ends after its message")
        yield _Field(tag >> 3, start, content, stop, kind == _BYTES)
        start = stop


def _pieces(
    window: _Window, start: int, end: int, rewritten: Mapping[int, Callable[[_Field], bytes]]
) -> Iterator[bytes]:
    """Yield a message piece by piece, each of whole fields, the large ones rewritten by number."""
    run = start
    for field in _fields(window, start, end):
        if field.is_large and field.number in rewritten:
            if run < field.start:
                yield window.read(run, field.start)
            yield rewritten[field.number](field)
            run = field.end
        elif field.end - run > _WINDOW:
            yield window.read(run, field.end)
            run = field.end
    if run < end:
        yield window.read(run, end)


def _record(number: int, content: bytes) -> bytes:
    """Return the field `number` with that content, as protobuf writes it."""
    written = bytearray([number << 3 | _BYTES])
    length = len(content)
    while length > 0x7F:
        written.append(length & 0x7F | 0x80)
        length >>= 7
    written.append(length)
    return bytes(written) + content


def _walked(window: _Window) -> tuple[graph_pb2.GraphDef, dict[str, ByteRange]]:
    if is_text(window.read(0, min(window.size, _WINDOW))):
        raise _Unlike("text")
    graph_def = graph_pb2.GraphDef()
    ranges: dict[str, ByteRange] = {}
    rewritten = {
        _NODE_OF_GRAPH: lambda field: _node(window, field, ranges),
        _LIBRARY_OF_GRAPH: lambda field: _library(window, field, ranges),
    }
    for piece in _pieces(window, 0, window.size, rewritten):
        graph_def.MergeFromString(piece)
    if not any(node.op.isascii() and node.op.isidentifier() for node in graph_def.node):
        raise _Unlike("a graph without ops")
    return graph_def, ranges


def _library(window: _Window, field: _Field, ranges: dict[str, ByteRange]) -> bytes:
    """Return the record of a function library, without the contents that `ranges` then has."""
    rewritten = {_FUNCTION_OF_LIBRARY: lambda inner: _function(window, inner, ranges)}
    content = b"".join(_pieces(window, field.content, field.end, rewritten))
    return _record(field.number, content)


def _function(window: _Window, field: _Field, ranges: dict[str, ByteRange]) -> bytes:
    found: dict[str, ByteRange] = {}
    rewritten = {_NODE_OF_FUNCTION: lambda inner: _node(window, inner, found)}
    content = b"".join(_pieces(window, field.content, field.end, rewritten))
    if found:
        function = function_pb2.FunctionDef.FromString(content).signature.name
        for node, place in found.items():
            _add(name_in(function, node), place, ranges)
    return _record(field.number, content)


def _node(window: _Window, field: _Field, ranges: dict[str, ByteRange]) -> bytes:
    """Return the record of a node, whole unless it is a constant that protobuf wrote."""
    contents: list[ByteRange] = []
    entries: list[bytes] = []

    def entry_without_content(inner: _Field) -> bytes:
        record = _without(window, inner, _WAY_TO_CONTENT, contents)
        entries.append(record)
        return record

    rewritten = {_ATTRIBUTE_OF_NODE: entry_without_content}
    content = b"".join(_pieces(window, field.content, field.end, rewritten))
    if len(contents) == len(entries) == 1:
        node = node_def_pb2.NodeDef.FromString(content)
        of_this_number = [
            inner
            for inner in _fields(window, field.content, field.end)
            if inner.number == _ATTRIBUTE_OF_NODE
        ]
        if len(of_this_number) == len(node.attr) and _is_value(entries[0], node):
            _add(node.name, contents[0], ranges)
            return _record(field.number, content)
    return window.read(field.start, field.end)


def _without(
    window: _Window, field: _Field, way: Sequence[int], contents: list[ByteRange]
) -> bytes:
    """Return a record without the large fields at the end of `way`, which are in `contents` then.

    `way` are numbers of fields, each in the message of the one before.
    """
    number, *rest = way

    def rewrite(inner: _Field) -> bytes:
        if rest:
            return _without(window, inner, rest, contents)
        contents.append(ByteRange(offset=inner.content, length=inner.end - inner.content))
        return b""

    content = b"".join(_pieces(window, field.content, field.end, {number: rewrite}))
    return _record(field.number, content)


def _is_value(record: bytes, node: node_def_pb2.NodeDef) -> bool:
    """Say whether an attribute of `node`, its content left out, is the value of a constant.

    And whether protobuf would write it so: then no field is there twice, and none in vain.
    """
    alone = node_def_pb2.NodeDef.FromString(record)
    ((name, value),) = alone.attr.items()
    if (node.op, name, value.WhichOneof("value")) != ("Const", "value", "tensor"):
        return False
    try:
        has_fixed_size = element_type(value.tensor.dtype) is not None
    except TypeError:
        return False
    return has_fixed_size and alone.SerializeToString() == record


def _add(name: str, place: ByteRange, ranges: dict[str, ByteRange]) -> None:
    if name in ranges:
        raise _Unlike("two nodes of one name")
    ranges[name] = place
