"""A value in another precision, in few levels, scaled, or nothing but one number."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from harness.criteria import Array
from harness.weights import bits
from harness.weights.roundings import rounded

KERNEL = np.random.default_rng(1).normal(size=(3, 3, 8, 16)).astype(np.float32)
BLOCKS = pytest.mark.parametrize("block", [2**20, 128])


def told(right: Array, given: Array) -> str:
    found = rounded(right, given)
    return "" if found is None else found.one


@pytest.fixture(autouse=True)
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    size = request.node.callspec.params.get("block") if hasattr(request.node, "callspec") else None
    if size:
        monkeypatch.setattr(bits, "_BLOCK_BYTES", size)


@BLOCKS
@pytest.mark.parametrize("name", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_rounding_to_fewer_bits_is_named(name: str, block: int) -> None:
    del block
    dtype = np.dtype(getattr(ml_dtypes, name, None) or name)
    given = KERNEL.astype(dtype).astype(np.float32)
    assert told(KERNEL, given) == f"holds its value rounded to {name}"


def test_double_precision_is_rounded_to_single() -> None:
    right = KERNEL.astype(np.float64) + 1e-12
    assert told(right, right.astype(np.float32).astype(np.float64)).endswith("rounded to float32")


@BLOCKS
def test_one_element_off_is_no_rounding(block: int) -> None:
    del block
    given = KERNEL.astype(np.float16).astype(np.float32)
    given[2, 2, 7, 15] = np.nextafter(given[2, 2, 7, 15], np.float32(9))
    assert told(KERNEL, given) == ""


def quantised(
    right: Array, *, lowest: float, highest: float, parts: int = 255, keep_zero: bool = False
) -> Array:
    """`right` by 8-bit integers, as converters write it."""
    if keep_zero:
        lowest, highest = min(lowest, 0.0), max(highest, 0.0)
    step = (highest - lowest) / parts
    return (np.rint((right - lowest) / step) * step + lowest).astype(right.dtype)


@BLOCKS
@pytest.mark.parametrize("keep_zero", [False, True])
@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_levels_between_least_and_most_are_8_bits(
    offset: float, keep_zero: bool, block: int
) -> None:
    del block
    right = KERNEL + np.float32(offset)
    given = quantised(
        right, lowest=float(right.min()), highest=float(right.max()), keep_zero=keep_zero
    )
    assert told(right, given) == "holds its value rounded to 8 bits"


def test_symmetric_levels_are_8_bits() -> None:
    most = float(np.abs(KERNEL).max())
    given = quantised(KERNEL, lowest=-most, highest=most, parts=254)
    assert told(KERNEL, given) == "holds its value rounded to 8 bits"


def test_a_small_bias_in_levels_is_8_bits() -> None:
    bias = KERNEL[0, 0, 0]
    given = quantised(bias, lowest=float(bias.min()), highest=float(bias.max()))
    assert told(bias, given) == "holds its value rounded to 8 bits"


def test_levels_of_each_channel_are_told() -> None:
    scales = np.geomspace(0.01, 100, 16).astype(np.float32)
    right = KERNEL * scales
    given = np.stack(
        [
            quantised(c, lowest=-float(np.abs(c).max()), highest=float(np.abs(c).max()), parts=254)
            for c in np.moveaxis(right, -1, 0)
        ],
        axis=-1,
    )
    assert told(right, given) == "holds its value rounded to 8 bits, each channel for itself"


def test_ten_bits_are_not_8() -> None:
    low, high = float(KERNEL.min()), float(KERNEL.max())
    assert told(KERNEL, quantised(KERNEL, lowest=low, highest=high, parts=1023)) == ""


def test_levels_of_another_value_are_not_its_own() -> None:
    other = quantised(KERNEL[::-1], lowest=float(KERNEL.min()), highest=float(KERNEL.max()))
    assert told(KERNEL, other) == ""


def test_256_values_at_uneven_distances_are_no_levels() -> None:
    centres = np.sort(np.random.default_rng(2).normal(size=256)).astype(np.float32)
    nearest = np.abs(KERNEL.reshape(-1, 1) - centres).argmin(axis=1)
    assert told(KERNEL, centres[nearest].reshape(KERNEL.shape)) == ""


def test_one_wrong_number_among_whole_ones_is_no_rounding() -> None:
    right = np.arange(256, dtype=np.float32)
    given = right.copy()
    given[5] = 6
    assert told(right, given) == ""


@pytest.mark.parametrize(
    ("factor", "text"), [(0.5, "0.5 times"), (-1.0, "the negative of"), (0.1, "0.1 times")]
)
def test_a_factor_is_named(factor: float, text: str) -> None:
    given = (KERNEL * np.float32(factor)).astype(np.float32)
    assert told(KERNEL, given) == f"holds {text} its value"


def test_a_factor_that_one_element_lacks_is_none() -> None:
    given = KERNEL * np.float32(0.5)
    given[1, 1, 1, 1] *= np.float32(1.001)
    assert told(KERNEL, given) == ""


def test_noise_of_one_ulp_is_no_factor() -> None:
    assert told(KERNEL, np.nextafter(KERNEL, np.float32(np.inf))) == ""


@pytest.mark.parametrize(("number", "text"), [(0, "is 0.0 throughout"), (2, "is 2.0 throughout")])
def test_one_number_throughout_is_named(number: float, text: str) -> None:
    assert told(KERNEL, np.full_like(KERNEL, number)) == text


@BLOCKS
def test_one_number_but_in_one_place_is_not_throughout(block: int) -> None:
    del block
    given = np.zeros_like(KERNEL)
    given[-1, -1, -1, -1] = 1
    assert told(KERNEL, given) == ""


def test_whole_numbers_have_no_precision_to_lose() -> None:
    right = np.arange(64, dtype=np.int32)
    assert told(right, right * 2) == ""
    assert told(right, np.zeros_like(right)) == "is 0 throughout"


def test_a_conversion_of_the_dtype_is_named() -> None:
    given = KERNEL.astype(np.float64)
    assert told(KERNEL, given) == "holds its value as float64, not float32"
    given[0, 0, 0, 0] += 1
    assert told(KERNEL, given) == ""


def test_texts_and_other_shapes_have_no_rounding() -> None:
    texts = np.array([b"a", b"b"], object)
    assert told(texts, texts[::-1]) == ""
    assert told(KERNEL, KERNEL.reshape(-1).astype(np.float16).astype(np.float32)) == ""


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_special_numbers_are_rounded_like_others(special: float) -> None:
    right = KERNEL.copy()
    right[0, 0, 0, 0] = special
    given = right.astype(np.float16).astype(np.float32)
    assert told(right, given) == "holds its value rounded to float16"
    assert told(right, np.random.default_rng(3).normal(size=right.shape).astype("f4")) == ""


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, "float16", "float64", "complex64"], ids=str)
def test_nothing_is_said_of_any_other_value(dtype: object) -> None:
    generator = np.random.default_rng(4)
    right, given = (generator.normal(size=(9, 40)).astype(dtype) for _ in range(2))
    assert told(right, given) == ""
