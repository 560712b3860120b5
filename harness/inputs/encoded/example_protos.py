"""Serialized tf.train.Example and tf.train.SequenceExample.

The messages, from tensorflow/core/example/example.proto and feature.proto:

    Example { Features features = 1; }
    SequenceExample { Features context = 1; FeatureLists feature_lists = 2; }
    Features { map<string, Feature> feature = 1; }
    FeatureLists { map<string, FeatureList> feature_list = 1; }
    FeatureList { repeated Feature feature = 1; }
    Feature { one of BytesList bytes_list = 1; FloatList float_list = 2; Int64List int64_list = 3; }

where each list has its values in field 1, numbers packed, and an entry of a map is a message of
its key in field 1 and its value in field 2.

Models stack features, and pair indices with values: features of any number of values have the same
number of rows in an example, but for a few examples, in which each has its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from harness.criteria import Array
from harness.domain import Examples, Feature
from harness.inputs.encoded import wire
from harness.inputs.encoded.fields import field_values
from harness.inputs.encoded.plain import RARELY

MOST_ROWS = 8
MOST_STEPS = 5

_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3

Sizes = npt.NDArray[np.int64]


def draw_examples(
    examples: Examples, count: int, rng: np.random.Generator, *, simplest: bool = False
) -> list[bytes]:
    """Return `count` serialized examples, the `simplest` of them without what may be left out.

    Raises:
        RequestError: a feature cannot hold its values.
    """
    contexts = _features(examples.features, count, rng, simplest)
    written = [wire.field(1, context) for context in contexts]
    if not examples.feature_lists:
        return written
    lists = _feature_lists(examples.feature_lists, count, rng, simplest)
    return [context + wire.field(2, each) for context, each in zip(written, lists, strict=True)]


def _features(
    features: Mapping[str, Feature], count: int, rng: np.random.Generator, simplest: bool
) -> list[bytes]:
    """Return a `Features` for each example."""
    written = [b""] * count
    drawn = _sizes(len(features), count, MOST_ROWS, rng, simplest)
    for (name, feature), rows in zip(features.items(), drawn, strict=True):
        own = rows if _is_open(feature) else np.ones(count, np.int64)
        left_out = _left_out(feature, own, rng, simplest)
        messages = _messages(feature, np.where(left_out, 0, own), rng, simplest)
        for index in np.flatnonzero(~left_out):
            written[index] += _entry(name, messages[index])
    return written


def _feature_lists(
    lists: Mapping[str, Feature], count: int, rng: np.random.Generator, simplest: bool
) -> list[bytes]:
    """Return a `FeatureLists` for each example."""
    written = [b""] * count
    drawn = _sizes(len(lists), count, MOST_STEPS, rng, simplest)
    for (name, feature), steps in zip(lists.items(), drawn, strict=True):
        left_out = _left_out(feature, steps, rng, simplest)
        own = np.where(left_out, 0, steps)
        total = int(own.sum())
        rows = np.ones(total, np.int64)
        if _is_open(feature):
            (rows,) = _sizes(1, total, MOST_ROWS, rng, simplest)
        messages = iter(_messages(feature, rows, rng, simplest))
        for index in np.flatnonzero(~left_out):
            steps_of_one = (wire.field(1, next(messages)) for _ in range(own[index]))
            written[index] += _entry(name, b"".join(steps_of_one))
    return written


def _sizes(features: int, count: int, most: int, rng: np.random.Generator, simplest: bool) -> Sizes:
    """Return for each feature how many rows, or steps, it has in each example."""
    if simplest:
        return np.ones((features, count), np.int64)
    each_its_own = rng.random() < RARELY
    drawn = rng.integers(0, most, (features if each_its_own else 1, count), endpoint=True)
    return np.broadcast_to(drawn, (features, count))


def _left_out(
    feature: Feature, rows: Sizes, rng: np.random.Generator, simplest: bool
) -> npt.NDArray[np.bool_]:
    """Say of each example whether it lacks the feature: one of many rows only for want of any."""
    if feature.required or simplest:
        return np.full(rows.shape, not feature.required)
    chance = rng.random(rows.shape)
    return (rows == 0) & (chance < 0.5) if _is_open(feature) else chance < 0.25


def _is_open(feature: Feature) -> bool:
    return feature.shape is None or feature.shape[:1] == (None,)


def _messages(
    feature: Feature, rows: Sizes, rng: np.random.Generator, simplest: bool
) -> list[bytes]:
    """Return a `Feature` for each of `rows`; a feature of a fixed shape is one row."""
    row = (
        1
        if feature.shape is None
        else math.prod(size or 0 for size in feature.shape[_is_open(feature) :])
    )
    sizes = rows * row
    # All at once: pictures of an example have one size, and numpy is slow on small arrays.
    values = field_values(feature.dtype, feature.values, int(sizes.sum()), rng, simplest=simplest)
    ends = np.cumsum(sizes)
    return [_message(values[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


def _message(values: Array) -> bytes:
    if values.dtype.kind == "O":
        return wire.field(_BYTES_LIST, b"".join(wire.field(1, value) for value in values))
    if values.dtype.kind in "biu":
        return wire.field(_INT64_LIST, wire.field(1, wire.varints(values)))
    return wire.field(_FLOAT_LIST, wire.field(1, wire.floats(values)))


def _entry(name: str, message: bytes) -> bytes:
    """Return the entry of a map, which is the field 1 of `Features` and of `FeatureLists`."""
    return wire.field(1, wire.field(1, name.encode()) + wire.field(2, message))
