"""Serialized examples that TensorFlow parses, with the values that were meant."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from harness.domain import (
    Choices,
    Examples,
    Feature,
    NumberTexts,
    Phase,
    Pictures,
    Range,
    Sounds,
)
from harness.errors import RequestError
from harness.inputs.encoded import encode

seeds = st.integers(0, 2**32 - 1)
PARSED = ("float32", "int64", "string")

shapes = st.one_of(
    st.none(),
    st.lists(st.integers(1, 3), max_size=2).map(tuple),
    st.lists(st.integers(1, 3), max_size=2).map(lambda rest: (None, *rest)),
)
features = st.dictionaries(
    st.text(max_size=6),
    st.builds(Feature, dtype=st.sampled_from(PARSED), shape=shapes, required=st.booleans()),
    min_size=1,
    max_size=4,
)


def drawn(
    examples: Examples, seed: int = 0, count: int = 60, *, simplest: bool = False
) -> list[bytes]:
    return list(encode(examples, (count,), np.random.default_rng(seed), simplest=simplest))


def parsed_as(feature: Feature) -> Any:
    dtype = tf.as_dtype(feature.dtype)
    if feature.shape is None:
        return tf.io.VarLenFeature(dtype)
    if feature.shape[:1] == (None,):
        return tf.io.FixedLenSequenceFeature(feature.shape[1:], dtype, allow_missing=True)
    if feature.required:
        return tf.io.FixedLenFeature(feature.shape, dtype)
    default = np.full(feature.shape, "missing" if dtype == tf.string else -1)
    return tf.io.FixedLenFeature(feature.shape, dtype, default)


def values_of(feature: tf.train.Feature) -> list[Any]:
    kind = feature.WhichOneof("kind")
    return [] if kind is None else list(getattr(feature, kind).value)


def column(examples: list[bytes], name: str) -> list[list[Any] | None]:
    """Return the values of a feature in each example, None where it is left out."""
    parsed = [tf.train.Example.FromString(each).features.feature for each in examples]
    return [values_of(each[name]) if name in each else None for each in parsed]


@given(features=features, seed=seeds, simplest=st.booleans())
def test_a_batch_of_examples_is_parsed(
    features: dict[str, Feature], seed: int, simplest: bool
) -> None:
    written = drawn(Examples(features=features), seed, 5, simplest=simplest)
    spec = {name: parsed_as(feature) for name, feature in features.items()}
    batch = tf.io.parse_example(written, spec)
    for name, feature in features.items():
        assert batch[name].dtype == feature.dtype
    for each in written:
        tf.io.parse_single_example(each, spec)


@settings(max_examples=50)
@given(
    context=st.just({}) | features,
    lists=st.dictionaries(
        st.text(max_size=6),
        st.builds(
            Feature,
            dtype=st.sampled_from(PARSED),
            shape=st.none() | st.lists(st.integers(1, 3), max_size=2).map(tuple),
            required=st.booleans(),
        ),
        min_size=1,
        max_size=3,
    ),
    seed=seeds,
    simplest=st.booleans(),
)
def test_a_batch_of_sequence_examples_is_parsed(
    context: dict[str, Feature], lists: dict[str, Feature], seed: int, simplest: bool
) -> None:
    # ParseSequenceExample has no features of many rows in the context.
    context = {
        name: feature for name, feature in context.items() if feature.shape is None
        or feature.shape[:1] != (None,)
    }  # fmt: skip
    context = {name: feature for name, feature in context.items() if name not in lists}
    written = drawn(Examples(features=context, feature_lists=lists), seed, 5, simplest=simplest)
    context_spec = {name: parsed_as(feature) for name, feature in context.items()}
    spec = {
        name: tf.io.VarLenFeature(feature.dtype)
        if feature.shape is None
        else tf.io.FixedLenSequenceFeature(
            feature.shape, feature.dtype, allow_missing=not feature.required
        )
        for name, feature in lists.items()
    }
    for each in written:
        tf.io.parse_single_sequence_example(each, context_spec or None, spec)
    _, sequences, lengths = tf.io.parse_sequence_example(written, context_spec or None, spec)
    assert set(sequences) == set(lists)
    for name, feature in lists.items():
        if feature.shape is not None:
            assert (lengths[name].numpy() <= 5).all()


@pytest.mark.parametrize(
    ("dtype", "value", "read"),
    [
        ("float32", -1.5, -1.5),
        ("float64", 0.1, float(np.float32(0.1))),
        ("bfloat16", 2.5, 2.5),
        ("int64", -(2**63), -(2**63)),
        ("int64", 2**63 - 1, 2**63 - 1),
        ("int64", 300, 300),
        ("int64", 128, 128),
        ("int64", 127, 127),
        ("int32", -1, -1),
        ("uint8", 255, 255),
        ("bool", True, 1),
        ("string", "naïve", "naïve".encode()),
        ("string", b"\xff" * 200, b"\xff" * 200),
    ],
)
def test_a_stated_value_is_read_back(dtype: str, value: Any, read: Any) -> None:
    feature = Feature(dtype=dtype, shape=(2, 3), values=Choices(values=(value,)))
    (values,) = column(drawn(Examples(features={"ö": feature}), count=1), "ö")
    assert values == [read] * 6


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1), seed=seeds)
def test_any_int64_is_read_back(values: list[int], seed: int) -> None:
    feature = Feature(dtype="int64", shape=(20,), values=Choices(values=tuple(values)))
    (read,) = column(drawn(Examples(features={"x": feature}), seed, 1), "x")
    assert set(read) <= set(values)


def test_a_fixed_shape_has_all_its_values_in_each_example() -> None:
    feature = Feature(dtype="float32", shape=(2, 3))
    found = column(drawn(Examples(features={"x": feature})), "x")
    assert {len(values) for values in found} == {6}
    assert len({tuple(values) for values in found}) == 60


def test_a_shape_that_is_open_has_from_none_to_eight_values() -> None:
    found = column(drawn(Examples(features={"x": Feature(dtype="int64")}), count=200), "x")
    assert {len(values) for values in found} == set(range(9))


def test_rows_are_whole() -> None:
    feature = Feature(dtype="string", shape=(None, 2, 3))
    found = column(drawn(Examples(features={"x": feature}), count=200), "x")
    assert {len(values) for values in found} == {6 * rows for rows in range(9)}


def test_what_is_required_is_always_there_and_the_rest_at_times() -> None:
    features = {
        "fixed": Feature(dtype="int64", shape=()),
        "open": Feature(dtype="int64"),
        "fixed or nothing": Feature(dtype="int64", shape=(), required=False),
        "open or nothing": Feature(dtype="int64", required=False),
    }
    written = drawn(Examples(features=features), count=300)
    missing = {name: column(written, name).count(None) for name in features}
    assert missing["fixed"] == missing["open"] == 0
    assert 50 < missing["fixed or nothing"] < 100
    assert 5 < missing["open or nothing"] < 30


def test_features_of_many_rows_have_the_same_number_in_an_example_but_in_few_calls() -> None:
    # As tf.io.SparseFeature needs, which has its indices in one and its values in another.
    features = {name: Feature(dtype="int64", required=name != "b") for name in "abc"}
    alike = 0
    for seed in range(200):
        written = drawn(Examples(features=features), seed, 4)
        counts = [[len(each or ()) for each in column(written, name)] for name in features]
        alike += counts[0] == counts[1] == counts[2]
    assert 175 < alike < 200


def test_feature_lists_have_from_none_to_five_steps_the_same_in_an_example_but_in_few_calls() -> (
    None
):
    lists = {name: Feature(dtype="int64", shape=()) for name in ("words", "tags")}
    alike, found = 0, set()
    for seed in range(200):
        (written,) = drawn(Examples(features={}, feature_lists=lists), seed, 1)
        parsed = tf.train.SequenceExample.FromString(written).feature_lists.feature_list
        words, tags = (len(parsed[name].feature) for name in lists)
        alike += words == tags
        found |= {words, tags}
    assert found == set(range(6))
    assert 175 < alike < 200


def test_values_of_each_kind_are_in_their_domain() -> None:
    features = {
        "range": Feature(dtype="int64", shape=(4,), values=Range(low=2, high=5)),
        "part": Feature(dtype="float32", shape=(4,), values=Range(low=-0.5, high=0.5)),
        "phase": Feature(dtype="bool", shape=(), values=Phase(inference=True, training=False)),
        "label": Feature(dtype="string", shape=(), values=Choices(values=("cat", b"dog"))),
        "number": Feature(dtype="string", shape=(), values=NumberTexts(dtype="int32")),
        "sound": Feature(dtype="string", shape=(), values=Sounds(samples=(5, 7))),
        "picture": Feature(dtype="string", shape=(), values=Pictures(heights=(3, 4, 5))),
    }
    written = drawn(Examples(features=features))
    found = {
        name: [v for values in column(written, name) for v in values or ()] for name in features
    }
    assert set(found["range"]) == {2, 3, 4, 5}
    assert {-0.5, 0.5} <= set(found["part"])
    assert all(-0.5 <= value <= 0.5 for value in found["part"])
    assert set(found["phase"]) == {1}
    assert set(found["label"]) == {b"cat", b"dog"}
    tf.strings.to_number(found["number"], tf.int32)
    assert len({tf.audio.decode_wav(each)[0].shape[0] for each in found["sound"]}) == 1
    assert (
        len({tuple(tf.io.decode_image(each, channels=3).shape) for each in found["picture"]}) == 1
    )


def test_the_simplest_has_one_zero_of_what_is_required_and_nothing_else() -> None:
    features = {
        "fixed": Feature(dtype="float32", shape=(2,)),
        "open": Feature(dtype="int64"),
        "word": Feature(dtype="string", shape=()),
        "range": Feature(dtype="int64", shape=(), values=Range(low=2, high=5)),
        "optional": Feature(dtype="int64", shape=(), required=False),
        "open optional": Feature(dtype="int64", required=False),
    }
    written = drawn(Examples(features=features), simplest=True)
    assert len(set(written)) == 1
    parsed = tf.train.Example.FromString(written[0]).features.feature
    assert {name: values_of(feature) for name, feature in parsed.items()} == {
        "fixed": [0, 0],
        "open": [0],
        "word": [b""],
        "range": [2],
    }


def test_the_same_seed_gives_the_same_examples() -> None:
    features = {name: Feature(dtype=dtype) for name, dtype in zip("abc", PARSED, strict=True)}
    assert drawn(Examples(features=features), 3) == drawn(Examples(features=features), 3)


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        (Feature(dtype="complex64"), "cannot hold complex64"),
        (Feature(dtype="int64", values=Choices(values=("a",))), "int64 cannot hold 'a'"),
        (Feature(dtype="string", values=Choices(values=(1,))), "string cannot hold 1"),
        (Feature(dtype="int64", values=Range(low=0.2, high=0.8)), "int64 cannot hold 0.2 to 0.8"),
        (Feature(dtype="string", values=Range(low=0, high=8)), "string cannot hold: 0 to 8"),
        (Feature(dtype="int64", values=Pictures()), "int64 cannot hold: pictures"),
    ],
)
def test_values_that_a_feature_cannot_hold_are_an_error_that_names_both(
    feature: Feature, said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        drawn(Examples(features={"x": feature}))
