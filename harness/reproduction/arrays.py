"""Arrays by tensor name in an .npz file, bits and all, and read back without pickle.

Names of tensors ("scope/x:1") are none for members of an archive, so that an index, which is JSON,
says which array is whose. Strings are their bytes in one row beside their lengths; dtypes that
numpy does not know by itself (bfloat16, float8) are the unsigned integers of their size.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from harness.criteria import Array
from harness.errors import RequestError, first_line

_STRING = "string"
_PLAIN = "biufc"

Index = list[dict[str, Any]]
"""Of each array its name, dtype and shape, and the members of the archive that hold it."""


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> Index:
    """Write arrays into a new file and return its index.

    Raises:
        OSError: the file cannot be written.
        ValueError: an array is neither of numbers nor of bytes.
    """
    members: dict[str, Array] = {}
    index: Index = []
    for number, (name, array) in enumerate(arrays.items()):
        member, lengths = f"a{number}", f"a{number}_lengths"
        entry = {"name": name, "shape": list(array.shape), "array": member}
        if array.dtype == object:
            members[member], members[lengths] = _flattened(name, array)
            index.append({**entry, "dtype": _STRING, "lengths": lengths})
        else:
            members[member] = _as_plain(name, array)
            index.append({**entry, "dtype": array.dtype.name})
    np.savez(path, **members)  # type: ignore[arg-type]  # numpy < 2.1 declares no array here
    return index


def read_arrays(path: Path, index: Index) -> dict[str, Array]:
    """Return the arrays by name, in the order of the index.

    Raises:
        RequestError: the file is not there, is damaged, or is not what the index says.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as members:
            return {entry["name"]: _array(entry, members) for entry in index}
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror or error}") from error
    except (
        ValueError, TypeError, KeyError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise RequestError(f"{path} is damaged: {first_line(error)}") from error


def _flattened(name: str, array: Array) -> tuple[Array, Array]:
    items = array.reshape(-1).tolist()
    if not all(isinstance(item, bytes) for item in items):
        raise ValueError(f"{name}: an array of objects that are no bytes")
    lengths = np.array([len(item) for item in items], dtype=np.int64)
    return np.frombuffer(b"".join(items), dtype=np.uint8), lengths


def _as_plain(name: str, array: Array) -> Array:
    # `np.ascontiguousarray` makes a row of what has rank 0.
    array = np.array(array, order="C", copy=True)
    if array.dtype.kind in _PLAIN and array.dtype.isbuiltin == 1:
        return array
    if not hasattr(ml_dtypes, array.dtype.name):
        raise ValueError(f"{name}: arrays of dtype {array.dtype} cannot be kept")
    return array.view(f"u{array.dtype.itemsize}")


def _array(entry: Mapping[str, Any], members: Mapping[str, Array]) -> Array:
    shape, dtype = tuple(entry["shape"]), entry["dtype"]
    array = members[entry["array"]]
    if dtype == _STRING:
        return _strings(array, members[entry["lengths"]]).reshape(shape)
    expected = np.dtype(getattr(ml_dtypes, dtype, dtype))
    if expected.isbuiltin != 1:
        array = array.view(expected)
    if array.dtype != expected or array.shape != shape:
        raise ValueError(
            f"{entry['name']} is {array.dtype} {list(array.shape)}, and should be {dtype} "
            f"{list(shape)}"
        )
    return array


def _strings(data: Array, lengths: Array) -> Array:
    if data.dtype != np.uint8 or (lengths < 0).any() or lengths.sum() != data.size:
        raise ValueError("the strings are not as long as their lengths say")
    ends = np.cumsum(lengths)
    whole = data.tobytes()
    items = np.empty(lengths.size, dtype=object)
    items[:] = [
        whole[start:end]
        for start, end in zip((ends - lengths).tolist(), ends.tolist(), strict=True)
    ]
    return items
