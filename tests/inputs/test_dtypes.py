"""TensorFlow's dtype names as numpy dtypes."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from harness.errors import RequestError
from harness.inputs.dtypes import numpy_dtype


@pytest.mark.parametrize(
    "name",
    [
        "bool",
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
        *("float16", "float32", "float64", "complex64", "complex128"),
    ],
)
def test_plain_dtypes_have_numpys_name(name: str) -> None:
    assert numpy_dtype(name) == np.dtype(name)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e5m2", "float8_e4m3fn"])
def test_floats_that_numpy_lacks_are_those_of_ml_dtypes(name: str) -> None:
    assert numpy_dtype(name) == np.dtype(getattr(ml_dtypes, name))


def test_strings_are_objects() -> None:
    assert numpy_dtype("string") == np.dtype(object)


@pytest.mark.parametrize("name", ["resource", "variant", "qint8", "float32_ref", "object", "str"])
def test_what_cannot_be_fed_is_to_be_cut_off(name: str) -> None:
    with pytest.raises(RequestError, match=f"dtype {name} cannot be fed .* --inputs"):
        numpy_dtype(name)
