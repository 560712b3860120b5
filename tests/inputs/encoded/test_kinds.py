"""Arrays of encoded strings."""

from __future__ import annotations

import numpy as np
import pytest

from harness.domain import Column, Examples, Feature, NumberTexts, Pictures, Records, Sounds
from harness.inputs.encoded import Encoded, encode

KINDS = [
    Pictures(formats=("png",)),
    Sounds(samples=(3,)),
    NumberTexts(),
    Records(columns=(Column(dtype="int32"),)),
    Examples(features={"x": Feature(dtype="float32", shape=(2,))}),
    Examples(features={}, feature_lists={"x": Feature(dtype="float32", shape=(2,))}),
]


@pytest.mark.parametrize("simplest", [False, True])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (0,), (2, 0)])
@pytest.mark.parametrize("values", KINDS, ids=lambda values: type(values).__name__)
def test_an_array_has_the_shape_asked_for_and_strings_in_it(
    values: Encoded, shape: tuple[int, ...], simplest: bool
) -> None:
    array = encode(values, shape, np.random.default_rng(0), simplest=simplest)
    assert isinstance(array, np.ndarray)
    assert (array.shape, array.dtype) == (shape, np.dtype(object))
    assert all(isinstance(item, bytes) for item in array.reshape(-1))
