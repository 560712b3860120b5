"""An array of strings of each kind of encoded values."""

from __future__ import annotations

import math

import numpy as np

from harness.criteria import Array
from harness.domain import Examples, NumberTexts, Pictures, Records, Sounds
from harness.inputs.encoded.example_protos import draw_examples
from harness.inputs.encoded.number_texts import draw_number_texts
from harness.inputs.encoded.pictures import draw_pictures
from harness.inputs.encoded.records import draw_records
from harness.inputs.encoded.sounds import draw_sounds

Encoded = Pictures | Sounds | NumberTexts | Records | Examples


def encode(
    values: Encoded, shape: tuple[int, ...], rng: np.random.Generator, *, simplest: bool = False
) -> Array:
    """Return an array of bytes objects of `shape`, each of them encoded as `values` says.

    The `simplest` are the smallest pictures, all black, zeros, and nothing that may be left out.

    Raises:
        RequestError: a column or a feature has values that cannot be written.
    """
    strings = np.empty(math.prod(shape), dtype=object)
    strings[:] = _drawn(values, strings.size, rng, simplest)
    return strings.reshape(shape)


def _drawn(values: Encoded, count: int, rng: np.random.Generator, simplest: bool) -> list[bytes]:
    if isinstance(values, Pictures):
        return draw_pictures(values, count, rng, simplest=simplest)
    if isinstance(values, Sounds):
        return draw_sounds(values, count, rng, simplest=simplest)
    if isinstance(values, NumberTexts):
        return draw_number_texts(values, count, rng, simplest=simplest)
    if isinstance(values, Records):
        return draw_records(values, count, rng, simplest=simplest)
    return draw_examples(values, count, rng, simplest=simplest)
