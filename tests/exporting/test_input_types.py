"""What an exported graph is fed: each type ends in the same pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from PIL import Image

from fixtures.control_flow import control_flow
from harness.errors import RequestError
from harness.exporting.input_types import make_input
from harness.exporting.layout import (
    ENCODED_IMAGES,
    IMAGE_TENSOR,
    INPUT_TYPES,
    TF_EXAMPLE,
    check_input,
)

Array = npt.NDArray[Any]
STRINGS = pytest.mark.parametrize("input_type", [ENCODED_IMAGES, TF_EXAMPLE])
ONE_SIZE = "all pictures of a batch must have one size; theirs, height and width, are"
PICTURES = np.random.default_rng(1).integers(0, 256, (5, 4, 6, 3), np.uint8)


def encoded(picture: Array, kind: str = "PNG", *, mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(stream, kind)
    return stream.getvalue()


def example(string: bytes, *, feature: str = "image/encoded") -> bytes:
    value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[string]))
    serialized: bytes = tf.train.Example(
        features=tf.train.Features(feature={feature: value})
    ).SerializeToString()
    return serialized


FEEDS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    ENCODED_IMAGES: list,
    TF_EXAMPLE: lambda strings: [example(string) for string in strings],
}


def pixels(input_type: str, strings: list[bytes]) -> Array:
    """What the graph makes of encoded pictures."""
    return fed(input_type, np.array(FEEDS[input_type](strings), object))


def fed(input_type: str, feed: Array) -> Array:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        source = make_input(input_type, check_input(input_type, None))
        return np.asarray(session.run(source.pictures, {source.placeholder: feed}))


def test_pixels_are_taken_as_they_are() -> None:
    np.testing.assert_array_equal(fed(IMAGE_TENSOR, PICTURES), PICTURES, strict=True)


@STRINGS
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("count", [1, 5])
def test_strings_are_decoded_in_order(input_type: str, version: int, count: int) -> None:
    with control_flow(version):
        found = pixels(input_type, [encoded(picture) for picture in PICTURES[:count]])
    np.testing.assert_array_equal(found, PICTURES[:count], strict=True)


@pytest.mark.parametrize("kind", ["JPEG", "BMP", "GIF"])
def test_other_formats_are_decoded_too(kind: str) -> None:
    plain = np.broadcast_to(PICTURES[:, :1, :1], PICTURES.shape)  # of one colour
    strings = [encoded(picture, kind) for picture in plain]
    expected = np.stack([np.asarray(Image.open(io.BytesIO(s)).convert("RGB")) for s in strings])
    found = pixels(ENCODED_IMAGES, strings)
    assert (found.shape, found.dtype) == (plain.shape, np.uint8)
    # TensorFlow decodes JPEG faster than exactly.
    most = 2 if kind == "JPEG" else 0
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= most


@STRINGS
@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_whatever_the_channels_there_are_three(input_type: str, mode: str) -> None:
    strings = [encoded(picture, mode=mode) for picture in PICTURES]
    expected = np.stack([np.asarray(Image.open(io.BytesIO(s)).convert("RGB")) for s in strings])
    np.testing.assert_array_equal(pixels(input_type, strings), expected, strict=True)


@STRINGS
def test_pictures_of_two_sizes_are_refused_in_words(input_type: str) -> None:
    strings = [encoded(PICTURES[0]), encoded(PICTURES[1, :3])]
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        pixels(input_type, strings)
    assert ONE_SIZE in caught.value.message
    assert "[[4 6][3 6]]" in caught.value.message.replace("\n", "").replace("] [", "][")


@STRINGS
def test_an_empty_batch_gives_no_picture(input_type: str) -> None:
    found = pixels(input_type, [])
    assert (found.shape[0], found.shape[3], found.dtype) == (0, 3, np.uint8)


@STRINGS
def test_a_string_that_is_no_picture_is_an_error(input_type: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="image"):
        pixels(input_type, [b"no picture"])


def test_an_example_without_its_feature_is_an_error_that_names_it() -> None:
    feed = np.array([example(encoded(PICTURES[0]), feature="image")], object)
    with pytest.raises(tf.errors.InvalidArgumentError, match="image/encoded"):
        fed(TF_EXAMPLE, feed)


@pytest.mark.parametrize("input_type", INPUT_TYPES)
def test_what_is_known_of_the_shape_is_stated(input_type: str) -> None:
    with tf.Graph().as_default():
        source = make_input(input_type, check_input(input_type, None))
    assert source.placeholder.name == f"{input_type}:0"
    assert source.pictures.shape.as_list() == [None, None, None, 3]
    assert source.pictures.dtype == tf.uint8


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (None, (None, None, None, 3)),
        ((-1, 28, 28, 3), (None, 28, 28, 3)),
        ((None, None, None, 1), (None, None, None, 1)),
        ((1, 28, -1, 4), (1, 28, None, 4)),
        ((-1, -1, -1, -1), (None, None, None, None)),
        ((np.int64(1), 28, 28, 3), (1, 28, 28, 3)),
    ],
)
def test_a_shape_is_read(shape: Any, expected: Any) -> None:
    assert check_input(IMAGE_TENSOR, shape) == expected


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((28, 28, 3), "28,28,3"),
        ((), ""),
        ((1, 0, 28, 3), "1,0,28,3"),
        ((1, -2, 28, 3), "1,-2,28,3"),
        ((None, 28, 28, 3, 1), "-1,28,28,3,1"),
        ((1, 28, 28, 2.5), "1,28,28,2.5"),
        ((1, 28, 28, "3"), "1,28,28,3"),
        ((1, 28, 28, True), "1,28,28,True"),
    ],
)
def test_a_shape_that_is_none_is_refused(shape: Any, text: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_input(IMAGE_TENSOR, shape)
    assert str(caught.value) == (
        f"--input-shape {text}: it should be batch,height,width,channels, each a size from 1 or -1 "
        "for any, as -1,28,28,3"
    )


@STRINGS
def test_strings_have_no_shape_of_pictures(input_type: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_input(input_type, (None, 28, 28, 3))
    assert str(caught.value) == (
        f"--input-shape goes with --input-type image_tensor: the pictures in {input_type} have the "
        "size that they were encoded with"
    )


@pytest.mark.parametrize("input_type", ["image_tensors", "png", "", None])
def test_an_unknown_type_is_refused_with_those_that_there_are(input_type: Any) -> None:
    with pytest.raises(RequestError) as caught:
        check_input(input_type, None)
    there_are = "image_tensor, encoded_image_string_tensor, tf_example"
    said = str(caught.value)
    assert said.startswith(f"--input-type {input_type}: there are {there_are}")
    assert ("; nearest: image_tensor" in said) == (input_type == "image_tensors")
