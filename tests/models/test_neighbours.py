"""The other checkpoints of a folder: which there are, in which order, and what they hold."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from harness.models import bundle_index
from harness.models.bundle_index import read_bundle_index
from harness.models.checkpoint import open_checkpoint_model
from harness.models.model import Model
from harness.models.neighbours import neighbours, own_values

Built = Callable[[str], Path]


@pytest.fixture(params=["softmax_regression-ref", "partitioned-ref", "v1_checkpoint-resource",
                        "two_shards-resource", "dtype_string-ref"])  # fmt: skip
def model(request: pytest.FixtureRequest, built: Built) -> Model:
    return open_checkpoint_model(built(request.param), outputs=outputs(request.param))


def outputs(name: str) -> tuple[str, ...]:
    from fixtures.catalogue import find

    return find(name).outputs


@pytest.fixture
def softmax(built: Built, tmp_path: Path) -> Model:
    """A model whose checkpoint a test may damage; an older one lies beside it."""
    prefix = built("softmax_regression-ref")
    copy = Path(shutil.copytree(prefix.parent, tmp_path / "copy")) / prefix.name
    return open_checkpoint_model(copy)


def copied_as(model: Model, name: str) -> None:
    for file in model.path.parent.glob(f"{model.path.name}.*"):
        shutil.copy(file, file.with_name(file.name.replace(model.path.name, name)))


def test_the_nearest_step_comes_first(softmax: Model) -> None:
    for step in ("9000", "61", "59", "80"):
        copied_as(softmax, f"model.ckpt-{step}")
    copied_as(softmax, "best")
    copied_as(softmax, "other-60")
    assert [saved.name for saved in neighbours(softmax)] == [
        "model.ckpt-59", "model.ckpt-61", "model.ckpt-80", "model.ckpt-5", "model.ckpt-9000",
        "other-60", "best",
    ]  # fmt: skip


def test_files_of_the_first_format_are_checkpoints_too(built: Built) -> None:
    prefix = built("v1_checkpoint-ref")
    model = open_checkpoint_model(prefix)
    assert [saved.name for saved in neighbours(model)] == ["model.ckpt-5"]


def test_shards_are_one_checkpoint(built: Built, tmp_path: Path) -> None:
    prefix = built("two_shards-ref")
    copy = Path(shutil.copytree(prefix.parent, tmp_path / "copy")) / prefix.name
    names = [saved.name for saved in neighbours(open_checkpoint_model(copy, outputs=["outputs"]))]
    assert names == ["model.ckpt-5"]


def test_other_files_are_no_checkpoints(softmax: Model) -> None:
    folder = softmax.path.parent
    (folder / "events.out.tfevents.1").write_bytes(b"\0" * 100)
    (folder / "empty.index").mkdir()
    (folder / "notes.txt").write_text("of model.ckpt-7")
    assert [saved.name for saved in neighbours(softmax)] == ["model.ckpt-5"]


def test_a_frozen_model_has_no_neighbours(softmax: Model) -> None:
    frozen = replace(softmax, checkpoint_prefix=None)
    assert neighbours(frozen) == []
    assert own_values(frozen) is None


def test_values_are_those_of_the_checkpoint(model: Model) -> None:
    saved = own_values(model)
    assert saved is not None
    for variable in model.variables:
        expected = model.weights[variable.name]
        value = saved.value(variable)
        assert value is not None
        np.testing.assert_array_equal(value, expected)
        assert saved.may_be(variable, expected)


def test_another_value_is_seen_to_be_another(softmax: Model) -> None:
    (older,) = neighbours(softmax)
    for variable in softmax.variables:
        value = older.value(variable)
        assert value is not None
        assert older.may_be(variable, value)
        assert not older.may_be(variable, softmax.weights[variable.name])
        assert not older.may_be(variable, value.reshape(-1, 1, 1))
        assert not older.may_be(replace(variable, dtype="int32"), value)
        assert not older.may_be(replace(variable, key="another"), value)


def test_the_keys_of_a_shape_and_dtype_are_listed(softmax: Model) -> None:
    saved = own_values(softmax)
    assert saved is not None
    keys = saved.keys_of((4, 3), "float32")
    assert sorted(keys) == ["layer/kernel", "layer/kernel/Momentum"]
    assert saved.keys_of((4, 3), "int32") == saved.keys_of((3, 4), "float32") == []


@pytest.mark.parametrize("file", ["index", "data-00000-of-00001"])
def test_a_broken_checkpoint_holds_nothing(softmax: Model, file: str) -> None:
    (softmax.path.parent / f"model.ckpt-5.{file}").write_bytes(b"cut short")
    (older,) = neighbours(softmax)
    assert older.value(softmax.variables[0]) is None
    if file == "index":
        assert older.keys_of((4, 3), "float32") == []
        assert not older.may_be(softmax.variables[0], softmax.weights[softmax.variables[0].name])


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    value = np.arange(5000, dtype=np.float32)
    prefix = tmp_path_factory.mktemp("large") / "ckpt"
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        session.run(tf.raw_ops.SaveV2(
            prefix=str(prefix), tensor_names=["a", "b"], shape_and_slices=["", ""],
            tensors=[np.zeros(3, np.int64), value],
        ))  # fmt: skip
    return prefix, value


@pytest.mark.parametrize("place", [0, 2500])
def test_a_glance_sees_the_start_and_the_middle(large: tuple[Path, np.ndarray], place: int) -> None:
    prefix, value = large
    index = read_bundle_index(prefix)
    assert index is not None
    other = value.copy()
    assert index.may_be("b", other.view(np.uint8).data)
    other[place] += 1
    assert not index.may_be("b", other.view(np.uint8).data)
    assert not index.may_be("b", value[1:].view(np.uint8).data)
    assert not index.may_be("c", value.view(np.uint8).data)


def test_a_glance_is_short(large: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    prefix, value = large
    index = read_bundle_index(prefix)
    assert index is not None
    other = value.copy()
    other[-1] += 1
    assert index.may_be("b", other.view(np.uint8).data)
    monkeypatch.setattr(bundle_index, "_GLANCE", value.nbytes)
    assert not index.may_be("b", other.view(np.uint8).data)


def test_of_a_tensor_saved_in_slices_a_glance_tells_nothing(built: Built) -> None:
    index = read_bundle_index(built("partitioned-ref"))
    assert index is not None
    assert index.entries["kernel"].slices
    assert index.may_be("kernel", memoryview(b"1234"))


def test_without_its_data_file_nothing_is_known(large: tuple[Path, np.ndarray]) -> None:
    prefix, value = large
    index = read_bundle_index(prefix)
    assert index is not None
    moved = replace(index, prefix=prefix.with_name("gone"))
    assert moved.may_be("b", (value + 1).view(np.uint8).data)
    assert read_bundle_index(prefix.with_name("gone")) is None
