"""Feeds that stand in files: an array of .npy or .npz, or files whose bytes are strings."""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.criteria import Array
from harness.domain import Recorded
from harness.errors import RequestError, file_error, first_line, listed, nearest
from harness.inputs.dtypes import numpy_dtype
from harness.signature import Shape, TensorSpec, format_shape, shape_accepts

_ARRAYS = (".npy", ".npz")


def check(recorded: Recorded, spec: TensorSpec) -> Shape:
    """Return the shape of the examples that the file gives: its own, of as many rows as are drawn.

    Raises:
        RequestError: the file cannot be read, or what it holds does not fit the input.
    """
    whole = load(recorded)
    array = np.atleast_1d(converted(whole, numpy_dtype(spec.dtype), where=str(recorded)))
    if not array.size:
        raise RequestError(f"input spec {spec.name}: {recorded}: the array holds nothing")
    if spec.shape is None:
        return (None, *array.shape[1:]) if whole.ndim else ()
    if len(spec.shape) == array.ndim and shape_accepts(spec.shape[1:], array.shape[1:]):
        return (*spec.shape[:1], *array.shape[1:])
    if shape_accepts(spec.shape, array.shape[1:]):
        return array.shape[1:]
    raise RequestError(
        f"input spec {spec.name}: {recorded}: the array is {format_shape(whole.shape)}, and the "
        f"model takes {format_shape(spec.shape)}"
    )


def draw(
    recorded: Recorded, dtype: np.dtype[Any], shape: tuple[int, ...], rng: np.random.Generator
) -> Array:
    """Return an array of `shape`: rows of the file in order, from a random one on, and over again.

    Where the file's own rows have `shape`, one of them; where the whole array has, the array.

    Raises:
        RequestError: the file cannot be read, or holds nothing of that dtype and shape.
    """
    array = np.atleast_1d(load(recorded))
    if array.shape == shape:
        drawn = array
    elif array.shape[1:] == shape and len(array):
        drawn = array[rng.integers(len(array))]
    elif shape and array.shape[1:] == shape[1:] and len(array):
        first = rng.integers(len(array))
        drawn = array[(first + np.arange(shape[0])) % len(array)]
    else:
        raise RequestError(
            f"{recorded}: the array is {format_shape(array.shape)}, of which no "
            f"{format_shape(shape)} can be taken"
        )
    # A copy: what is fed must not be the array that other examples are taken from.
    return converted(np.array(drawn, dtype=array.dtype), dtype, where=str(recorded))


@functools.lru_cache(maxsize=8)
def load(recorded: Recorded) -> Array:
    """Return the whole array. A folder is a row of strings, and any other file is one string.

    Raises:
        RequestError: there is no such file, or it holds no array, or none by that key.
    """
    path = recorded.path
    try:
        if path.is_dir():
            return _strings([file.read_bytes() for file in _files(path)])
        if path.suffix.lower() not in _ARRAYS:
            return np.array(path.read_bytes(), dtype=object)
        return _array(recorded)
    except OSError as error:
        raise RequestError(file_error(error)) from error


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder by name, without those that are hidden.

    Raises:
        RequestError: there are none.
    """
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    if not files:
        raise RequestError(f"{folder}: the folder holds no file")
    return files


def _array(recorded: Recorded) -> Array:
    try:
        # Opened here: of a file that is none, numpy leaves it open.
        with recorded.path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return loaded if isinstance(loaded, np.ndarray) else _named(recorded, loaded)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RequestError(
            f"{recorded}: no array of numbers or strings can be read, as numpy.save writes it: "
            f"{first_line(error)}"
        ) from error


def _named(recorded: Recorded, arrays: Mapping[str, Array]) -> Array:
    names = list(arrays)
    key = recorded.key or (names[0] if len(names) == 1 else "")
    if key not in names:
        hint = nearest(key, names) or f"; there are {listed(names)}"
        raise RequestError(f"{recorded}: say which array with key = NAME{hint}")
    return arrays[key]


def converted(array: Array, dtype: np.dtype[Any], *, where: str) -> Array:
    """Return the array in the dtype of a feed; floats are rounded, nothing else is changed.

    Raises:
        RequestError: values would be lost.
    """
    if array.dtype == dtype:
        return array
    if not array.size:
        return np.zeros(array.shape, dtype)
    if dtype.kind == "O":
        return _as_strings(array, where)
    if array.dtype.kind == "V" and array.dtype.itemsize == dtype.itemsize and dtype.isbuiltin == 2:
        return array.view(dtype)  # numpy.save keeps of bfloat16 and the like the bytes alone
    kept = np.zeros(array.shape, bool)
    if array.dtype.kind in "biuf" or array.dtype.kind == dtype.kind == "c":
        with np.errstate(all="ignore"):
            changed = array.astype(dtype)
            kept = _survives(array, changed)
        if kept.all():
            return changed
    lost = str(array[~kept].reshape(-1)[:1].tolist())[1:-1]
    kind = "string" if array.dtype.kind in "SUO" else array.dtype
    raise RequestError(f"{where}: {kind} {lost:.40} is no value of {dtype}")


def _survives(array: Array, changed: Array) -> npt.NDArray[np.bool_]:
    if changed.dtype.kind in "biu":
        return np.asarray(changed == array)
    return np.asarray(np.isfinite(changed) == np.isfinite(array))


def _as_strings(array: Array, where: str) -> Array:
    if array.dtype.kind not in "SU":
        raise RequestError(f"{where}: {array.dtype} values are no strings, which the model takes")
    texts = array.reshape(-1).tolist()
    strings = _strings([text.encode() if isinstance(text, str) else text for text in texts])
    return strings.reshape(array.shape)


def _strings(texts: list[bytes]) -> Array:
    strings = np.empty(len(texts), dtype=object)
    strings[:] = texts
    return strings
