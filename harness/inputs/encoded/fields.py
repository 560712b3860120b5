"""What a column of CSV or a feature holds: plain values, or strings that hold something else."""

from __future__ import annotations

import numpy as np

from harness.criteria import Array
from harness.domain import NumberTexts, Pictures, Sounds, Values
from harness.inputs.encoded.number_texts import draw_number_texts
from harness.inputs.encoded.pictures import draw_pictures
from harness.inputs.encoded.plain import plain_values
from harness.inputs.encoded.sounds import draw_sounds


def field_values(
    dtype_name: str,
    values: Values | None,
    count: int,
    rng: np.random.Generator,
    *,
    simplest: bool = False,
) -> Array:
    """Return `count` values of a TensorFlow dtype in an array of one dimension.

    Raises:
        RequestError: a field of that dtype cannot hold `values`.
    """
    if dtype_name == "string" and isinstance(values, Pictures | Sounds | NumberTexts):
        strings = np.empty(count, dtype=object)
        if isinstance(values, Pictures):
            strings[:] = draw_pictures(values, count, rng, simplest=simplest)
        elif isinstance(values, Sounds):
            strings[:] = draw_sounds(values, count, rng, simplest=simplest)
        else:
            strings[:] = draw_number_texts(values, count, rng, simplest=simplest)
        return strings
    return plain_values(dtype_name, values, count, rng, simplest=simplest)
