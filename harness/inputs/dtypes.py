"""TensorFlow's dtype names as numpy dtypes, without importing TensorFlow."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from harness.errors import RequestError

_OTHER = {
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    # TensorFlow takes and gives strings as arrays of bytes objects.
    "string": np.dtype(object),
}
_NUMPY = frozenset(
    {"bool", "float16", "float32", "float64", "complex64", "complex128"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
DTYPES = (*sorted(_NUMPY), *_OTHER)
"""TensorFlow's names of the dtypes that can be fed."""


def numpy_dtype(name: str) -> np.dtype[Any]:
    """Return the numpy dtype of feeds for a TensorFlow dtype.

    Raises:
        RequestError: no array can be made of it ("resource", "qint8", …).
    """
    if name in _NUMPY:
        plain: np.dtype[Any] = np.dtype(name)
        return plain
    if name in _OTHER:
        other: np.dtype[Any] = _OTHER[name]
        return other
    raise RequestError(
        f"an input of dtype {name} cannot be fed from numpy: cut the graph after it with --inputs"
    )
