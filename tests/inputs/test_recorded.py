"""Feeds that are taken from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from harness.criteria import Array
from harness.domain import Recorded
from harness.errors import RequestError
from harness.inputs.dtypes import numpy_dtype
from harness.inputs.recorded import check, converted, draw, load
from harness.signature import Shape, TensorSpec

SEEDS = range(20)


def saved(folder: Path, array: Any) -> Recorded:
    path = folder / "x.npy"
    np.save(path, np.asarray(array))
    return Recorded(path=path)


def drawn(recorded: Recorded, *shape: int, dtype: str = "float32", seed: int = 0) -> Array:
    return draw(recorded, numpy_dtype(dtype), shape, np.random.default_rng(seed))


def spec(shape: Shape | None, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name="x", dtype=dtype, shape=shape)


def test_an_example_takes_rows_in_order(tmp_path: Path) -> None:
    recorded = saved(tmp_path, np.arange(30, dtype=np.float32).reshape(10, 3))
    for seed in SEEDS:
        rows = drawn(recorded, 4, 3, seed=seed)
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(np.diff(rows[:, 0]) % 30, 3)


def test_rows_begin_anywhere(tmp_path: Path) -> None:
    recorded = saved(tmp_path, np.arange(4, dtype=np.float32))
    assert {float(drawn(recorded, 1, seed=seed)[0]) for seed in SEEDS} == {0, 1, 2, 3}


def test_more_rows_than_there_are_begin_again(tmp_path: Path) -> None:
    recorded = saved(tmp_path, [[1.0], [2.0]])
    rows = drawn(recorded, 5, 1).reshape(-1)
    np.testing.assert_array_equal(rows, [rows[0], 3 - rows[0]] * 2 + [rows[0]])


def test_no_rows_can_be_taken(tmp_path: Path) -> None:
    assert drawn(saved(tmp_path, [[1.0, 2.0]]), 0, 2).shape == (0, 2)


def test_an_array_of_the_whole_shape_is_taken_as_it_is(tmp_path: Path) -> None:
    recorded = saved(tmp_path, [1.0, 2.0, 3.0])
    for seed in SEEDS:
        np.testing.assert_array_equal(drawn(recorded, 3, seed=seed), [1, 2, 3])


def test_an_input_without_the_axis_of_rows_takes_one(tmp_path: Path) -> None:
    recorded = saved(tmp_path, [[1.0, 2.0], [3.0, 4.0]])
    rows = {tuple(drawn(recorded, 2, seed=seed)) for seed in SEEDS}
    # Of shape [2, 2] it is the whole array, of [2] a row.
    assert rows == {(1, 2), (3, 4)}


def test_a_scalar_is_a_scalar(tmp_path: Path) -> None:
    value = drawn(saved(tmp_path, 0.5))
    assert (value.shape, float(value)) == ((), 0.5)


def test_what_is_fed_can_be_changed_without_changing_what_is_fed_next(tmp_path: Path) -> None:
    recorded = saved(tmp_path, np.ones((2, 2), np.float32))
    drawn(recorded, 2, 2)[:] = 7
    np.testing.assert_array_equal(drawn(recorded, 2, 2), np.ones((2, 2)))


def test_the_same_seed_takes_the_same_rows(tmp_path: Path) -> None:
    recorded = saved(tmp_path, np.arange(100.0))
    np.testing.assert_array_equal(drawn(recorded, 3, seed=5), drawn(recorded, 3, seed=5))


def test_rows_of_another_shape_are_no_example(tmp_path: Path) -> None:
    recorded = saved(tmp_path, np.ones((10, 3)))
    with pytest.raises(
        RequestError, match=r"x\.npy: the array is \[10, 3\], of which no \[4, 5\] can be taken$"
    ):
        drawn(recorded, 4, 5)


def test_an_array_of_an_npz_is_found_by_its_key(tmp_path: Path) -> None:
    path = tmp_path / "all.npz"
    np.savez(path, a=np.float32([1]), b=np.float32([2]))
    np.testing.assert_array_equal(drawn(Recorded(path=path, key="b"), 1), [2])


def test_the_only_array_of_an_npz_needs_no_key(tmp_path: Path) -> None:
    path = tmp_path / "all.NPZ"
    with path.open("wb") as file:
        np.savez(file, a=np.float32([1]))
    np.testing.assert_array_equal(drawn(Recorded(path=path), 1), [1])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", r"all.npz: say which array with key = NAME; there are inputs, outputs$"),
        ("input", r"all.npz \(input\): say which array with key = NAME; nearest: inputs"),
    ],
)
def test_an_array_that_is_not_in_the_npz_is_told(tmp_path: Path, key: str, message: str) -> None:
    path = tmp_path / "all.npz"
    np.savez(path, inputs=np.ones(1), outputs=np.ones(1))
    with pytest.raises(RequestError, match=message):
        load(Recorded(path=path, key=key))


def test_the_files_of_a_folder_are_strings_by_name(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", ".hidden", "c.png"):
        (tmp_path / name).write_bytes(name.encode() + b"\0")
    (tmp_path / "more").mkdir()
    strings = drawn(Recorded(path=tmp_path), 3, dtype="string")
    assert strings.dtype == object
    assert strings.tolist() == [b"a.png\0", b"b.png\0", b"c.png\0"]


def test_another_file_is_a_string(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\0")
    assert drawn(Recorded(path=path), dtype="string").item() == b"\x89PNG\0"
    assert drawn(Recorded(path=path), 2, dtype="string").tolist() == [b"\x89PNG\0"] * 2


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=f"^{tmp_path}: the folder holds no file$"):
        load(Recorded(path=tmp_path))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"x\.npy: No such file or directory$"):
        load(Recorded(path=tmp_path / "x.npy"))


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
@pytest.mark.parametrize("content", [b"", b"junk", b"\x93NUMPY\x01\x00junk", b"PK\x03\x04junk"])
def test_a_file_that_is_no_array_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(
        RequestError,
        match=rf"{name}: no array of numbers or strings can be read, as numpy.save writes it: .",
    ):
        load(Recorded(path=path))


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(RequestError, match="no array of numbers or strings can be read"):
        load(Recorded(path=path))


@pytest.mark.parametrize(
    ("array", "dtype", "expected"),
    [
        (np.float64([0.1]), "float32", np.float32([0.1])),
        (np.float32([0.1]), "float64", np.float64(np.float32([0.1]))),
        (np.int64([1, 2]), "int32", np.int32([1, 2])),
        (np.float64([3.0]), "int32", np.int32([3])),
        (np.uint8([0, 255]), "float32", np.float32([0, 255])),
        (np.array([0, 1]), "bool", np.array([False, True])),
        (np.array([True]), "int32", np.int32([1])),
        (np.float64([np.nan, np.inf]), "float16", np.float16([np.nan, np.inf])),
        (np.complex128([1j]), "complex64", np.complex64([1j])),
        (np.float32([1.0]), "complex64", np.complex64([1])),
        (np.float32([1.0]), "bfloat16", np.array([1], ml_dtypes.bfloat16)),
        (np.array(["é", "b"]), "string", np.array(["é".encode(), b"b"], object)),
        (np.array([b"a"]), "string", np.array([b"a"], object)),
        (np.zeros((0, 2)), "int32", np.zeros((0, 2), np.int32)),
        (np.zeros((0, 2)), "string", np.zeros((0, 2), object)),
        (np.zeros((0, 2), "S1"), "float32", np.zeros((0, 2), np.float32)),
    ],
)
def test_values_are_taken_in_the_dtype_of_the_input(
    array: Array, dtype: str, expected: Array
) -> None:
    found = converted(array, numpy_dtype(dtype), where="x.npy")
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_saved_bfloat16_is_read_back(tmp_path: Path) -> None:
    values = np.array([1.5, -2.0], ml_dtypes.bfloat16)
    recorded = saved(tmp_path, values)
    found = drawn(recorded, 2, dtype="bfloat16")
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("array", "dtype", "message"),
    [
        (np.float64([1.0, 0.5]), "int32", "^x.npy: float64 0.5 is no value of int32$"),
        (np.int64([1, 2**40]), "int32", "^x.npy: int64 1099511627776 is no value of int32$"),
        (np.float32([np.nan]), "int32", "^x.npy: float32 nan is no value of int32$"),
        (np.array([2]), "bool", "^x.npy: int64 2 is no value of bool$"),
        (np.float64([1e300]), "float32", r"^x.npy: float64 1e\+300 is no value of float32$"),
        (np.zeros(1, "V4"), "float32", "^x.npy: .V4 .* is no value of float32$"),
        (np.complex64([1j]), "float32", "^x.npy: complex64 1j is no value of float32$"),
        (np.array(["a"]), "float32", "^x.npy: string 'a' is no value of float32$"),
        (np.array([b"a"], object), "int32", "^x.npy: string b'a' is no value of int32$"),
        (np.float32([1]), "string", "^x.npy: float32 values are no strings, which the model takes"),
    ],
)
def test_values_that_would_be_lost_are_told(array: Array, dtype: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        converted(array, numpy_dtype(dtype), where="x.npy")


@pytest.mark.parametrize(
    ("array", "model", "shape"),
    [
        ((10, 3), (None, 3), (None, 3)),
        ((10, 7, 3), (None, None, 3), (None, 7, 3)),
        ((10, 7, 3), None, (None, 7, 3)),
        ((10, 3), (4, 3), (4, 3)),
        ((10, 3), (3,), (3,)),
        ((10, 3), (None,), (3,)),
        ((10,), (), ()),
        ((), (), ()),
        ((), (None,), (None,)),
        ((), None, ()),
        ((5,), (None,), (None,)),
    ],
)
def test_the_shape_of_examples_is_the_file_s_but_for_the_rows(
    tmp_path: Path, array: tuple[int, ...], model: Shape | None, shape: Shape
) -> None:
    assert check(saved(tmp_path, np.ones(array)), spec(model)) == shape


@pytest.mark.parametrize(
    ("array", "model", "message"),
    [
        ((10, 3), (None, 4), r"the array is \[10, 3\], and the model takes \[\?, 4\]$"),
        ((10, 3), (None, 3, 1), r"the array is \[10, 3\], and the model takes \[\?, 3, 1\]$"),
        ((), (None, None), r"the array is \[\], and the model takes \[\?, \?\]$"),
        ((0, 3), (None, 3), "the array holds nothing$"),
    ],
)
def test_an_array_that_fits_no_example_is_told(
    tmp_path: Path, array: tuple[int, ...], model: Shape, message: str
) -> None:
    with pytest.raises(RequestError, match=rf"^input spec x: from .*x\.npy: {message}"):
        check(saved(tmp_path, np.ones(array)), spec(model))


def test_an_array_of_another_dtype_is_told_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"x\.npy: float64 0.5 is no value of int32$"):
        check(saved(tmp_path, [0.5]), spec((None,), "int32"))


@pytest.mark.parametrize(
    ("array", "model"),
    [((10, 7, 3), (None, None, 3)), ((10, 3), (3,)), ((10,), ()), ((), (None,)), ((), None)],
)
def test_what_was_checked_can_be_drawn(
    tmp_path: Path, array: tuple[int, ...], model: Shape | None
) -> None:
    recorded = saved(tmp_path, np.ones(array))
    shape = tuple(4 if size is None else size for size in check(recorded, spec(model)))
    assert drawn(recorded, *shape).shape == shape
