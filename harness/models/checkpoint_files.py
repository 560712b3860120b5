"""Are the files of a checkpoint all there, and whole? Asked before TensorFlow's reader is.

The reader opens a data file when a value of it is asked for, and says neither which file is at
fault nor what to do.
"""

from __future__ import annotations

import re
from pathlib import Path

from tensorflow.core.protobuf import tensor_bundle_pb2

from harness.errors import BrokenModel, first_line, listed
from harness.locate import checkpoint_files, missing_files
from harness.misfit import damaged, is_table, misfit, pointer, stand_in
from harness.models.proto_file import graph_in
from harness.models.table import table_entries

_SHARD = re.compile(r"shard (\d+)")  # in errors of TensorFlow's reader
_INDEX = ".index"


def check_files(prefix: Path) -> None:
    """Make sure that the files of the checkpoint at `prefix` are there, and look whole.

    A damaged value shows when it is read: each has a checksum, which is not computed here.

    Raises:
        BrokenModel: naming the first file that has to be copied again.
    """
    absent = missing_files(prefix)
    if absent:
        raise BrokenModel(_missing(prefix, absent))
    files = checkpoint_files(prefix)
    if files[0].suffix != _INDEX:
        for file in files:
            _check(_no_table(file))
        return
    index, *shards = files
    for fault in (stand_in(index), *map(pointer, shards), _no_table(index)):
        _check(fault)
    _check_index(index, prefix)


def blame(prefix: Path, error: Exception, *, of_values: bool = False) -> str:
    """Say which files of the checkpoint at `prefix` TensorFlow's reader failed on, and what to do.

    `of_values` says that the index was read and a value was not.
    """
    said = first_line(error)
    files = checkpoint_files(prefix)
    if not files:
        return said
    if files[0].suffix == _INDEX:
        files = files[1:] if of_values else files[:1]
    number = _SHARD.search(said)
    if number and int(number[1]) < len(files):
        files = [files[int(number[1])]]
    if len(files) == 1:
        return f"{damaged(files[0])}; TensorFlow says: {said}"
    names = listed([file.name for file in files])
    return f"one of {names} was cut short or is damaged: copy them again; TensorFlow says: {said}"


def _check(fault: str) -> None:
    if fault:
        raise BrokenModel(fault)


def _missing(prefix: Path, absent: list[str]) -> str:
    missing = prefix.parent / absent[0]
    if missing.suffix == _INDEX:
        return (
            f"{missing} is missing, and without it nobody knows where in the data file each value "
            f"stands: copy all files of the checkpoint"
        )
    more = f", and {len(absent) - 1} more" if len(absent) > 1 else ""
    return (
        f"{missing} is missing{more}: it holds values, and the checkpoint was copied in part; "
        f"copy all its files"
    )


def _no_table(file: Path) -> str:
    if is_table(file):
        return ""
    return misfit(file) or graph_in(file) or damaged(file)


def _check_index(index: Path, prefix: Path) -> None:
    """Hold every block of the index against its checksum, and the data files against the index."""
    try:
        entries = table_entries(index.read_bytes())
    except ValueError:
        raise BrokenModel(damaged(index)) from None
    header = tensor_bundle_pb2.BundleHeaderProto()
    expected: dict[int, int] = {}
    for key, value in entries:
        if not key:  # the first
            header.ParseFromString(value)
            continue
        entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)
        end = entry.offset + entry.size
        expected[entry.shard_id] = max(expected.get(entry.shard_id, 0), end)
    if not header.num_shards:
        return  # it stands in a compressed block
    for number, bytes_expected in sorted(expected.items()):
        shard = prefix.with_name(f"{prefix.name}.data-{number:05d}-of-{header.num_shards:05d}")
        if not shard.is_file():
            raise BrokenModel(_missing(prefix, [shard.name]))
        size = shard.stat().st_size
        if size < bytes_expected:
            raise BrokenModel(
                misfit(shard)
                or f"{shard} was cut short: it has {size} of the {bytes_expected} bytes that "
                f"{index.name} knows of, copy it again"
            )
