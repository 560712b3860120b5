"""The index of a checkpoint, read entry by entry."""

from __future__ import annotations

import struct

import pytest
import tensorflow as tf
from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto

from harness.misfit import TABLE_MAGIC
from harness.models.table import crc32c, table_entries

NAMES = [f"scope_{i:04d}/weights_of_{i * 7919 % 8000}" for i in range(8000)]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An index of several blocks."""
    prefix = tmp_path_factory.mktemp("table") / "model"
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=NAMES,
        shape_and_slices=[""] * len(NAMES),
        tensors=[tf.constant([1.0, 2.0])] * len(NAMES),
    )
    return prefix.with_name("model.index").read_bytes()


def test_a_checksum_is_that_of_the_specification() -> None:
    # RFC 3720, B.4, and the usual check value.
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"123456789") == 0xE3069283


def test_entries_are_those_that_were_written(index: bytes) -> None:
    (key, header), *entries = table_entries(index)
    assert (key, BundleHeaderProto.FromString(header).num_shards) == (b"", 1)
    assert [key.decode() for key, _ in entries] == NAMES
    last = BundleEntryProto.FromString(entries[-1][1])
    assert (last.offset, last.size) == (8 * (len(NAMES) - 1), 8)


@pytest.mark.parametrize("place", [0.001, 0.3, 0.6, 0.95])
def test_a_byte_that_was_changed_is_found_in_any_block(index: bytes, place: float) -> None:
    changed = bytearray(index)
    changed[int(len(index) * place)] ^= 0x10
    with pytest.raises(ValueError, match="not as it was written"):
        table_entries(bytes(changed))


@pytest.mark.parametrize("left", [0, 20, 1000, -1])
def test_a_table_that_was_cut_short_is_none(index: bytes, left: int) -> None:
    with pytest.raises(ValueError, match="footer"):
        table_entries(index[:left])


def test_a_table_that_lost_bytes_in_the_middle_is_found(index: bytes) -> None:
    with pytest.raises(ValueError, match=r"not as it was written|cut short"):
        table_entries(index[:5000] + index[6000:])


def block(*entries: tuple[bytes, bytes], compression: int = 0) -> bytes:
    """A block with its compression and checksum; no key leaves anything out."""
    body = b"".join(bytes([0, len(key), len(value)]) + key + value for key, value in entries)
    body += struct.pack("<II", 0, 1) + bytes([compression])
    crc = crc32c(body)
    return body + struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def table(*blocks: bytes) -> bytes:
    content, handles = b"", []
    for each in blocks:
        handles.append((b"k", bytes([len(content), len(each) - 5])))
        content += each
    index = block(*handles)
    footer = bytes([0, 0, len(content), len(index) - 5]).ljust(40, b"\0")
    return content + index + footer + TABLE_MAGIC


def test_a_compressed_block_is_checked_and_left_out() -> None:
    plain, compressed = block((b"a", b"1")), block((b"b", b"2"), compression=1)
    assert table_entries(table(plain, compressed)) == [(b"a", b"1")]
    with pytest.raises(ValueError, match="not as it was written"):
        table_entries(table(plain, compressed[:-1] + b"x"))
