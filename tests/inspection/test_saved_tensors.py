"""What a checkpoint holds, and in which file each value stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from harness.errors import BrokenModel
from harness.inspection.saved_tensors import Place, SavedTensors, bytes_of, saved_tensors

Built = Callable[[str], Path]


def written(prefix: Path, *shards: dict[str, tuple[str, np.ndarray]]) -> SavedTensors:
    """A checkpoint with a data file a shard: slice spec and value by key."""
    parts = [f"{prefix}.part{number}" for number in range(len(shards))]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for part, tensors in zip(parts, shards, strict=True):
            specs, values = zip(*tensors.values(), strict=True)
            session.run(tf.raw_ops.SaveV2(prefix=part, tensor_names=list(tensors),
                                          shape_and_slices=specs, tensors=values))  # fmt: skip
        merge = tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=parts, destination_prefix=str(prefix), delete_old_dirs=False
        )
        session.run(merge)
    return saved_tensors(prefix)


def test_each_tensor_is_found_in_its_data_file(built: Built) -> None:
    saved = saved_tensors(built("two_shards-ref"))
    assert saved.place("first/kernel", "") == Place(bytes=96, file="data-00000-of-00002")
    assert saved.place("second/kernel", "") == Place(bytes=24, file="data-00001-of-00002")


def test_slices_of_one_tensor_are_found_in_theirs(tmp_path: Path) -> None:
    rows = np.zeros((2, 3), np.float32)
    first, second = "4 3 0,2:0,3", "4 3 2,2:0,3"
    saved = written(tmp_path / "model", {"whole": (first, rows)}, {"whole": (second, rows)})
    assert saved.shapes["whole"] == [4, 3]
    assert saved.place("whole", first) == Place(bytes=24, file="data-00000-of-00002")
    assert saved.place("whole", second) == Place(bytes=24, file="data-00001-of-00002")
    assert saved.place("whole", "") == Place()  # which has no value of its own
    assert saved.bytes == 48


@pytest.mark.parametrize("size", [1, 63, 64, 8191, 8192, 1_048_575, 1_048_576])
def test_slices_are_found_however_long_they_are(size: int, tmp_path: Path) -> None:
    spec = f"{size + 1} 1 1,{size}:-"
    saved = written(tmp_path / "model", {"a/b": (spec, np.zeros((size, 1), np.int8))})
    assert saved.place("a/b", spec).bytes == size


def test_strings_take_what_they_take(tmp_path: Path) -> None:
    strings = np.array([b"one", b"three"], dtype=object)
    saved = written(tmp_path / "model", {"words": ("", strings)})
    size = saved.place("words", "").bytes
    assert size is not None
    assert size > len(b"onethree")
    assert saved.bytes == size


def test_a_v1_checkpoint_of_one_file_is_that_file(built: Built) -> None:
    prefix = built("v1_checkpoint-ref")
    saved = saved_tensors(prefix)
    assert saved.place("layer/kernel", "") == Place(bytes=None, file=prefix.name)
    assert saved.bytes is not None


def test_what_is_not_there_has_no_place(built: Built) -> None:
    assert saved_tensors(built("two_shards-ref")).place("nobody", "") == Place()


def test_a_checkpoint_that_cannot_be_read_is_no_guess(tmp_path: Path) -> None:
    (tmp_path / "model.index").write_bytes(b"nonsense")
    with pytest.raises(BrokenModel, match=r"model\.index"):
        saved_tensors(tmp_path / "model")


@pytest.mark.parametrize(
    ("dtype", "shape", "size"),
    [
        ("float32", (2, 3), 24),
        ("bfloat16", (5,), 10),
        ("complex128", (), 16),
        ("float32", (0, 3), 0),
        ("float32", (None, 3), None),
        ("float32", None, None),
        ("string", (2,), None),
        ("resource", (), None),
    ],
)
def test_bytes_follow_from_dtype_and_shape(
    dtype: str, shape: tuple[int | None, ...] | None, size: int | None
) -> None:
    assert bytes_of(dtype, shape) == size
