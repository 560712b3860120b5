"""When two arrays count as the same, and how a difference is told."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis.extra.numpy import array_shapes

from harness.criteria import Array, Close, Difference, Exact, Measurement, compare, measure

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT8_E5M2 = np.dtype(ml_dtypes.float8_e5m2)
FLOAT8_E4M3FN = np.dtype(ml_dtypes.float8_e4m3fn)
REAL_FLOATS = [
    *map(np.dtype, ("float16", "float32", "float64")),
    BFLOAT16,
    FLOAT8_E5M2,
    FLOAT8_E4M3FN,
]
COMPLEX = [*map(np.dtype, ("complex64", "complex128"))]
WHOLE = [np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)]
NUMBERS = [*REAL_FLOATS, *COMPLEX, *WHOLE, np.dtype(bool)]
QINT8 = np.dtype([("qint8", "i1")])
CRITERIA: list[Exact | Close] = [Exact(), Close(rtol=0.0), Close(rtol=0.5)]


def bits_of(array: Array) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def is_nan(array: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(array != array)  # noqa: PLR0124


def parts_of(array: Array) -> Array:
    """The numbers one by one; of complex ones, real and imaginary parts."""
    flat = array.reshape(-1)
    return np.stack([flat.real, flat.imag], 1).reshape(-1) if flat.dtype.kind == "c" else flat


def of_bits(bits: list[int], dtype: Any) -> Array:
    """The floats whose bits are these numbers."""
    dtype = np.dtype(dtype)
    return np.array(bits, f"u{dtype.itemsize}").view(dtype)


@st.composite
def arrays(
    draw: st.DrawFn, dtypes: list[np.dtype[Any]], shape: tuple[int, ...] | None = None
) -> Array:
    """Arrays of any bits, and often of those that are special to floats."""
    dtype = draw(st.sampled_from(dtypes))
    if shape is None:
        shape = draw(array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    size = int(np.prod(shape))
    if dtype.kind == "b":
        values = draw(st.lists(st.booleans(), min_size=size, max_size=size))
        return np.array(values, bool).reshape(shape)
    part = dtype.itemsize // (2 if dtype.kind == "c" else 1)
    bits = st.integers(0, 256**part - 1)
    if dtype.kind not in "iu":
        scalar = np.dtype(f"f{part}") if dtype.kind == "c" else dtype
        special = np.array([0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan]).astype(scalar)
        bits |= st.sampled_from(special.view(f"u{part}").tolist())
    count = size * dtype.itemsize // part
    drawn = draw(st.lists(bits, min_size=count, max_size=count))
    found: Array = np.array(drawn, f"u{part}").view(dtype).reshape(shape)
    return found


@st.composite
def pairs(draw: st.DrawFn, dtypes: list[np.dtype[Any]]) -> tuple[Array, Array]:
    """Two arrays of one dtype and shape, elements of which are often the same."""
    left = draw(arrays(dtypes))
    right = draw(arrays([left.dtype], left.shape))
    keep = draw(arrays([np.dtype(bool)], left.shape))
    return left, np.where(keep, left, right)


def difference(
    expected: Array, actual: Array, criterion: Exact | Close = CRITERIA[0]
) -> Difference:
    found = compare(expected, actual, criterion=criterion)
    assert found is not None
    return found


# ---- identity


@given(array=arrays(NUMBERS), criterion=st.sampled_from(CRITERIA))
def test_an_array_is_the_same_as_its_copy(array: Array, criterion: Exact | Close) -> None:
    assert compare(array, array.copy(), criterion=criterion) is None


@given(pair=pairs(NUMBERS))
def test_arrays_are_identical_where_all_bits_are_equal_or_both_are_nan(
    pair: tuple[Array, Array],
) -> None:
    left, right = pair
    same = all(
        bits_of(one) == bits_of(other) or (is_nan(one) and is_nan(other))
        for one, other in zip(parts_of(left), parts_of(right), strict=True)
    )
    assert (compare(left, right, criterion=Exact()) is None) == same


@given(pair=pairs(NUMBERS), criterion=st.sampled_from(CRITERIA))
def test_what_is_identical_is_close(pair: tuple[Array, Array], criterion: Exact | Close) -> None:
    left, right = pair
    assume(compare(left, right, criterion=Exact()) is None)
    assert compare(left, right, criterion=criterion) is None


@pytest.mark.parametrize("dtype", [*REAL_FLOATS, *COMPLEX], ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)], ids=str)
def test_minus_zero_is_not_zero(dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    zero = np.zeros(shape, dtype)
    assert difference(zero, np.negative(zero)).mismatched == zero.size


@pytest.mark.parametrize("dtype", REAL_FLOATS, ids=str)
def test_minus_zero_is_close_to_zero(dtype: np.dtype[Any]) -> None:
    zero = np.zeros(2, dtype)
    assert compare(zero, np.negative(zero), criterion=Close(rtol=0.0)) is None


@pytest.mark.parametrize(
    ("dtype", "payloads"),
    [
        ("float16", [0x7E00, 0x7E01, 0xFE00, 0x7C01]),
        ("float32", [0x7FC00000, 0x7FC00001, 0xFFC00000, 0x7F800001]),
        ("float64", [0x7FF8 << 48, (0x7FF8 << 48) + 1, 0xFFF8 << 48, (0x7FF0 << 48) + 1]),
        (BFLOAT16, [0x7FC0, 0x7FC1, 0xFFC0, 0x7F81]),
        (FLOAT8_E5M2, [0x7E, 0x7F, 0xFE, 0x7D]),
        (FLOAT8_E4M3FN, [0x7F, 0xFF]),
    ],
    ids=str,
)
@pytest.mark.parametrize("criterion", CRITERIA, ids=str)
def test_a_nan_equals_a_nan_of_any_payload(
    dtype: Any, payloads: list[int], criterion: Exact | Close
) -> None:
    expected = of_bits(payloads, dtype)
    actual = np.roll(expected, 1)
    assert compare(expected, actual, criterion=criterion) is None
    assert measure(expected, actual) == Measurement()


@pytest.mark.parametrize("dtype", COMPLEX, ids=str)
@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (complex(math.nan, 1), complex(math.nan, 2)),
        (complex(1, math.nan), complex(2, math.nan)),
        (complex(math.nan, 1), complex(1, math.nan)),
        (complex(math.nan, 0), complex(math.nan, -0.0)),
        (complex(math.nan, 1), complex(math.nan, math.nan)),
    ],
    ids=str,
)
def test_a_nan_in_one_part_of_a_complex_number_does_not_hide_the_other(
    dtype: np.dtype[Any], expected: complex, actual: complex
) -> None:
    left, right = np.array([expected, 1], dtype), np.array([actual, 1], dtype)
    assert difference(left, right).index == (0,)
    assert measure(left, right).max_ulp > 0


@pytest.mark.parametrize("criterion", CRITERIA, ids=str)
def test_complex_numbers_are_the_same_where_nan_stands_in_the_same_parts(
    criterion: Exact | Close,
) -> None:
    expected = np.array([complex(math.nan, 1), complex(2, math.nan), complex(math.nan, math.nan)])
    actual = np.array([complex(-math.nan, 1), complex(2, -math.nan), complex(-math.nan, math.nan)])
    assert compare(expected, actual, criterion=criterion) is None
    assert measure(expected, actual) == Measurement()


def test_parts_beside_a_nan_are_close_or_not_like_any_others() -> None:
    expected = np.array([complex(math.nan, 1), 10])
    for part, nan_elsewhere in ((1.5, False), (3, False), (1, True)):
        actual = np.array([complex(0 if nan_elsewhere else math.nan, part), 10])
        found = compare(expected, actual, criterion=Close(rtol=0.1))
        assert (found is None) == (part == 1.5)
    assert measure(expected, np.array([complex(math.nan, 3), 10])).max_abs == 2.0


@pytest.mark.parametrize("other", [1 + 3j, 3 + 2j])
def test_a_complex_number_differs_where_either_part_does(other: complex) -> None:
    expected = np.full((2, 2), 1 + 2j, np.complex64)
    actual = expected.copy()
    actual[1, 0] = other
    found = difference(expected, actual)
    assert (found.index, found.mismatched, found.total) == ((1, 0), 1, 4)


@pytest.mark.parametrize("dtype", [*map(np.dtype, ("float32", "float64", "int32")), BFLOAT16])
def test_another_dtype_differs_though_the_values_are_equal(dtype: np.dtype[Any]) -> None:
    found = difference(np.ones(3, np.float16), np.ones(3, dtype), Close(rtol=0.5))
    assert found.describe("y") == f"y: dtype is {dtype}, but should be float16"


def test_signed_and_unsigned_integers_differ_though_the_bits_are_equal() -> None:
    assert difference(np.ones(3, np.int32), np.ones(3, np.uint32)).what == "dtype"


@pytest.mark.parametrize(
    ("expected", "actual"),
    [((3,), (1,)), ((1,), ()), ((), (1,)), ((2, 3), (3, 2)), ((6,), (2, 3)), ((0, 2), (0, 3))],
)
def test_another_shape_differs_though_it_would_broadcast(
    expected: tuple[int, ...], actual: tuple[int, ...]
) -> None:
    found = difference(np.ones(expected), np.ones(actual), Close(rtol=0.5))
    assert found.describe("y") == f"y: shape is {list(actual)}, but should be {list(expected)}"


@pytest.mark.parametrize("dtype", [*NUMBERS, np.dtype(object)], ids=str)
def test_arrays_without_elements_are_the_same(dtype: np.dtype[Any]) -> None:
    empty = np.empty((0, 3), dtype)
    assert compare(empty, empty.copy(), criterion=Exact()) is None
    assert measure(empty, empty.copy()) == Measurement()


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
def test_the_layout_in_memory_does_not_matter(dtype: np.dtype[Any]) -> None:
    array = np.array([[1, 0, 1], [0, 0, 1]]).astype(dtype)
    assert compare(array.T, np.ascontiguousarray(array.T), criterion=Exact()) is None
    assert compare(array[::-1, ::2], array[::-1, ::2].copy(), criterion=Exact()) is None
    assert difference(array.T, np.ascontiguousarray(array.T[::-1])).mismatched == 2


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
def test_scalars_are_compared(dtype: np.dtype[Any]) -> None:
    one, zero = np.ones((), dtype), np.zeros((), dtype)
    assert compare(one, one.copy(), criterion=Exact()) is None
    assert difference(one, zero).index == ()


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (np.int64(2**63 - 1), np.int64(2**63 - 2)),
        (np.int64(-(2**63)), np.int64(2**63 - 1)),
        (np.uint64(2**64 - 1), np.uint64(2**64 - 2)),
        (np.uint64(0), np.uint64(2**64 - 1)),
        (np.int8(-128), np.int8(127)),
        (np.int64(2**53), np.int64(2**53 + 1)),
    ],
)
def test_extreme_integers_neither_wrap_nor_round(expected: Any, actual: Any) -> None:
    found = difference(np.array([expected]), np.array([actual]))
    assert found.measured.max_abs == float(abs(int(expected) - int(actual)))


@pytest.mark.parametrize("dtype", [*WHOLE, np.dtype(bool)], ids=str)
def test_close_is_identity_for_whole_numbers(dtype: np.dtype[Any]) -> None:
    expected = np.array([100, 0]).astype(dtype)
    actual = np.array([100, 1]).astype(dtype)
    assert difference(expected, actual, Close(rtol=0.5)).index == (1,)


@pytest.mark.parametrize("criterion", CRITERIA, ids=str)
def test_strings_are_compared_byte_for_byte(criterion: Exact | Close) -> None:
    expected = np.array([[b"a", b"b\0"]], object)
    assert compare(expected, expected.copy(), criterion=criterion) is None
    found = difference(expected, np.array([[b"a", b"b"]], object), criterion)
    assert (
        found.describe("y")
        == r"y[0, 1] = b'b', but should be b'b\x00' (1 of 2 elements differ, largest inf)"
    )


def test_a_scalar_string_is_compared() -> None:
    expected = np.array(b"a", object)
    assert compare(expected, np.array(b"a", object), criterion=Exact()) is None
    assert difference(expected, np.array(b"b", object)).index == ()


def test_quantized_values_are_compared_bit_for_bit() -> None:
    expected = np.array([(1,), (2,)], QINT8)
    assert compare(expected, expected.copy(), criterion=Exact()) is None
    assert difference(expected, np.array([(1,), (3,)], QINT8), Close(rtol=0.5)).index == (1,)


def test_four_bit_integers_have_no_rounding() -> None:
    expected = np.array([7, 1]).astype(ml_dtypes.int4)
    actual = np.array([7, 2]).astype(ml_dtypes.int4)
    assert difference(expected, actual, Close(rtol=0.5)).index == (1,)


# ---- closeness


def test_close_is_relative_to_the_largest_magnitude_expected() -> None:
    expected = np.array([-8.0, 1e-6], np.float32)
    actual = expected + np.float32(7e-4)
    assert compare(expected, actual, criterion=Close(rtol=1e-4)) is None
    assert difference(expected, actual, Close(rtol=5e-5)).mismatched == 2


def test_close_is_relative_to_what_is_expected_and_not_to_what_came() -> None:
    small, large = np.array([1.0]), np.array([1.6])
    assert compare(large, small, criterion=Close(rtol=0.5)) is None
    assert compare(small, large, criterion=Close(rtol=0.5)) is not None


@given(
    expected=arrays([np.dtype(np.float32)], (4,)),
    actual=arrays([np.dtype(np.float32)], (4,)),
    rtol=st.floats(0, 0.9),
)
def test_close_is_the_formula_that_is_documented(
    expected: Array, actual: Array, rtol: float
) -> None:
    expected, actual = (np.where(np.isfinite(a), a, np.float32(1)) for a in (expected, actual))
    distance = np.abs(actual.astype(float) - expected.astype(float))
    relative = max(rtol, float(np.finfo(np.float32).eps))
    accepted = (distance <= relative * np.abs(expected.astype(float)).max()).all()
    assert (compare(expected, actual, criterion=Close(rtol=rtol)) is None) == accepted


@pytest.mark.parametrize("dtype", [*REAL_FLOATS, *COMPLEX], ids=str)
def test_nan_on_one_side_is_never_close(dtype: np.dtype[Any]) -> None:
    number = np.array([1.0, 2.0]).astype(dtype)
    nan = np.array([1.0, math.nan]).astype(dtype)
    for expected, actual in ((number, nan), (nan, number)):
        found = difference(expected, actual, Close(rtol=0.99))
        assert (found.index, found.mismatched) == ((1,), 1)
        assert found.measured.max_abs == math.inf


@pytest.mark.parametrize(
    "dtype", [dtype for dtype in REAL_FLOATS if dtype != FLOAT8_E4M3FN], ids=str
)
def test_an_infinity_is_close_to_the_same_infinity_alone(dtype: np.dtype[Any]) -> None:
    largest = float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]
    infinite = np.array([math.inf, 1.0]).astype(dtype)
    for other in (largest, -math.inf, math.nan):
        actual = np.array([other, 1.0]).astype(dtype)
        assert difference(infinite, actual, Close(rtol=0.99)).index == (0,)
        assert difference(actual, infinite, Close(rtol=0.99)).index == (0,)
    assert compare(infinite, infinite.copy(), criterion=Close(rtol=0.0)) is None


def test_an_infinity_does_not_widen_the_tolerance_of_the_others() -> None:
    expected = np.array([math.inf, 1.0, 0.0])
    assert difference(expected, np.array([math.inf, 1.0, 0.5]), Close(rtol=0.1)).index == (2,)


def test_nan_does_not_void_the_tolerance_of_the_others() -> None:
    expected = np.array([math.nan, 1.0])
    assert compare(expected, np.array([math.nan, 1.05]), criterion=Close(rtol=0.1)) is None
    assert difference(expected, np.array([math.nan, 1.5]), Close(rtol=0.1)).index == (1,)


def test_nothing_but_zero_is_close_to_zeros() -> None:
    zeros = np.zeros(2, np.float32)
    smallest = np.array([0, np.finfo(np.float32).smallest_subnormal], np.float32)
    assert difference(zeros, smallest, Close(rtol=0.9)).index == (1,)


def test_differences_beyond_the_largest_float_are_not_close() -> None:
    largest = np.array([1.7e308])
    assert difference(largest, -largest, Close(rtol=0.9)).measured.max_abs == math.inf


def test_a_complex_difference_is_measured_by_its_magnitude() -> None:
    expected, actual = np.array([10 + 0j]), np.array([13 + 4j])
    assert measure(expected, actual).max_abs == 5.0
    assert compare(expected, actual, criterion=Close(rtol=0.5)) is None
    assert compare(expected, actual, criterion=Close(rtol=0.49)) is not None


@pytest.mark.parametrize("dtype", [BFLOAT16, FLOAT8_E5M2, FLOAT8_E4M3FN], ids=str)
def test_floats_that_numpy_does_not_know_may_be_close(dtype: np.dtype[Any]) -> None:
    expected, actual = np.array([16, 1]).astype(dtype), np.array([16, 8]).astype(dtype)
    assert compare(expected, actual, criterion=Close(rtol=0.5)) is None
    assert compare(expected, actual, criterion=Close(rtol=0.01)) is not None


@pytest.mark.parametrize("dtype", [*REAL_FLOATS, *COMPLEX], ids=str)
@pytest.mark.parametrize("rtol", [0.0, 1e-20])
def test_a_tolerance_below_the_resolution_of_the_dtype_is_its_resolution(
    dtype: np.dtype[Any], rtol: float
) -> None:
    part = np.ones(1, dtype).real.dtype
    eps = float(ml_dtypes.finfo(part).eps)  # type: ignore[no-untyped-call]
    expected = np.array([1, 0]).astype(dtype)
    for neighbour in ([1 + eps, 0], [1 - eps / 2, 0], [1, eps]):
        actual = np.array(neighbour).astype(dtype)
        assert compare(expected, actual, criterion=Close(rtol=rtol)) is None
    for beyond in ([1 + 2 * eps, 0], [1, 2 * eps], [1, -1.5 * eps]):
        actual = np.array(beyond).astype(dtype)
        assert difference(expected, actual, Close(rtol=rtol)).mismatched == 1


@pytest.mark.parametrize("rtol", [-0.1, 1.0, math.inf, math.nan])
def test_a_tolerance_that_would_accept_anything_is_refused(rtol: float) -> None:
    with pytest.raises(ValueError, match="should be from 0 to below 1"):
        Close(rtol=rtol)


# ---- distances


@given(pair=pairs(NUMBERS))
def test_ulp_and_absolute_distance_are_symmetric(pair: tuple[Array, Array]) -> None:
    forth, back = measure(*pair), measure(*reversed(pair))
    assert (forth.max_ulp, forth.max_abs) == (back.max_ulp, back.max_abs)


@given(array=arrays(NUMBERS))
def test_an_array_lies_at_no_distance_from_itself(array: Array) -> None:
    assert measure(array, array.copy()) == Measurement()


@given(pair=pairs([*REAL_FLOATS, *COMPLEX]))
def test_floats_that_differ_lie_at_least_one_ulp_apart(pair: tuple[Array, Array]) -> None:
    differs = compare(*pair, criterion=Exact()) is not None
    assert (measure(*pair).max_ulp >= 1) == differs


@given(array=arrays(REAL_FLOATS, ()), up=st.booleans())
def test_the_next_float_is_one_ulp_away(array: Array, up: bool) -> None:
    assume(np.isfinite(array) and array != 0)
    dtype = array.dtype.type
    goal = dtype(math.inf if up else -math.inf)
    if array.dtype == FLOAT8_E4M3FN:  # it has no infinity
        goal = np.array(448 if up else -448).astype(array.dtype)[()]
        assume(array != goal)
    following = np.asarray(np.nextafter(array[()], goal))
    assert measure(array, following).max_ulp == 1


@pytest.mark.parametrize("dtype", REAL_FLOATS, ids=str)
def test_zero_and_minus_zero_are_neighbours(dtype: np.dtype[Any]) -> None:
    zero = np.zeros(1, dtype)
    assert measure(zero, np.negative(zero)) == Measurement(max_ulp=1)


@pytest.mark.parametrize(
    ("dtype", "largest_bits"),
    [("float16", 0x7BFF), ("float32", 0x7F7FFFFF), ("float64", 0x7FEFFFFFFFFFFFFF)],
)
def test_ulp_across_the_whole_range_does_not_wrap(dtype: str, largest_bits: int) -> None:
    largest = of_bits([largest_bits], dtype)
    assert measure(largest, -largest).max_ulp == 2 * largest_bits + 1
    assert measure(-largest, largest).max_ulp == 2 * largest_bits + 1


def test_complex_ulp_is_the_larger_of_both_parts() -> None:
    step = np.spacing(np.float32(1))
    expected = np.array([1 + 1j], np.complex64)
    assert measure(expected, expected + np.complex64(step + 3j * step)).max_ulp == 3


def test_two_nans_do_not_hide_what_differs_beside_them() -> None:
    expected, actual = np.array([math.nan, 1.0]), np.array([-math.nan, np.nextafter(1.0, 2)])
    assert measure(expected, actual).max_ulp == 1


def test_two_complex_nans_do_not_hide_what_differs_beside_them() -> None:
    step = np.nextafter(np.float32(1), np.float32(2))
    expected = np.array([complex(math.nan, 1), 1], np.complex64)
    assert measure(expected, np.array([complex(-math.nan, 1), step], np.complex64)).max_ulp == 1
    assert measure(expected, np.array([complex(math.nan, step), 1], np.complex64)).max_ulp == 1


def test_the_relative_distance_from_zeros_is_infinite() -> None:
    assert measure(np.zeros(2), np.array([0.0, 1.0])).max_rel == math.inf


def test_strings_lie_infinitely_far_apart() -> None:
    measured = measure(np.array([b"a"], object), np.array([b"b"], object))
    assert measured == Measurement(max_abs=math.inf, max_rel=math.inf)


def test_the_wider_of_two_measurements_is_taken_number_by_number() -> None:
    one = Measurement(max_ulp=1, max_abs=2.0, max_rel=0.0)
    other = Measurement(max_ulp=0, max_abs=3.0, max_rel=0.5)
    assert one.widened(other) == Measurement(max_ulp=1, max_abs=3.0, max_rel=0.5)


# ---- what is told


def test_the_largest_difference_is_shown() -> None:
    expected = np.array([[0.5, 0.25], [0.25, 1.0]], np.float32)
    actual = np.array([[0.5, 0.5], [1.0, 1.0]], np.float32)
    told = difference(expected, actual).describe("prediction")
    assert told == (
        "prediction[1, 0] = 1.0, but should be 0.25 (2 of 4 elements differ, largest 7.5e-01)"
    )


def test_an_element_within_tolerance_is_not_shown_for_one_that_is_not() -> None:
    expected = np.array([100.0, math.nan, 1.0])
    found = difference(expected, np.array([109.0, 1.0, 1.0]), Close(rtol=0.1))
    assert (found.index, found.mismatched) == ((1,), 1)


def test_a_difference_of_sign_alone_is_shown_where_it_lies() -> None:
    assert difference(np.array([1.0, 0.0]), np.array([1.0, -0.0])).index == (1,)


def test_a_scalar_is_told_without_an_index() -> None:
    told = difference(np.array(0.0), np.array(-0.0)).describe("loss")
    assert told == "loss = -0.0, but should be 0.0 (1 of 1 elements differ, 1 ULP)"


def test_an_integer_is_told_without_ulp() -> None:
    told = difference(np.array([3]), np.array([5])).describe("class")
    assert told == "class[0] = 5, but should be 3 (1 of 1 elements differ, largest 2.0e+00)"


@pytest.mark.parametrize(
    ("criterion", "text"), [(Exact(), "exact"), (Close(rtol=1e-4), "close:0.0001")]
)
def test_a_criterion_is_told_as_the_option_is_typed(criterion: Exact | Close, text: str) -> None:
    assert str(criterion) == text


def test_a_long_string_that_differs_is_cut_and_its_size_told() -> None:
    difference = compare(
        np.array([b"a" * 5000], object), np.array([b"b"], object), criterion=Exact()
    )

    assert difference is not None
    assert len(difference.describe("picture")) < 200
    assert "(5,000 bytes)" in difference.describe("picture")
