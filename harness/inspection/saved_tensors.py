"""What a checkpoint holds: which tensors, how large, and in which of its files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import tensor_bundle_pb2

from harness.graph.dtypes import HANDLES, dtype_name
from harness.locate import checkpoint_files
from harness.models.model import open_checkpoint
from harness.models.table import table_entries
from harness.signature import Shape


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the value of a tensor, or of a slice of one, stands; None and "" for not known."""

    bytes: int | None = None
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class SavedTensors:
    """The tensors of a checkpoint by key: their shapes and the places of their values."""

    shapes: Mapping[str, list[int]]
    places: Mapping[bytes, Place]
    """By the key of the index, which slices have too."""
    only_file: str
    bytes: int | None
    """Of all values; None where one has a dtype without a size."""

    def place(self, key: str, slice_spec: str) -> Place:
        """Return where the value of a variable stands."""
        encoded = slice_key(key, slice_spec) if slice_spec else key.encode()
        return self.places.get(encoded) or Place(file=self.only_file)


NOWHERE = Place()
NOTHING = SavedTensors(shapes={}, places={}, only_file="", bytes=None)


def saved_tensors(prefix: Path) -> SavedTensors:
    """Return what the checkpoint at `prefix` holds, V1 or V2.

    Raises:
        RequestError: TensorFlow would take the path for a pattern.
        BrokenModel: its files are missing or damaged.
    """
    reader = open_checkpoint(str(prefix))
    shapes = reader.get_variable_to_shape_map()
    dtypes = reader.get_variable_to_dtype_map()
    places: dict[bytes, Place] = {}
    files = checkpoint_files(prefix)
    if files[0].suffix == ".index":
        index, *files = files
        places = _places(index, [_ending(file, prefix) for file in files])
    sizes = []
    for key, shape in shapes.items():
        size = bytes_of(dtype_name(dtypes[key]), tuple(shape))
        sizes.append(places.get(key.encode(), NOWHERE).bytes if size is None else size)
    known = [size for size in sizes if size is not None]
    return SavedTensors(
        shapes=shapes,
        places=places,
        only_file=_ending(files[0], prefix) if len(files) == 1 else "",
        bytes=sum(known) if len(known) == len(sizes) else None,
    )


def bytes_of(dtype: str, shape: Shape | None) -> int | None:
    """Return how many bytes a tensor takes; None where shape or dtype do not tell."""
    sizes = [size for size in shape or () if size is not None]
    if shape is None or len(sizes) != len(shape) or dtype in HANDLES | {"string"}:
        return None
    return math.prod(sizes) * int(tf.dtypes.as_dtype(dtype).size)


def slice_key(key: str, slice_spec: str) -> bytes:
    """Return the key of the index for a slice: "10 4 0,5:0,4" are rows 0 to 5 of the tensor `key`.

    Format: EncodeTensorNameSlice in tensorflow/core/util/saved_tensor_slice_util.cc, in the
    encodings of tensorflow/core/lib/strings/ordered_code.cc.
    """
    extents = slice_spec.rpartition(" ")[2].split(":")
    encoded = b"\x00" + key.encode() + b"\x00\x01" + bytes([1, len(extents)])
    for extent in extents:
        start, length = (0, -1) if extent == "-" else map(int, extent.split(","))
        encoded += _ordered(start) + _ordered(length)
    return encoded


def _ordered(number: int) -> bytes:
    """Encode a number so that the encodings sort as the numbers do; of those below 0, only -1."""
    if number < 0:
        return b"\x7f"
    size = number.bit_length() // 7 + 1  # as many leading ones say how many bytes there are
    return (number | (0xFF00 >> size & 0xFF) << 8 * (size - 1)).to_bytes(size, "big")


def _ending(file: Path, prefix: Path) -> str:
    return file.name.removeprefix(prefix.name).lstrip(".-") or file.name


def _places(index: Path, files: list[str]) -> dict[bytes, Place]:
    try:
        entries = table_entries(index.read_bytes())
    except ValueError:
        return {}  # TensorFlow has read it all the same
    found = {}
    for key, value in entries:
        entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)
        # The first entry, without a key, is the header; a tensor in slices has no value itself.
        if key and not entry.slices:
            file = files[entry.shard_id] if entry.shard_id < len(files) else ""
            found[key] = Place(bytes=entry.size, file=file)
    return found
