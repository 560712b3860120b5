"""Arrays by tensor name, in a file and back: bits, dtypes and shapes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from harness.criteria import Array, Exact, compare
from harness.errors import RequestError
from harness.reproduction.arrays import read_arrays, write_arrays

STRINGS = np.empty((2, 2), dtype=object)
STRINGS[:] = [[b"a\0", b""], [b"\0\0", b"\xff"]]


def and_back(path: Path, arrays: dict[str, Array]) -> dict[str, Array]:
    index = write_arrays(path / "arrays.npz", arrays)
    return read_arrays(path / "arrays.npz", json.loads(json.dumps(index)))


@pytest.mark.parametrize(
    "array",
    [
        np.array([1.5, np.nan, np.inf, -0.0], np.float32),
        np.array(3, np.int8),
        np.array([[True], [False]]),
        np.array([1 + 2j], np.complex64),
        np.array([complex(np.nan, -0.0)], np.complex128),
        np.zeros((0, 3), np.float64),
        np.array([2**64 - 1], np.uint64),
        np.arange(6, dtype=np.float16).reshape(2, 3).T,
        np.array([[1.5, -0.0]], ml_dtypes.bfloat16),
        np.array(1.5, ml_dtypes.bfloat16),
        np.arange(6).reshape(2, 3).T.astype(ml_dtypes.float8_e5m2),
        np.array([0.5], ml_dtypes.float8_e4m3fn),
        STRINGS,
        np.array(b"ends in\0", dtype=object),
        np.empty((2, 0), dtype=object),
    ],
    ids=lambda array: f"{array.dtype}{list(array.shape)}",
)
def test_an_array_comes_back_bit_for_bit(array: Array, tmp_path: Path) -> None:
    (back,) = and_back(tmp_path, {"x": array}).values()
    assert compare(array, back, criterion=Exact()) is None


def test_a_nan_keeps_its_payload(tmp_path: Path) -> None:
    array = np.array([0x7FC00123, 0x7F800001], np.uint32).view(np.float32)
    back = and_back(tmp_path, {"x": array})["x"]
    assert back.view(np.uint32).tolist() == [0x7FC00123, 0x7F800001]


def test_names_may_be_those_of_tensors_and_their_order_stays(tmp_path: Path) -> None:
    arrays = {name: np.array(n) for n, name in enumerate(["b/x:1", "file", "a0", "ünï [1]"])}
    back = and_back(tmp_path, arrays)
    assert list(back) == list(arrays)
    assert [int(value) for value in back.values()] == [0, 1, 2, 3]


def test_no_array_is_an_empty_file(tmp_path: Path) -> None:
    assert and_back(tmp_path, {}) == {}


def test_the_file_holds_no_pickle(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.npz", {"x": STRINGS})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as members:
        assert all(members[name].dtype != object for name in members)


@pytest.mark.parametrize(
    "array", [np.array(["text"], dtype=object), np.zeros(1, [("qint8", np.int8)]), np.array(["a"])]
)
def test_what_cannot_be_kept_is_refused_by_name(array: Array, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="scope/x"):
        write_arrays(tmp_path / "a.npz", {"scope/x": array})


INDEX: dict[str, Any] = {"name": "x", "dtype": "float32", "shape": [2], "array": "a0"}


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "float64"},
        {"dtype": "bfloat16"},
        {"dtype": "finfo"},
        {"shape": [1]},
        {"shape": [1, 2]},
        {"array": "a7"},
        {"array": None},
        {"dtype": "string", "lengths": "a0"},
    ],
    ids=str,
)
def test_what_is_not_what_the_index_says_is_damaged(change: Any, tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.npz", {"x": np.zeros(2, np.float32)})
    with pytest.raises(RequestError, match=r"a\.npz is damaged: "):
        read_arrays(tmp_path / "a.npz", [{**INDEX, **change}])


@pytest.mark.parametrize("lengths", [[1, 1], [2, 2], [-1, 4]], ids=str)
def test_strings_that_are_not_as_long_as_stated_are_damaged(
    lengths: list[int], tmp_path: Path
) -> None:
    index = write_arrays(tmp_path / "a.npz", {"x": np.array([b"a", b"bc"], dtype=object)})
    np.savez(tmp_path / "a.npz", a0=np.frombuffer(b"abc", np.uint8), a0_lengths=np.array(lengths))
    with pytest.raises(RequestError, match="as long as their lengths say"):
        read_arrays(tmp_path / "a.npz", index)


def test_a_changed_byte_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    index = write_arrays(path, {"x": np.full(100, 7, np.uint8)})
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\7\7\7", b"\7\6\7", 1))
    with pytest.raises(RequestError, match="is damaged"):
        read_arrays(path, index)


@pytest.mark.parametrize("keep", [0, 20, -30])
def test_half_a_file_is_damage(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    index = write_arrays(path, {"x": np.zeros(9)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RequestError, match="is damaged"):
        read_arrays(path, index)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"none\.npz: No such file"):
        read_arrays(tmp_path / "none.npz", [])


class Trap:
    """What a pickle may hold: a function that is called when it is opened."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("the pickle was opened",)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("a0.npy", "w") as member:
        np.save(member, np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(RequestError, match="is damaged"):
        read_arrays(path, [INDEX])
