"""Floats of the distributions, and how they are squeezed between two bounds."""

from __future__ import annotations

import numpy as np
import pytest

from harness.inputs.distributions import DISTRIBUTIONS, floats, image, shares

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
SHAPES = ((), (0,), (1,), (7,), (3, 4), (0, 5, 3), (2, 5, 6, 3), (2, 5, 6, 8))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
def test_every_distribution_fills_every_shape(
    name: str, shape: tuple[int, ...], dtype: np.dtype
) -> None:
    for fill in (floats, shares):
        values = fill(name, rng(), shape, dtype)
        assert isinstance(values, np.ndarray)
        assert (values.shape, values.dtype) == (shape, dtype)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shares_are_from_0_to_1(name: str, shape: tuple[int, ...]) -> None:
    values = shares(name, rng(3), shape, FLOAT64)
    assert ((values >= 0) & (values <= 1)).all()


@pytest.mark.parametrize("name", ["integers", "ramp", "uniform", "normal", "image"])
def test_shares_spread_over_most_of_what_lies_between(name: str) -> None:
    values = shares(name, rng(), (40, 40), FLOAT64)
    assert values.min() < 0.1
    assert values.max() > 0.9
    assert len(np.unique(values)) > 1000


def test_ramps_rise_from_end_to_end() -> None:
    np.testing.assert_allclose(floats("ramp", rng(), (5,), FLOAT64), [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_allclose(shares("ramp", rng(), (5,), FLOAT64), [0, 0.25, 0.5, 0.75, 1])


def test_integers_are_small_and_whole() -> None:
    values = floats("integers", rng(), (500,), FLOAT32)
    assert {*values.tolist()} == {*range(-4, 5)}


def test_a_constant_is_one_value_and_another_by_seed() -> None:
    one, other = (floats("constant", rng(seed), (9,), FLOAT32) for seed in (1, 2))
    assert len(np.unique(one)) == len(np.unique(other)) == 1
    assert one[0] != other[0]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_sparse_values_are_mostly_zeros_but_not_all(size: int) -> None:
    filled = np.count_nonzero(floats("sparse", rng(), (size,), FLOAT32))
    assert 1 <= filled <= max(1, size // 5)


# ---- contrast


@pytest.mark.parametrize("shape", [(), (7,), (9, 9), (2, 32, 32, 3), (3, 2, 5, 17)])
def test_contrast_is_of_two_values(shape: tuple[int, ...]) -> None:
    values = floats("contrast", rng(), shape, FLOAT32)
    assert values.shape == shape
    assert set(np.unique(values)) <= {-1.0, 1.0}
    assert set(np.unique(shares("contrast", rng(), shape, FLOAT32))) <= {0.0, 1.0}


def test_contrast_is_in_blocks_of_one_to_four() -> None:
    found = set()
    for seed in range(20):
        values = floats("contrast", np.random.default_rng(seed), (1, 32, 32, 1), FLOAT32)[0, ..., 0]
        blocks = [
            block
            for block in (4, 2, 1)
            if (values == np.kron(values[::block, ::block], np.ones((block, block)))).all()
        ]
        found.add(blocks[0])
    assert found == {1, 2, 4}


# ---- images


def roughness(picture: np.ndarray, axis: int) -> float:
    """How far neighbours along an axis lie apart, for the spread of all."""
    return float(np.abs(np.diff(picture, axis=axis)).mean() / picture.std())


@pytest.mark.parametrize(
    ("shape", "sides"), [((2, 64, 48, 3), (1, 2)), ((2, 3, 64, 48), (2, 3)), ((64, 48), (0, 1))]
)
def test_images_are_smooth_along_their_sides_and_have_contrast(
    shape: tuple[int, ...], sides: tuple[int, int]
) -> None:
    pixels = image(rng(), shape, FLOAT32)
    assert 0 <= pixels.min() < 0.05
    assert 0.95 < pixels.max() <= 1
    assert pixels.std() > 0.2
    for side in sides:
        assert roughness(pixels, side) < 0.4


def test_the_channels_and_the_pictures_of_a_batch_differ() -> None:
    pixels = image(rng(), (2, 32, 32, 3), FLOAT32)
    for one, other in ((pixels[0], pixels[1]), (pixels[..., 0], pixels[..., 1])):
        assert np.abs(one - other).mean() > 0.1


def test_neighbouring_pixels_are_not_quite_the_same() -> None:
    pixels = image(rng(), (64, 64, 3), FLOAT32)
    inside = pixels[(pixels > 0) & (pixels < 1)]
    assert len(np.unique(inside)) > 0.9 * inside.size
