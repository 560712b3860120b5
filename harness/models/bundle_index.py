"""Where each tensor of a V2 checkpoint lies in its data files: a few bytes of it, read at once.

TensorFlow's reader gives whole tensors. To look for a value in every checkpoint of a folder, a
glance at most of them is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import tensor_bundle_pb2

from harness.models.table import table_entries

_GLANCE = 1024
"""Bytes at the start of a tensor and in its middle: padding often stands at the start."""


@dataclass(frozen=True, kw_only=True)
class BundleIndex:
    """The index of the checkpoint at `prefix`: `entries` by tensor name."""

    prefix: Path
    shards: int
    entries: dict[str, tensor_bundle_pb2.BundleEntryProto]

    def may_be(self, key: str, content: memoryview) -> bool:
        """Say whether the bytes of the tensor `key` may be `content`: False is sure, True is not.

        True also of a tensor that was saved in slices, or of which no bytes are found.
        """
        entry = self.entries.get(key)
        if entry is None:
            return False
        if entry.slices:
            return True
        if entry.size != content.nbytes:
            return False
        name = f"{self.prefix.name}.data-{entry.shard_id:05d}-of-{self.shards:05d}"
        try:
            with self.prefix.with_name(name).open("rb") as file:
                for start in {0, entry.size // 2}:
                    file.seek(entry.offset + start)
                    found = file.read(min(_GLANCE, entry.size - start))
                    if found != content[start : start + len(found)]:
                        return False
        except OSError:
            return True
        return True


def read_bundle_index(prefix: Path) -> BundleIndex | None:
    """Return the index of the V2 checkpoint at `prefix`; None where it is none, or is damaged."""
    try:
        found = dict(table_entries(prefix.with_name(f"{prefix.name}.index").read_bytes()))
        header = tensor_bundle_pb2.BundleHeaderProto.FromString(found.pop(b"", b""))
        entries = {
            # The keys of slices are no text.
            key.decode(errors="replace"): tensor_bundle_pb2.BundleEntryProto.FromString(value)
            for key, value in found.items()
        }
    except (OSError, ValueError, DecodeError):
        return None
    is_little = header.endianness == tensor_bundle_pb2.BundleHeaderProto.LITTLE
    if not header.num_shards or not is_little:
        return None
    return BundleIndex(prefix=prefix, shards=header.num_shards, entries=entries)
