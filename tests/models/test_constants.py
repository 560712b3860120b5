"""Constants: read one at a time from memory or file, with the dtypes of a checkpoint's values."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.framework.tensor_pb2 import TensorProto

from harness.errors import BrokenModel
from harness.models.constants import ByteRange, Constants
from harness.models.skeleton import read_skeleton

STRINGS = np.array([b"ends in zeros\0\0", b""], dtype=object)
BFLOAT16 = tf.bfloat16.as_numpy_dtype


def constant(value: Any, *, dtype: tf.DType | None = None, name: str = "w") -> NodeDef:
    """A node with that value, a TensorProto as it stands."""
    proto = value if isinstance(value, TensorProto) else tf.make_tensor_proto(value, dtype=dtype)
    node = NodeDef(name=name, op="Const")
    node.attr["dtype"].type = proto.dtype
    node.attr["value"].tensor.CopyFrom(proto)
    return node


def in_memory(*nodes: NodeDef) -> Constants:
    return Constants(GraphDef(node=nodes), holder="frozen.pb")


def in_file(folder: Path, *nodes: NodeDef, left_out: int = 1) -> Constants:
    path = folder / "frozen.pb"
    path.write_bytes(GraphDef(node=nodes).SerializeToString())
    skeleton = read_skeleton(path)
    assert len(skeleton.left_out.ranges) == left_out
    return Constants(skeleton.graph_def, holder="frozen.pb", left_out=skeleton.left_out)


def numbers(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "dtype",
    [np.float16, np.float32, np.float64, BFLOAT16, np.int8, np.int64, np.uint32, np.complex64],
)
@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (70, 90)])
def test_a_value_is_that_of_the_graph(tmp_path: Path, dtype: Any, shape: tuple[int, ...]) -> None:
    expected = numbers(*shape).astype(dtype)
    node = constant(tensor(expected))

    assert_same(in_memory(node)["w"], expected)
    assert_same(in_file(tmp_path, node, left_out=shape == (70, 90))["w"], expected)


def tensor(value: np.ndarray) -> TensorProto:
    """A value as bytes, however its elements are alike."""
    proto = tf.make_tensor_proto(value)
    return TensorProto(
        dtype=proto.dtype, tensor_shape=proto.tensor_shape, tensor_content=value.tobytes()
    )


def test_a_bool_is_one(tmp_path: Path) -> None:
    expected = numbers(100, 100) > 0
    assert_same(in_memory(constant(expected))["w"], expected)
    assert_same(in_file(tmp_path, constant(tensor(expected)))["w"], expected)


def test_one_number_may_stand_for_all() -> None:
    node = constant(1.5)
    for size in (2, 3):
        node.attr["value"].tensor.tensor_shape.dim.add(size=size)
    assert_same(in_memory(node)["w"], np.full((2, 3), 1.5, np.float32))


def test_the_last_number_stands_for_the_rest() -> None:
    node = constant([1, 2])
    node.attr["value"].tensor.CopyFrom(TensorProto(dtype=tf.int32.as_datatype_enum, int_val=[1, 2]))
    node.attr["value"].tensor.tensor_shape.dim.add(size=4)
    assert_same(in_memory(node)["w"], np.array([1, 2, 2, 2], np.int32))


@pytest.mark.parametrize("size", [4, 3000])
@pytest.mark.parametrize("dtype", [tf.qint8, tf.quint8, tf.qint32])
def test_quantised_numbers_are_those_of_the_checkpoint_reader(
    tmp_path: Path, dtype: tf.DType, size: int
) -> None:
    plain = {tf.qint8: np.int8, tf.quint8: np.uint8, tf.qint32: np.int32}[dtype]
    expected = np.arange(size).astype(plain)
    proto = tensor(expected)
    proto.dtype = dtype.as_datatype_enum
    prefix = str(tmp_path / "checkpoint")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        value = tf.bitcast(expected, dtype)
        save = tf.raw_ops.SaveV2(
            prefix=prefix, tensor_names=["w"], shape_and_slices=[""], tensors=[value]
        )
        session.run(save)
    assert_same(tf.train.load_checkpoint(prefix).get_tensor("w"), expected)

    assert_same(in_memory(constant(proto))["w"], expected)
    assert_same(in_file(tmp_path, constant(proto), left_out=size * plain(0).nbytes > 4096)["w"],
                expected)  # fmt: skip


def test_quantised_numbers_need_not_be_bytes() -> None:
    proto = TensorProto(dtype=tf.qint8.as_datatype_enum, int_val=[-3])
    proto.tensor_shape.dim.add(size=2)
    assert_same(in_memory(constant(proto))["w"], np.array([-3, -3], np.int8))


def test_bfloat16_is_that_of_the_checkpoint_reader(tmp_path: Path) -> None:
    expected = numbers(3000).astype(BFLOAT16)
    prefix = str(tmp_path / "checkpoint")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        save = tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=["w"],
            shape_and_slices=[""],
            tensors=[tf.constant(expected)],
        )
        session.run(save)
    saved = tf.train.load_checkpoint(prefix).get_tensor("w")
    assert_same(in_file(tmp_path, constant(tensor(expected)))["w"], saved)


def test_float8_is_that_of_tensorflow(tmp_path: Path) -> None:
    float8 = tf.dtypes.experimental.float8_e5m2.as_numpy_dtype
    assert np.dtype(float8).name == "float8_e5m2"
    expected = numbers(5000).astype(float8)
    assert_same(in_memory(constant(tensor(expected)))["w"], expected)
    assert_same(in_file(tmp_path, constant(tensor(expected)))["w"], expected)


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_strings_keep_every_byte(shape: tuple[int, ...]) -> None:
    found = in_memory(constant(STRINGS.reshape(shape)))["w"]
    assert found.dtype == object
    assert found.tolist() == STRINGS.reshape(shape).tolist()


def test_a_scalar_string_keeps_every_byte() -> None:
    found = in_memory(constant(b"\0\0"))["w"]
    assert (found.dtype, found.shape, found.item()) == (object, (), b"\0\0")


@pytest.mark.parametrize("given", [[], [b"a"], [b"a", b"b"]])
def test_strings_that_are_left_out_are_the_last_or_empty(given: list[bytes]) -> None:
    proto = TensorProto(dtype=tf.string.as_datatype_enum, string_val=given)
    proto.tensor_shape.dim.add(size=3)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(GraphDef(node=[constant(proto)]), name="")
        expected = session.run("w:0")
    assert in_memory(constant(proto))["w"].tolist() == expected.tolist()


def test_encoded_strings_are_decoded_as_tensorflow_does() -> None:
    words = [b"one\0", b"", b"x" * 300]
    proto = TensorProto(dtype=tf.string.as_datatype_enum)
    proto.tensor_shape.dim.add(size=3)
    proto.tensor_content = b"\x04\x00\xac\x02" + b"".join(words)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(GraphDef(node=[constant(proto)]), name="")
        assert session.run("w:0").tolist() == words
    assert in_memory(constant(proto))["w"].tolist() == words


def test_encoded_strings_that_are_cut_short_are_broken() -> None:
    proto = TensorProto(dtype=tf.string.as_datatype_enum, tensor_content=b"\x04\x00one")
    proto.tensor_shape.dim.add(size=2)
    with pytest.raises(BrokenModel, match=r"constant w has no value .*cut short"):
        in_memory(constant(proto))["w"]


def test_only_constants_are_there_those_of_functions_by_both_names() -> None:
    graph_def = GraphDef(node=[constant(1.0), NodeDef(name="x", op="Placeholder")])
    function = graph_def.library.function.add()
    function.signature.name = "layer"
    function.node_def.append(constant(2.0))
    constants = Constants(graph_def)
    assert {name: value.item() for name, value in constants.items()} == {
        "w": 1.0,
        "w of the function layer": 2.0,
    }
    assert len(constants) == 2
    with pytest.raises(KeyError):
        constants["x"]


@pytest.mark.parametrize("bytes_at_a_time", [1, 1000, 8 * 4000, 1 << 20])
@pytest.mark.parametrize("is_in_file", [False, True])
def test_pieces_are_the_elements_in_order(
    tmp_path: Path, bytes_at_a_time: int, is_in_file: bool
) -> None:
    expected = numbers(4, 1000, dtype=np.float64)
    node = constant(expected)
    constants = in_file(tmp_path, node) if is_in_file else in_memory(node)

    pieces = list(constants.pieces("w", bytes_at_a_time))

    assert {piece.ndim for piece in pieces} == {1}
    assert max(piece.nbytes for piece in pieces) <= max(8, bytes_at_a_time)
    assert_same(np.concatenate(pieces), expected.reshape(-1))


@pytest.mark.parametrize("shape", [(), (0,)])
def test_what_is_small_is_one_piece(shape: tuple[int, ...]) -> None:
    (piece,) = in_memory(constant(np.ones(shape))).pieces("w")
    assert_same(piece, np.ones(shape).reshape(-1))


def reshaped(proto: TensorProto, *sizes: int) -> TensorProto:
    del proto.tensor_shape.dim[:]
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    return proto


@pytest.mark.parametrize("sizes", [(49, 50), (51, 50), (-1, 50), (-50, -50), (50, 50, 0), ()])
@pytest.mark.parametrize("is_in_file", [False, True])
def test_bytes_that_do_not_fill_the_shape_are_broken(
    tmp_path: Path, sizes: tuple[int, ...], is_in_file: bool
) -> None:
    node = constant(reshaped(tensor(numbers(50, 50)), *sizes))
    constants = in_file(tmp_path, node) if is_in_file else in_memory(node)
    with pytest.raises(BrokenModel, match=r"^frozen.pb: the constant w is float32 .*holds 10000: "):
        constants["w"]
    with pytest.raises(BrokenModel, match="holds 10000"):
        next(constants.pieces("w"))


@pytest.mark.parametrize("is_in_file", [False, True])
def test_a_value_of_another_dtype_than_its_node_is_broken(tmp_path: Path, is_in_file: bool) -> None:
    node = constant(tensor(numbers(50, 50)))
    node.attr["dtype"].type = tf.int32.as_datatype_enum
    constants = in_file(tmp_path, node) if is_in_file else in_memory(node)
    with pytest.raises(BrokenModel, match="stated to be DT_INT32 and holds DT_FLOAT"):
        constants["w"]


def more_values_than_elements(proto: TensorProto) -> None:
    proto.float_val.extend([1.0, 2.0])


def a_shape_that_is_not_known(proto: TensorProto) -> None:
    proto.tensor_shape.unknown_rank = True


def a_handle(proto: TensorProto) -> None:
    proto.dtype = tf.resource.as_datatype_enum


def a_reference(proto: TensorProto) -> None:
    proto.dtype = tf.float32.as_datatype_enum + 100


def a_size_below_zero(proto: TensorProto) -> None:
    reshaped(proto, -1)


def no_memory_that_is_large_enough(proto: TensorProto) -> None:
    reshaped(proto, 1 << 40, 1 << 20)
    proto.float_val.append(1.0)


def no_dtype(proto: TensorProto) -> None:
    proto.dtype = 80


@pytest.mark.parametrize(
    "damage",
    [
        more_values_than_elements,
        a_shape_that_is_not_known,
        a_handle,
        a_reference,
        a_size_below_zero,
        no_memory_that_is_large_enough,
        no_dtype,
    ],
)
def test_a_value_that_makes_no_sense_is_broken(damage: Any) -> None:
    proto = TensorProto(dtype=tf.float32.as_datatype_enum)
    damage(proto)
    with pytest.raises(BrokenModel, match=r"^frozen.pb: the constant w .*: the file is damaged"):
        in_memory(constant(proto))["w"]


def test_a_constant_without_value_is_broken() -> None:
    graph_def = GraphDef(node=[NodeDef(name="w", op="Const")])
    with pytest.raises(BrokenModel, match="the constant w has no value: the file is damaged"):
        Constants(graph_def)["w"]
    assert graph_def == GraphDef(node=[NodeDef(name="w", op="Const")])


def test_two_nodes_of_one_name_are_broken() -> None:
    with pytest.raises(BrokenModel, match=r"several nodes of one name \(w\)"):
        len(in_memory(constant(1.0), constant(2.0)))


def written_anew(path: Path) -> None:
    content = path.read_bytes()
    other = path.with_name("other")
    other.write_bytes(content)
    os.utime(other, ns=(0, path.stat().st_mtime_ns))
    other.replace(path)


def written_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\n")
    os.utime(path, ns=(0, 1))


def made_longer(path: Path) -> None:
    modified = path.stat().st_mtime_ns
    with path.open("ab") as file:
        file.write(b"\n")
    os.utime(path, ns=(0, modified))


@pytest.mark.parametrize("change", [written_anew, written_in_place, made_longer, Path.unlink])
def test_a_file_that_is_another_by_now_is_not_read(tmp_path: Path, change: Any) -> None:
    constants = in_file(tmp_path, constant(numbers(50, 50)))
    change(tmp_path / "frozen.pb")
    with pytest.raises(BrokenModel, match=r"frozen.pb changed while it was read"):
        constants["w"]
    with pytest.raises(BrokenModel, match=r"frozen.pb changed while it was read"):
        next(constants.pieces("w"))


def test_a_file_that_changes_between_two_pieces_is_not_read_on(tmp_path: Path) -> None:
    constants = in_file(tmp_path, constant(numbers(50, 50)))
    pieces = constants.pieces("w", 5000)
    next(pieces)
    written_in_place(tmp_path / "frozen.pb")
    with pytest.raises(BrokenModel, match="changed while it was read"):
        next(pieces)


def test_a_range_past_the_end_of_the_file_is_not_read_in_part(tmp_path: Path) -> None:
    path = tmp_path / "frozen.pb"
    path.write_bytes(GraphDef(node=[constant(numbers(50, 50))]).SerializeToString())
    skeleton = read_skeleton(path)
    past = ByteRange(offset=path.stat().st_size - 9999, length=10000)
    constants = Constants(
        skeleton.graph_def, left_out=replace(skeleton.left_out, ranges={"w": past})
    )
    with pytest.raises(BrokenModel, match="changed"):
        constants["w"]
