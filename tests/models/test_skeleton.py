"""A skeleton is the graph that protobuf reads, but for the contents that it left in the file."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.framework.tensor_pb2 import TensorProto

from harness.errors import BrokenModel
from harness.graph.functions import placed_nodes
from harness.graph.state import name_in
from harness.models.constants import FileState
from harness.models.proto_file import GRAPH_DEF, read_graph_file
from harness.models.skeleton import Skeleton, read_skeleton

IN_BRANCH = "weights of the function "


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def graph_def() -> GraphDef:
    """Large and small constants, in the main graph and in a library function."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 40), name="x")
        x = tf.matmul(x, tf.constant(numbers(40, 40), name="kernel"), name="product")
        x = tf.add(x, tf.constant(numbers(40), name="bias"), name="sum")
        x = tf.add(x, tf.constant(1.0, shape=(2000, 40), name="ones"), name="more")

        @tf.function(input_signature=[tf.TensorSpec((None, 40), tf.float32)])
        def layer(y: tf.Tensor) -> tf.Tensor:
            return tf.matmul(y, tf.constant(numbers(40, 30), name="weights"))

        tf.tanh(layer(x), name="prediction")
    return graph.as_graph_def()


def written(graph_def: GraphDef, folder: Path) -> Path:
    path = folder / "frozen.pb"
    path.write_bytes(graph_def.SerializeToString())
    return path


def restored(skeleton: Skeleton) -> GraphDef:
    """Put back what was left out, byte by byte."""
    graph_def = GraphDef()
    graph_def.CopyFrom(skeleton.graph_def)
    content = skeleton.left_out.path.read_bytes()
    put_back = 0
    for function, node in placed_nodes(graph_def):
        place = skeleton.left_out.ranges.get(name_in(function, node.name))
        if place is not None:
            assert not node.attr["value"].tensor.tensor_content
            end = place.offset + place.length
            node.attr["value"].tensor.tensor_content = content[place.offset : end]
            put_back += 1
    assert put_back == len(skeleton.left_out.ranges)
    return graph_def


def test_large_contents_stay_in_the_file_and_all_else_is_read(
    graph_def: GraphDef, tmp_path: Path
) -> None:
    skeleton = read_skeleton(written(graph_def, tmp_path))

    (function,) = (
        f.signature.name
        for f in graph_def.library.function
        if any(node.name == "weights" for node in f.node_def)
    )
    assert set(skeleton.left_out.ranges) == {"kernel", name_in(function, "weights")}
    assert skeleton.left_out.ranges["kernel"].length == 40 * 40 * 4
    assert restored(skeleton) == graph_def


def test_a_constant_without_its_content_keeps_dtype_and_shape(
    graph_def: GraphDef, tmp_path: Path
) -> None:
    skeleton = read_skeleton(written(graph_def, tmp_path))

    (tensor,) = (n.attr["value"].tensor for n in skeleton.graph_def.node if n.name == "kernel")
    assert tensor.dtype == tf.float32.as_datatype_enum
    assert [dim.size for dim in tensor.tensor_shape.dim] == [40, 40]
    assert skeleton.graph_def.ByteSize() < graph_def.ByteSize() - 40 * 40 * 4


@pytest.mark.parametrize(("size", "is_left_out"), [(4096, False), (4097, True)])
def test_a_content_is_left_out_above_a_limit(tmp_path: Path, size: int, is_left_out: bool) -> None:
    graph_def = GraphDef(node=[constant("w", np.ones(size, np.int8))])
    assert bool(read_skeleton(written(graph_def, tmp_path)).left_out.ranges) is is_left_out


def constant(name: str, value: np.ndarray) -> NodeDef:
    """A node with its value as bytes, however its elements are alike."""
    node = NodeDef(name=name, op="Const")
    proto = tf.make_tensor_proto(value)
    node.attr["dtype"].type = proto.dtype
    node.attr["value"].tensor.CopyFrom(
        TensorProto(
            dtype=proto.dtype, tensor_shape=proto.tensor_shape, tensor_content=value.tobytes()
        )
    )
    return node


def test_a_large_value_of_another_op_or_attribute_is_read(tmp_path: Path) -> None:
    other_op, other_name = constant("a", numbers(2000)), constant("b", numbers(2000))
    other_op.op = "NotConst"
    other_name.attr["else"].CopyFrom(other_name.attr.pop("value"))
    graph_def = GraphDef(node=[other_op, other_name])

    skeleton = read_skeleton(written(graph_def, tmp_path))

    assert (skeleton.left_out.ranges, skeleton.graph_def) == ({}, graph_def)


@pytest.mark.parametrize("dtype", ["DT_STRING", "DT_RESOURCE", "DT_VARIANT", "DT_RESOURCE_REF"])
def test_what_has_no_elements_of_one_size_is_read(tmp_path: Path, dtype: str) -> None:
    node = constant("words", numbers(2000))
    node.attr["dtype"].type = node.attr["value"].tensor.dtype = types_pb2.DataType.Value(dtype)
    graph_def = GraphDef(node=[node])

    skeleton = read_skeleton(written(graph_def, tmp_path))

    assert (skeleton.left_out.ranges, skeleton.graph_def) == ({}, graph_def)


def record(number: int, content: bytes) -> bytes:
    """A field of that number, as protobuf writes it."""
    length = len(content)
    head = bytearray([number << 3 | 2])
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*head, length]) + content


def value_with(tensor: bytes, *, behind: bytes = b"", key: bytes = b"value") -> bytes:
    """The attribute of a node, with something written behind its value."""
    return record(5, record(1, key) + record(2, record(8, tensor)) + behind)


def with_longer_length(record: bytes) -> bytes:
    """The same field, its length of two bytes written in three."""
    return bytes([record[0], record[1], record[2] | 0x80, 0]) + record[3:]


LARGE_TENSOR = (
    b"\x08\x01" + record(2, record(2, b"\x08\xd0\x0f")) + record(4, bytes(range(250)) * 32)
)
NO_CONTENT = b"\x22\x00"
ODD_NODES = {
    "an empty content behind": value_with(LARGE_TENSOR + NO_CONTENT),
    "another content behind": value_with(LARGE_TENSOR + record(4, b"\0" * 8000)),
    "a shape behind": value_with(LARGE_TENSOR + record(2, record(2, b"\x08\x01"))),
    "another tensor behind": value_with(LARGE_TENSOR, behind=record(2, record(8, NO_CONTENT))),
    "a type behind": value_with(LARGE_TENSOR, behind=record(2, b"\x30\x01")),
    "another name behind": value_with(LARGE_TENSOR, behind=record(1, b"else")),
    "the value again": value_with(LARGE_TENSOR) + value_with(b"\x08\x01"),
    "the value twice": value_with(LARGE_TENSOR) + value_with(LARGE_TENSOR),
    "another tensor": value_with(LARGE_TENSOR, key=b"else") + value_with(b"\x08\x01"),
    "another large one": value_with(LARGE_TENSOR) + value_with(LARGE_TENSOR, key=b"else"),
    "an unknown field": value_with(LARGE_TENSOR, behind=b"\x78\x01"),
    "a dtype that there is none of": value_with(b"\x08\x50" + LARGE_TENSOR[2:]),
    "a length with zeros before it": with_longer_length(value_with(LARGE_TENSOR)),
    "no dtype": value_with(LARGE_TENSOR[2:]),
}


@pytest.mark.parametrize("attributes", ODD_NODES.values(), ids=ODD_NODES)
def test_a_node_that_protobuf_would_write_otherwise_is_read_whole(
    tmp_path: Path, attributes: bytes
) -> None:
    content = record(1, record(1, b"w") + record(2, b"Const") + attributes)
    path = tmp_path / "frozen.pb"
    path.write_bytes(content)

    skeleton = read_skeleton(path)

    assert not skeleton.left_out.ranges
    assert skeleton.graph_def == GraphDef.FromString(content)


def test_the_odd_nodes_are_odd_by_what_is_odd_about_them(tmp_path: Path) -> None:
    content = record(1, record(1, b"w") + record(2, b"Const") + value_with(LARGE_TENSOR))
    path = tmp_path / "frozen.pb"
    path.write_bytes(content)

    skeleton = read_skeleton(path)

    assert set(skeleton.left_out.ranges) == {"w"}
    assert restored(skeleton) == GraphDef.FromString(content)


def test_two_constants_of_one_name_are_both_read(tmp_path: Path) -> None:
    graph_def = GraphDef(node=[constant("w", numbers(2000)), constant("w", -numbers(2000))])

    skeleton = read_skeleton(written(graph_def, tmp_path))

    assert (skeleton.left_out.ranges, skeleton.graph_def) == ({}, graph_def)


def test_a_library_in_two_parts_is_one(graph_def: GraphDef, tmp_path: Path) -> None:
    path = written(graph_def, tmp_path)
    second = GraphDef(node=[constant("last", numbers(2000))])
    second.library.function.add().signature.name = "of_the_second"
    second.library.function[0].node_def.append(constant("inner", numbers(3000)))
    path.write_bytes(path.read_bytes() + second.SerializeToString())

    skeleton = read_skeleton(path)

    assert {"last", "inner of the function of_the_second"} < set(skeleton.left_out.ranges)
    assert restored(skeleton) == GraphDef.FromString(path.read_bytes())


def test_text_is_read_whole(graph_def: GraphDef, tmp_path: Path) -> None:
    path = tmp_path / "frozen.pb"
    path.write_text(text_format.MessageToString(graph_def))

    skeleton = read_skeleton(path)

    assert (skeleton.left_out.ranges, skeleton.graph_def) == ({}, graph_def)


def test_many_small_nodes_are_read_in_order(tmp_path: Path) -> None:
    graph_def = GraphDef(
        node=[constant(f"w{i}", numbers(i * 37 % 1050 + 1)) for i in range(400)],
        library={"function": [{"signature": {"name": "layer"}}]},
    )
    inner = [constant(f"w{i}", numbers(i * 53 % 1050 + 1)) for i in range(400)]
    graph_def.library.function[0].node_def.extend(inner)

    skeleton = read_skeleton(written(graph_def, tmp_path))

    large = [each for _, each in placed_nodes(graph_def) if each.ByteSize() > 4150]
    assert len(skeleton.left_out.ranges) == len(large) > 10
    assert restored(skeleton) == graph_def


def test_a_file_that_becomes_shorter_meanwhile_is_read_again(
    graph_def: GraphDef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(graph_def, tmp_path)
    before = FileState(inode=0, size=path.stat().st_size + 10, modified=0)
    monkeypatch.setattr(FileState, "of", lambda _: before)

    skeleton = read_skeleton(path)

    assert (skeleton.left_out.ranges, skeleton.graph_def) == ({}, graph_def)


def test_little_of_the_file_is_in_memory_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph_def = GraphDef(node=[constant(f"w{i}", numbers(100_000)) for i in range(10)])
    path = written(graph_def, tmp_path)
    monkeypatch.setattr("harness.models.skeleton.read_graph_file", pytest.fail)
    tracemalloc.start()
    try:
        skeleton = read_skeleton(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(skeleton.left_out.ranges) == 10
    assert peak < 1 << 19 < path.stat().st_size / 4


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\xff\xff",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"hello, world",
        b"\x89HDF\r\n\x1a\n",
        GraphDef(versions={"producer": 1000}).SerializeToString(),
        GraphDef(node=[NodeDef(name="x")]).SerializeToString(),
        GraphDef(
            node=[*[NodeDef(name="x" * 100)] * 9, NodeDef(name="looks like text", op="NoOp")]
        ).SerializeToString(),
        record(1, record(1, b"w") + record(2, b"Const") + value_with(LARGE_TENSOR))[:-1],
        record(1, record(1, b"\xff") + record(2, b"Const") + value_with(LARGE_TENSOR)),
    ],
)
def test_a_file_that_is_no_graph_says_what_a_whole_reading_says(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "frozen.pb"
    path.write_bytes(content)
    with pytest.raises(BrokenModel) as whole:
        read_graph_file(path, GRAPH_DEF)
    with pytest.raises(BrokenModel) as outline:
        read_skeleton(path)
    assert str(outline.value) == str(whole.value)


def test_a_saved_model_in_its_place_is_named(saved_model: Path) -> None:
    with pytest.raises(BrokenModel, match="holds a SavedModel, not a GraphDef"):
        read_skeleton(saved_model / "saved_model.pb")


def damaged(content: bytes, kept: Callable[[int], bool]) -> Iterator[bytes]:
    """The bytes cut short, and each with a byte changed that is not deep in a content."""
    draw = random.Random(0)
    places = [place for place in range(len(content)) if kept(place)]
    for place in draw.sample(places, 100):
        yield content[:place]
    for place in draw.sample(places, 400):
        yield content[:place] + bytes([draw.randrange(256)]) + content[place + 1 :]


def test_what_is_read_of_a_damaged_file_is_what_protobuf_reads(
    graph_def: GraphDef, tmp_path: Path
) -> None:
    path = written(graph_def, tmp_path)
    content = path.read_bytes()
    ranges = read_skeleton(path).left_out.ranges.values()
    read = refused = 0

    for changed in damaged(
        content, lambda p: not any(r.offset + 2 < p < r.offset + r.length - 2 for r in ranges)
    ):
        path.write_bytes(changed)
        try:
            expected = GraphDef.FromString(changed)
        except DecodeError:
            with pytest.raises(BrokenModel):
                read_skeleton(path)
            refused += 1
        else:
            assert restored(read_skeleton(path)) == expected
            read += 1

    assert min(read, refused) > 50
