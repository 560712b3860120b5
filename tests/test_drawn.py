"""The report says what feeds were drawn from, input by input."""

from __future__ import annotations

from harness.domain import Axis, Domain, Range, Sparse
from harness.drawn import drawn_inputs
from harness.signature import Signature, TensorSpec
from harness.verdict import DrawnInput

BATCH = Axis(name="batch", sizes=tuple(range(9)))


def signature(*names: str) -> Signature:
    specs = (TensorSpec(name=name, dtype="int64", shape=None) for name in names)
    return Signature(inputs=tuple(specs), outputs=())


def test_an_input_is_told_with_axes_values_and_where_they_were_read() -> None:
    ids = Domain(shape=(BATCH, 3), values=Range(low=0, high=49), read_from="lookup")
    assert drawn_inputs(signature("ids"), {"ids": ids}) == (
        DrawnInput(
            name="ids",
            shape="[batch, 3]",
            axes=("batch 0..8",),
            values="0 to 49",
            read_from="lookup",
        ),
    )


def test_inputs_are_told_in_the_order_of_the_signature() -> None:
    told = drawn_inputs(signature("b", "a"), {"a": Domain(), "b": Domain()})
    assert [entry.name for entry in told] == ["b", "a"]


def test_an_input_of_which_nothing_is_known_is_told_as_open() -> None:
    assert drawn_inputs(signature("x"), {}) == (DrawnInput(name="x", shape="[...]"),)


def test_the_parts_of_a_sparse_tensor_are_told_together() -> None:
    sparse = Sparse(values="values", dense_shape="shape", shape=(BATCH, 32))
    told = drawn_inputs(
        signature("indices", "values", "shape"),
        {
            "indices": Domain(shape=(None, 2), values=sparse),
            "values": Domain(shape=(None,)),
            "shape": Domain(shape=(2,)),
        },
    )
    assert [entry.shape for entry in told] == ["[?, 2]", "[?]", "[2]"]
    assert told[0].axes == ("batch 0..8",)
    assert told[1].values == told[2].values == "drawn together with indices"


def test_a_distribution_that_was_asked_for_is_told() -> None:
    (told,) = drawn_inputs(signature("x"), {"x": Domain(shape=(), distribution="image")})
    assert told.values == "distribution image"


def test_what_refuses_other_sizes_is_told() -> None:
    height = Axis(name="height", sizes=(7, 8), refused_by="conv/Conv2D")
    (told,) = drawn_inputs(signature("x"), {"x": Domain(shape=(height,))})
    assert told.axes == ("height 7, 8 (some others are refused by conv/Conv2D)",)
