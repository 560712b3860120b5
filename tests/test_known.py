"""Feeds whose outputs are known, held against what a model gives. Models are functions here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.criteria import Array
from harness.domain import KnownOutputs, Nested, Recorded
from harness.errors import Rejected, RequestError
from harness.known import check_known, feeds_of
from harness.signature import Shape, Signature, TensorSpec


def tensor(name: str, dtype: str = "float32", shape: Shape | None = (None,)) -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def known(outputs: Mapping[str, Nested] | None = None, **feeds: Recorded | Nested) -> KnownOutputs:
    return KnownOutputs(feeds=feeds, outputs=outputs or {}, where="spec.toml")


SIGNATURE = Signature(inputs=(tensor("x"),), outputs=(tensor("y"), tensor("z")))


def fed(given: Recorded | Nested, dtype: str = "float32", shape: Shape | None = None) -> Array:
    """What an input is fed."""
    signature = Signature(inputs=(tensor("x", dtype, shape),), outputs=())
    return feeds_of(known(x=given), signature)["x"]


def doubled(feeds: Mapping[str, Array]) -> Mapping[str, Array]:
    return {"y": feeds["x"] * 2, "z": feeds["x"] + 1}


@pytest.mark.parametrize(
    ("given", "dtype", "expected"),
    [
        ((1, 2.5), "float32", np.float32([1, 2.5])),
        (((1,), (2,)), "int64", np.array([[1], [2]])),
        (False, "bool", np.array(False)),
        ("a", "string", np.array(b"a", object)),
        (("é", b"\xff\0"), "string", np.array(["é".encode(), b"\xff\0"], object)),
        ((), "float32", np.zeros(0, np.float32)),
        ((), "string", np.zeros(0, object)),
    ],
)
def test_what_is_stated_is_fed_in_the_dtype_of_the_input(
    given: Nested, dtype: str, expected: Array
) -> None:
    array = fed(given, dtype)
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


def test_what_stands_in_a_file_is_fed(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(6.0).reshape(2, 3))
    array = fed(Recorded(path=tmp_path / "x.npy"), shape=(None, 3))
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])


def test_one_file_is_a_row_of_one_string(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"png")
    assert fed(Recorded(path=tmp_path / "cat.png"), "string", (None,)).tolist() == [b"png"]


def test_feeds_stand_in_the_order_of_the_signature() -> None:
    signature = Signature(inputs=(tensor("b"), tensor("a")), outputs=())
    assert list(feeds_of(known(a=(1.0,), b=(2.0,)), signature)) == ["b", "a"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (known(), "^spec.toml: feeds lacks x, which is an input of the model$"),
        (known(x=(1.0,), xx=1), "^spec.toml: feeds names xx, which is no input; nearest: x$"),
        (known(x=(1.0,), other=1), "^spec.toml: feeds names other, which is no input; there are x"),
        (
            known(x=((1.0, 2.0),)),
            r"^spec.toml: x: the array is \[1, 2\], and the model's \[\?\]$",
        ),
        (known(x=("a",)), "^spec.toml: x: string b'a' is no value of float32$"),
        (
            known({"yy": 1}, x=(1.0,)),
            "^spec.toml: outputs names yy, which is no output; nearest: y$",
        ),
        (known({"y": ("a",)}, x=(1.0,)), "^spec.toml: y: string b'a' is no value of float32$"),
        (
            known({"y": ((1.0,),)}, x=(1.0,)),
            r"^spec.toml: y: the array is \[1, 1\], and the model's \[\?\]$",
        ),
    ],
)
def test_what_does_not_fit_the_model_is_told(given: KnownOutputs, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        check_known(doubled, given, SIGNATURE)


def test_a_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 2)))
    with pytest.raises(RequestError, match=r"^spec.toml: x from .*/x\.npy: the array is \[2, 2\]"):
        check_known(doubled, known(x=Recorded(path=tmp_path / "x.npy")), SIGNATURE)


def test_outputs_that_are_as_known_are_no_finding() -> None:
    assert (
        check_known(doubled, known({"y": (2.0, 4.0), "z": (2.0, 3.0)}, x=(1, 2)), SIGNATURE) is None
    )


def test_outputs_of_which_nothing_is_known_are_no_finding() -> None:
    assert check_known(doubled, known(x=(1, 2)), SIGNATURE) is None


def test_an_output_that_differs_is_told() -> None:
    found = check_known(doubled, known({"y": (2.0, 4.5), "z": (2.0, 3.0)}, x=(1, 2)), SIGNATURE)
    assert found == (
        "spec.toml: y[1] = 4.0, but should be 4.5 (1 of 2 elements differ, largest 5.0e-01)"
    )


def test_every_output_that_differs_is_told() -> None:
    found = check_known(doubled, known({"y": (3.0,), "z": (3.0,)}, x=(1,)), SIGNATURE)
    assert found is not None
    assert "y[0] = 2.0, but should be 3.0" in found
    assert "; z[0] = 2.0, but should be 3.0" in found


@pytest.mark.parametrize(("rtol", "is_known"), [(1e-3, True), (1e-5, False)])
def test_outputs_are_compared_within_the_tolerance(rtol: float, is_known: bool) -> None:
    stated = KnownOutputs(feeds={"x": (1.0,)}, outputs={"y": (2.0002,)}, rtol=rtol)
    assert (check_known(doubled, stated, SIGNATURE) is None) is is_known


def test_an_output_of_another_shape_is_told() -> None:
    found = check_known(doubled, known({"y": (2.0, 4.0)}, x=(1.0,)), SIGNATURE)
    assert found == "spec.toml: y: shape is [1], but should be [2]"


def test_feeds_that_the_model_rejects_are_told() -> None:
    def rejects(_: Mapping[str, Array]) -> Mapping[str, Any]:
        raise Rejected("InvalidArgumentError", "no such shape")

    found = check_known(rejects, known(x=(1.0,)), SIGNATURE)
    assert found == "spec.toml: the model rejects the feeds: InvalidArgumentError: no such shape"
