"""Tensors by name, dtype and partly unknown shape."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from harness.signature import Shape, Signature, TensorSpec, format_shape, shape_accepts

X = TensorSpec(name="x", dtype="float32", shape=(None, 4))
TRAINING = TensorSpec(name="training", dtype="bool", shape=())
Y = TensorSpec(name="y:1", dtype="int64", shape=None)
sizes = st.lists(st.integers(0, 5), max_size=4).map(tuple)


def test_a_signature_lists_inputs_before_outputs() -> None:
    signature = Signature(inputs=(X, TRAINING), outputs=(Y,))
    assert list(signature) == [X, TRAINING, Y]
    assert signature.input_names == ("x", "training")
    assert signature.output_names == ("y:1",)


@pytest.mark.parametrize(
    ("shape", "text"),
    [(None, "[...]"), ((), "[]"), ((3,), "[3]"), ((None, 28, 28), "[?, 28, 28]"), ((0,), "[0]")],
)
def test_a_shape_is_told_with_unknown_sizes_as_question_marks(shape: Shape, text: str) -> None:
    assert format_shape(shape) == text


def test_a_tensor_is_told_in_three_words() -> None:
    assert str(X) == "x float32 [?, 4]"


@given(actual=sizes)
def test_an_unknown_rank_accepts_every_shape(actual: tuple[int, ...]) -> None:
    assert shape_accepts(None, actual)


@given(actual=sizes, data=st.data())
def test_a_shape_accepts_itself_whatever_sizes_are_unknown(
    actual: tuple[int, ...], data: st.DataObject
) -> None:
    unknown = data.draw(st.sets(st.integers(0, 3)))
    shape = tuple(None if axis in unknown else size for axis, size in enumerate(actual))
    assert shape_accepts(shape, actual)


@pytest.mark.parametrize(
    ("shape", "actual"),
    [((None, 4), (3, 5)), ((None,), ()), ((), (1,)), ((None, None), (3,)), ((1,), (0,))],
)
def test_a_shape_refuses_another_size_or_rank(shape: Shape, actual: tuple[int, ...]) -> None:
    assert not shape_accepts(shape, actual)
