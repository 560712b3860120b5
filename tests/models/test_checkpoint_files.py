"""The files of a checkpoint, each missing, replaced, cut short or damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf

from harness.errors import BrokenModel
from harness.models import table
from harness.models.checkpoint_files import blame, check_files
from harness.models.model import Model
from harness.models.opening import open_model
from harness.models.restorable import check_restorable
from harness.subject import Request

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n"
Built = Callable[[str], Path]


@pytest.fixture
def v2(built: Built, tmp_path: Path) -> Path:
    """The prefix of a checkpoint that a test may damage."""
    return copied(built("softmax_regression-ref"), tmp_path)


@pytest.fixture
def v1(built: Built, tmp_path: Path) -> Path:
    """The only file of a checkpoint of version 1."""
    return copied(built("v1_checkpoint-ref"), tmp_path)


def copied(prefix: Path, folder: Path) -> Path:
    return Path(shutil.copytree(prefix.parent, folder / "copy")) / prefix.name


def index(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}.index")


def data(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}.data-00000-of-00001")


def opened(prefix: Path) -> Model:
    """The model with every value read, as far as that goes."""
    model = open_model(Request(path=prefix))
    check_restorable(model)
    dict(model.weights)
    return model


def flip(file: Path, place: float) -> None:
    content = bytearray(file.read_bytes())
    content[int(len(content) * place)] ^= 0x55
    file.write_bytes(content)


def cut(file: Path, part: float) -> int:
    content = file.read_bytes()
    size = int(len(content) * part)
    file.write_bytes(content[:size])
    return size


def test_nothing_is_said_of_a_whole_checkpoint(v1: Path, built: Built) -> None:
    check_files(v1)
    check_files(built("softmax_regression-ref"))
    check_files(built("partitioned-ref"))


def test_a_missing_data_file_is_named_with_what_to_do(v2: Path) -> None:
    data(v2).unlink()
    with pytest.raises(BrokenModel, match=rf"^{data(v2)} is missing: .* copy all its files$"):
        opened(v2)


def test_of_several_missing_data_files_the_first_is_named(tmp_path: Path) -> None:
    for name in ("model.index", "model.data-00001-of-00003"):
        (tmp_path / name).touch()
    with pytest.raises(BrokenModel, match=r"model\.data-00000-of-00003 is missing, and 1 more: "):
        check_files(tmp_path / "model")


def test_a_missing_index_is_named_with_what_it_is_for(v2: Path) -> None:
    index(v2).unlink()
    with pytest.raises(BrokenModel, match=rf"^{index(v2)} is missing, .* where in the data file"):
        opened(v2)


def test_a_data_file_that_only_the_index_knows_of_is_missed(tmp_path: Path) -> None:
    """Data files of an earlier save with fewer parts hide by their names that one is missing."""
    prefix = two_parts(tmp_path)
    prefix.with_name("model.data-00001-of-00002").unlink()
    prefix.with_name("model.data-00000-of-00001").touch()
    with pytest.raises(BrokenModel, match=r"model\.data-00001-of-00002 is missing"):
        check_files(prefix)


def two_parts(folder: Path) -> Path:
    parts = []
    for number, name in enumerate("ab"):
        part = str(folder / f"part-{number}")
        value = tf.constant([1.0] * (number + 1))
        tf.raw_ops.SaveV2(prefix=part, tensor_names=[name], shape_and_slices=[""], tensors=[value])
        parts.append(part)
    prefix = folder / "model"
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(prefix))
    return prefix


def test_the_data_file_that_was_cut_short_is_told_from_the_others(tmp_path: Path) -> None:
    prefix = two_parts(tmp_path)
    check_files(prefix)
    cut(prefix.with_name("model.data-00001-of-00002"), 0.5)
    words = r"data-00001-of-00002 was cut short: it has 4 of the 8 bytes that model\.index knows of"
    with pytest.raises(BrokenModel, match=words):
        check_files(prefix)


@pytest.mark.parametrize("name", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (POINTER, "is a Git-LFS pointer of .* bytes, not the file of 12345 bytes: run `git lfs"),
        (b"", r"is empty \(0 bytes\)"),
        (b"<html><body>Sign in</body></html>", "is a web page"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
    ],
    ids=["pointer", "empty", "page", "HDF5"],
)
def test_what_stands_in_a_files_place_is_named(
    v2: Path, name: str, content: bytes, words: str
) -> None:
    path = v2.with_name(f"{v2.name}.{name}")
    path.write_bytes(content)
    with pytest.raises(BrokenModel, match=rf"^{path} {words}"):
        check_files(v2)


def test_a_pointer_as_long_as_the_data_is_seen_before_anything_is_read(v2: Path) -> None:
    data(v2).write_bytes(POINTER.ljust(data(v2).stat().st_size))
    with pytest.raises(BrokenModel, match=rf"^{data(v2)} is a Git-LFS pointer"):
        check_files(v2)


def test_values_that_begin_as_another_format_does_are_no_fault(tmp_path: Path) -> None:
    value = tf.constant([0x1F, 0x8B, 0x08, 0x00], tf.uint8)
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "model"), tensor_names=["w"], shape_and_slices=[""], tensors=[value]
    )
    check_files(tmp_path / "model")


def test_a_checkpoint_of_empty_tensors_has_an_empty_data_file(tmp_path: Path) -> None:
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "model"),
        tensor_names=["w"],
        shape_and_slices=[""],
        tensors=[tf.zeros((0, 3))],
    )
    assert not (tmp_path / "model.data-00000-of-00001").stat().st_size
    check_files(tmp_path / "model")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_an_index_that_was_cut_short_is_named_with_its_size(v2: Path, part: float) -> None:
    size = cut(index(v2), part)
    words = rf"^{index(v2)} was cut short or is damaged: copy it again \({size} bytes\)$"
    with pytest.raises(BrokenModel, match=words):
        opened(v2)


@pytest.mark.parametrize("place", [0, 0.3, 0.6])
def test_a_damaged_index_is_named(v2: Path, place: float) -> None:
    flip(index(v2), place)
    with pytest.raises(BrokenModel, match=rf"^{index(v2)} was cut short or is damaged"):
        opened(v2)


def test_a_damaged_index_of_several_blocks_is_not_read_in_part(tmp_path: Path) -> None:
    """TensorFlow's reader takes the entries before the damage for all."""
    flip(many_values(tmp_path).with_name("model.index"), 0.8)
    read = tf.train.load_checkpoint(str(tmp_path / "model")).get_variable_to_shape_map()
    assert 0 < len(read) < 8000
    with pytest.raises(BrokenModel, match=r"model\.index was cut short or is damaged"):
        check_files(tmp_path / "model")


def test_where_the_header_is_compressed_the_data_files_are_not_known(tmp_path: Path) -> None:
    """TensorFlow compresses a block where that pays; the first, with the header, is marked so."""
    path = many_values(tmp_path).with_name("model.index")
    content = path.read_bytes()
    _, place = table._handle(content[-48:], 0)
    (offset, size), _ = table._handle(content[-48:], place)
    _, handle = next(table._entries(table._block(content, offset, size)))
    (_, size), _ = table._handle(handle, 0)
    marked = content[:size] + b"\x01"
    checksum = table._masked(table.crc32c(marked)).to_bytes(4, "little")
    path.write_bytes(marked + checksum + content[size + 5 :])
    check_files(tmp_path / "model")


def many_values(folder: Path) -> Path:
    """A checkpoint whose index has several blocks."""
    names = [f"scope_{i:04d}/weights_of_{i * 7919 % 8000}" for i in range(8000)]
    tf.raw_ops.SaveV2(
        prefix=str(folder / "model"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(1.0)] * len(names),
    )
    return folder / "model"


@pytest.mark.parametrize("part", [0.01, 0.5, 0.99])
def test_a_data_file_that_was_cut_short_is_named_with_both_sizes(v2: Path, part: float) -> None:
    whole = data(v2).stat().st_size
    size = cut(data(v2), part)
    words = rf"^{data(v2)} was cut short: it has {size} of the {whole} bytes that .*copy it again$"
    with pytest.raises(BrokenModel, match=words):
        opened(v2)


def test_a_damaged_data_file_is_named_when_a_value_is_read(v2: Path) -> None:
    for place in (0.05, 0.35, 0.65, 0.95):
        flip(data(v2), place)
    size = data(v2).stat().st_size
    model = open_model(Request(path=v2))
    words = (
        rf"^the value of variable layer/\w+ cannot be read: {data(v2)} was cut short or is "
        rf"damaged: copy it again \({size} bytes\); TensorFlow says: "
    )
    with pytest.raises(BrokenModel, match=words):
        dict(model.weights)


def test_the_data_file_that_is_damaged_is_told_from_the_others(tmp_path: Path) -> None:
    prefix = two_parts(tmp_path)
    flip(prefix.with_name("model.data-00001-of-00002"), 0)
    reader = tf.train.load_checkpoint(str(prefix))
    with pytest.raises(Exception, match="Checksum") as raised:
        reader.get_tensor("b")
    said = blame(prefix, raised.value, of_values=True)
    assert said.startswith(f"{prefix}.data-00001-of-00002 was cut short or is damaged")


def test_where_the_data_file_is_not_known_all_are_named(tmp_path: Path) -> None:
    said = blame(two_parts(tmp_path), ValueError("read fewer bytes"), of_values=True)
    assert said.startswith("one of model.data-00000-of-00002, model.data-00001-of-00002 was cut")
    assert said.endswith("TensorFlow says: read fewer bytes")


def test_without_any_file_there_is_what_tensorflow_says(tmp_path: Path) -> None:
    assert blame(tmp_path / "gone", ValueError("no file")) == "no file"


@pytest.mark.parametrize("part", [0.01, 0.5, 0.99])
def test_a_checkpoint_of_one_file_that_was_cut_short_is_named(v1: Path, part: float) -> None:
    size = cut(v1, part)
    words = rf"^{v1} was cut short or is damaged: copy it again \({size} bytes\)$"
    with pytest.raises(BrokenModel, match=words):
        opened(v1)


@pytest.mark.parametrize("place", [0, 0.2, 0.4])
def test_a_damaged_checkpoint_of_one_file_is_named(v1: Path, place: float) -> None:
    flip(v1, place)
    with pytest.raises(BrokenModel, match=rf"cannot be read: {v1} was cut short or is damaged"):
        opened(v1)


def test_a_value_that_was_lost_with_its_block_is_no_variable_that_was_never_there(
    tmp_path: Path,
) -> None:
    """Of version 1, TensorFlow's reader lists the value still, and then says it is not found."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (), name="x")
        zeros = tf.compat.v1.zeros_initializer()
        for name in "abcd":  # each larger than a block, which is 256 KiB
            w = tf.compat.v1.get_variable(name, (80_000,), tf.float32, zeros, use_resource=True)
            x += tf.reduce_sum(w)
        tf.identity(x, name="y")
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(write_version=tf.compat.v1.train.SaverDef.V1)
        prefix = Path(saver.save(session, str(tmp_path / "model.ckpt")))
    flip(prefix, 0.6)
    with pytest.raises(BrokenModel, match=rf"variable \w cannot be read: {prefix} was cut short"):
        opened(prefix)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (POINTER, "is a Git-LFS pointer"),
        (b"", r"is empty \(0 bytes\)"),
        (b"\x00\x01\x02", "was cut short or is damaged"),
    ],
)
def test_what_stands_in_the_place_of_a_checkpoint_of_one_file_is_named(
    v1: Path, content: bytes, words: str
) -> None:
    v1.write_bytes(content)
    with pytest.raises(BrokenModel, match=rf"^{v1} {words}"):
        opened(v1)


def test_a_meta_in_the_place_of_a_checkpoint_is_named(v1: Path) -> None:
    shutil.copy(f"{v1}.meta", v1)
    with pytest.raises(BrokenModel, match=rf"^{v1} holds a MetaGraphDef, not a checkpoint"):
        opened(v1)


def test_a_meta_in_the_place_of_an_index_is_named(v2: Path) -> None:
    shutil.copy(f"{v2}.meta", index(v2))
    with pytest.raises(BrokenModel, match=rf"^{index(v2)} holds a MetaGraphDef, not a checkpoint"):
        opened(v2)


def test_a_value_that_the_checkpoint_does_not_hold_is_no_damage(v2: Path) -> None:
    model = open_model(Request(path=v2))
    elsewhere = replace(model, variables=(replace(model.variables[0], key="elsewhere"),))
    with pytest.raises(BrokenModel, match="elsewhere not found") as raised:
        dict(elsewhere.weights)
    assert "damaged" not in str(raised.value)
