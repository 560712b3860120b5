"""Pictures that TensorFlow decodes, of one size in each call."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given

from harness.domain import Pictures
from harness.errors import RequestError
from harness.inputs.encoded import encode

MAGIC = {b"\x89PNG": "png", b"\xff\xd8": "jpeg", b"BM": "bmp", b"GIF8": "gif"}

seeds = st.integers(0, 2**32 - 1)
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple)
formats = st.permutations(("png", "jpeg", "bmp", "gif")).flatmap(
    lambda names: st.integers(1, 4).map(lambda most: tuple(names[:most]))
)


def drawn(pictures: Pictures, seed: int, count: int = 4) -> list[bytes]:
    return list(encode(pictures, (count,), np.random.default_rng(seed)))


def format_of(encoded: bytes) -> str:
    return next(name for magic, name in MAGIC.items() if encoded.startswith(magic))


@given(formats=formats, channels=st.sampled_from([0, 3]), heights=sizes, widths=sizes, seed=seeds)
def test_any_format_is_decoded_into_a_batch_of_one_shape(
    formats: tuple[str, ...],
    channels: int,
    heights: tuple[int, ...],
    widths: tuple[int, ...],
    seed: int,
) -> None:
    pictures = Pictures(formats=formats, channels=channels, heights=heights, widths=widths)
    encoded = drawn(pictures, seed)
    assert {format_of(each) for each in encoded} <= set(formats)
    shapes = {tuple(tf.io.decode_image(each, channels=channels).shape) for each in encoded}
    assert len(shapes) == 1
    *_, height, width, depth = shapes.pop()
    assert height in heights
    assert width in widths
    assert not channels or depth == channels


@pytest.mark.parametrize("channels", [1, 3, 4])
@given(formats=formats, seed=seeds)
def test_channels_are_decoded_by_every_format_that_has_them(
    channels: int, formats: tuple[str, ...], seed: int
) -> None:
    able = {1: {"png", "jpeg"}, 3: {"png", "jpeg", "bmp", "gif"}, 4: {"png", "bmp"}}[channels]
    encoded = drawn(Pictures(formats=formats, channels=channels), seed)
    if not able & set(formats):
        return
    assert {format_of(each) for each in encoded} <= able
    for each in encoded:
        assert tf.io.decode_image(each, channels=channels).shape[-1] == channels


@given(seed=seeds)
def test_each_format_is_decoded_by_its_own_decoder(seed: int) -> None:
    for name, decoder in (
        ("png", tf.io.decode_png),
        ("jpeg", tf.io.decode_jpeg),
        ("bmp", tf.io.decode_bmp),
        ("gif", tf.io.decode_gif),
    ):
        for each in drawn(Pictures(formats=(name,)), seed):
            assert decoder(each).dtype == tf.uint8


@given(seed=seeds)
def test_a_bmp_has_the_channels_asked_for(seed: int) -> None:
    for channels in (3, 4):
        for each in drawn(Pictures(formats=("bmp",), channels=channels), seed):
            assert tf.io.decode_bmp(each).shape[-1] == channels


@given(seed=seeds)
def test_a_jpeg_where_four_channels_are_asked_for_has_three(seed: int) -> None:
    for each in drawn(Pictures(formats=("jpeg",), channels=4), seed):
        assert tf.io.decode_jpeg(each).shape[-1] == 3


def test_where_channels_are_open_few_pictures_have_other_than_three() -> None:
    pictures = Pictures(formats=("png",))
    found = [tf.io.decode_png(drawn(pictures, seed, 1)[0]).shape[-1] for seed in range(200)]
    assert set(found) == {1, 3, 4}
    assert found.count(3) > 180


def test_a_gif_stands_among_pictures_of_no_other_format() -> None:
    pictures = Pictures(formats=("gif", "png", "jpeg"))
    found = {frozenset(map(format_of, drawn(pictures, seed))) for seed in range(100)}
    assert frozenset({"gif"}) in found
    assert frozenset({"png", "jpeg"}) in found
    assert all(len(names) == 1 or "gif" not in names for names in found)


def test_gifs_alone_are_animated_at_times_all_of_a_call_alike() -> None:
    found = set()
    for seed in range(40):
        encoded = drawn(Pictures(formats=("gif",), heights=(1, 6), widths=(1, 5)), seed)
        (frames,) = {tf.io.decode_gif(each).shape[0] for each in encoded}
        found.add(frames)
    assert found == {1, 2}


def test_gifs_among_other_formats_are_decoded_by_a_decoder_of_single_pictures() -> None:
    for seed in range(100):
        for each in drawn(Pictures(formats=("gif", "png")), seed):
            assert tf.io.decode_png(each).shape.rank == 3


def test_pictures_of_a_call_differ_and_have_contrast() -> None:
    encoded = drawn(Pictures(formats=("png",), heights=(32,), widths=(32,)), 1, count=8)
    decoded = [tf.io.decode_png(each).numpy() for each in encoded]
    assert len({each.tobytes() for each in decoded}) == 8
    assert np.mean([each.std() for each in decoded]) > 20


@given(formats=formats, channels=st.sampled_from([0, 1, 3, 4]), seed=seeds)
def test_the_simplest_are_black_and_of_the_smallest_size(
    formats: tuple[str, ...], channels: int, seed: int
) -> None:
    pictures = Pictures(formats=formats, channels=channels, heights=(9, 2), widths=(3, 5))
    one, other = encode(pictures, (2,), np.random.default_rng(seed), simplest=True)
    decoded = tf.io.decode_image(one, expand_animations=False).numpy()
    assert one == other
    assert decoded.shape[:2] == (2, 3)
    assert not decoded.any()


@given(formats=formats, seed=seeds)
def test_the_same_seed_gives_the_same_pictures(formats: tuple[str, ...], seed: int) -> None:
    assert drawn(Pictures(formats=formats), seed) == drawn(Pictures(formats=formats), seed)


def test_a_format_that_is_not_drawn_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(RequestError, match=r"no pictures in webp .* png, jpeg, bmp, gif"):
        drawn(Pictures(formats=("webp",)), 0)
