"""Numbers in decimal."""

from __future__ import annotations

import numpy as np

from harness.criteria import Array
from harness.domain import NumberTexts
from harness.inputs.encoded.plain import plain_values


def draw_number_texts(
    values: NumberTexts, count: int, rng: np.random.Generator, *, simplest: bool = False
) -> list[bytes]:
    """Return `count` numbers in decimal, the `simplest` of them "0"."""
    numbers = plain_values(values.dtype, None, count, rng, simplest=simplest)
    return in_decimal(numbers, rng)


def in_decimal(numbers: Array, rng: np.random.Generator) -> list[bytes]:
    """Return each number in text that gives it back: "7", "-1.5", or "3.00000000e-03".

    No "+7" and no "1." of an integer: StringToNumber of TensorFlow 2.12 refuses them.
    """
    if numbers.dtype.kind in "biu":
        return [str(int(number)).encode() for number in numbers]
    digits = 17 if numbers.dtype == np.float64 else 9
    forms = (f".{digits}g", f".{digits}g", f".{digits - 1}e")
    picked = rng.integers(len(forms), size=numbers.size)
    return [
        # A plain zero whatever the form: it is what a failing example is reduced to.
        format(float(number), forms[form] if number else ".0f").encode()
        for number, form in zip(numbers, picked, strict=True)
    ]
