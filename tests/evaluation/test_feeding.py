from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from harness.criteria import Array
from harness.domain import Axis, Domain, Examples, Feature, NumberTexts, Pictures, Values
from harness.errors import RequestError
from harness.evaluation.data import Picture
from harness.evaluation.feeding import fed, feeding_of
from harness.signature import Shape, TensorSpec

ANY = (None, None, None, 3)


def spec(dtype: str = "uint8", shape: tuple[int | None, ...] | None = ANY) -> TensorSpec:
    return TensorSpec(name="image", dtype=dtype, shape=shape)


def picture(pixels: Array) -> Picture:
    height, width = pixels.shape[:2]
    return Picture(name="p", label=0, size=(width, height), source=pixels)


def feeds(
    image: Array,
    dtype: str,
    shape: Shape | None,
    domain: Domain | None = None,
    **options: str | None,
) -> Array:
    feeding = feeding_of(spec(dtype, shape), domain or Domain(), **options)
    return fed(feeding, [picture(image)])


# Pixels


def test_pixels_are_fed_as_they_are(noise: Array) -> None:
    value = feeds(noise, "uint8", ANY)
    assert value.dtype == np.uint8
    assert np.array_equal(value, noise[np.newaxis])


@pytest.mark.parametrize(
    ("pixels", "ends"),
    [(None, (0, 255)), ("0..255", (0, 255)), ("0..1", (0, 1)), ("-1..1", (-1, 1))],
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_of_the_range_that_is_asked_for(
    pixels: str | None, ends: tuple[int, int], dtype: str
) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    value = feeds(np.stack([ramp] * 3, axis=2), dtype, ANY, pixels=pixels)
    assert value.dtype == dtype
    expected = np.linspace(*ends, 256).reshape(16, 16)
    np.testing.assert_allclose(value[0, :, :, 1], expected, atol=1e-3)
    assert (value.min(), value.max()) == ends


def test_whole_numbers_wider_than_bytes_hold_the_same_pixels(noise: Array) -> None:
    value = feeds(noise, "int32", ANY)
    assert value.dtype == np.int32
    assert np.array_equal(value[0], noise)


def test_the_range_of_floats_is_told() -> None:
    assert feeding_of(spec("float32"), Domain(), pixels="0..1").told == (
        "image is fed pixels of 0..1 (--pixels)",
    )


@pytest.mark.parametrize("dtype", ["uint8", "int32", "string"])
def test_a_range_is_refused_where_no_floats_are_fed(dtype: str) -> None:
    shape = (None,) if dtype == "string" else ANY
    with pytest.raises(RequestError, match="--pixels goes with an input of floats"):
        feeding_of(spec(dtype, shape), Domain(), pixels="0..1")


def test_another_range_is_refused() -> None:
    with pytest.raises(RequestError, match=r"the choices are 0\.\.255, 0\.\.1, -1\.\.1"):
        feeding_of(spec("float32"), Domain(), pixels="0..2")


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_have_the_channels_of_the_input(channels: int, noise: Array) -> None:
    value = feeds(noise, "uint8", (None, None, None, channels))
    assert value.shape == (1, 5, 7, channels)
    if channels == 1:
        assert np.array_equal(value[0, :, :, 0], np.asarray(Image.fromarray(noise).convert("L")))
    else:
        assert np.array_equal(value[0, :, :, :3], noise)


def test_channels_that_are_not_stated_are_three_and_told(noise: Array) -> None:
    feeding = feeding_of(spec("uint8", (None, None, None, None)), Domain())
    assert fed(feeding, [picture(noise)]).shape == (1, 5, 7, 3)
    assert feeding.told == ("image does not state its channels: 3 are fed",)


def test_pictures_are_resized_to_the_stated_size(noise: Array) -> None:
    value = feeds(noise, "uint8", (None, 10, 20, 3))
    expected = Image.fromarray(noise).resize((20, 10), Image.Resampling.BILINEAR)
    assert np.array_equal(value[0], np.asarray(expected))


def test_a_size_that_the_graph_alone_takes_counts_as_stated(noise: Array) -> None:
    only = Axis(name="height", sizes=(6,), refused_by="MatMul")
    many = Axis(name="width", sizes=(7, 8), refused_by="MatMul")
    value = feeds(noise, "uint8", ANY, Domain(shape=(None, only, many, 3)))
    assert value.shape == (1, 6, 8, 3)  # alone, a stated side keeps the form: 7 * 6 / 5


def test_a_picture_is_fed_without_a_batch_where_the_input_has_none(noise: Array) -> None:
    feeding = feeding_of(spec("uint8", (None, None, 3)), Domain())
    assert feeding.batch == "none"
    assert np.array_equal(fed(feeding, [picture(noise)]), noise)


def test_a_batch_that_is_baked_in_is_kept() -> None:
    assert feeding_of(spec("uint8", (8, None, None, 3)), Domain()).batch == 8


def test_an_unknown_rank_is_taken_for_that_of_pictures(noise: Array) -> None:
    assert feeds(noise, "uint8", None).shape == (1, 5, 7, 3)


@pytest.mark.parametrize(
    ("dtype", "shape", "said"),
    [
        ("float32", (None, 784), r"its shape is \[None, 784\]"),
        ("float32", (None, 28, 28, 2), "it has 2 channels"),
        ("float32", (None, 3, 28, 28), "channels that come first are not served"),
        ("float32", (None, 3, None, None), "its channels may come first, which are not served"),
        ("float32", (None, 28, 28), "its shape is"),
        ("int8", ANY, "int8 holds no pixels"),
        ("bool", ANY, "bool holds no pixels"),
        ("complex64", ANY, "complex64 holds no pixels"),
        ("string", (None, 3), "it has 2 dimensions"),
    ],
)
def test_an_input_that_takes_no_pictures_is_refused_in_words(
    dtype: str, shape: tuple[int | None, ...], said: str
) -> None:
    with pytest.raises(RequestError, match=f"--input image: .* takes no pictures: .*{said}"):
        feeding_of(spec(dtype, shape), Domain())


# Strings


def test_strings_are_pngs_of_the_very_pixels(noise: Array) -> None:
    value = feeds(noise, "string", (None,), Domain(values=Pictures()))
    assert value.shape == (1,)
    assert value[0].startswith(b"\x89PNG")
    assert np.array_equal(tf.io.decode_png(value[0]).numpy(), noise)


def test_a_scalar_string_is_one_picture(noise: Array) -> None:
    value = feeds(noise, "string", (), Domain(values=Pictures()))
    assert value.shape == ()
    assert np.array_equal(tf.io.decode_png(value[()]).numpy(), noise)


def test_strings_of_which_nothing_is_known_are_pngs_and_told() -> None:
    assert feeding_of(spec("string", (None,)), Domain()).told == (
        "nothing tells what the strings of image are",
        "image is fed PNG",
    )


def test_who_decodes_bmp_is_fed_bmp(noise: Array) -> None:
    value = feeds(noise, "string", (None,), Domain(values=Pictures(formats=("bmp",))))
    assert np.array_equal(tf.io.decode_bmp(value[0]).numpy(), noise)


def test_encoded_pictures_have_the_channels_and_the_size_that_are_decoded(noise: Array) -> None:
    pictures = Pictures(channels=1, heights=(4,), widths=(6,))
    value = feeds(noise, "string", (None,), Domain(values=pictures))
    assert tf.io.decode_png(value[0]).shape == (4, 6, 1)


def test_sizes_that_are_merely_drawn_resize_nothing(noise: Array) -> None:
    value = feeds(noise, "string", (None,), Domain(values=Pictures(heights=(1, 7))))
    assert tf.io.decode_png(value[0]).shape == (5, 7, 3)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (NumberTexts(), "the graph reads decimal numbers of float32"),
        (Pictures(formats=("gif",)), "decodes GIF alone"),
        (Examples(features={"x": Feature(dtype="float32")}), "0 features .* of x"),
        (
            Examples(features={n: Feature(dtype="string", values=Pictures()) for n in "ab"}),
            "2 features .* of a, b",
        ),
        (
            Examples(
                features={
                    "a": Feature(dtype="string", values=Pictures()),
                    "n": Feature(dtype="int64"),
                }
            ),
            "features that pictures do not have: n",
        ),
        (
            Examples(
                features={"a": Feature(dtype="string", values=Pictures())},
                feature_lists={"l": Feature(dtype="int64")},
            ),
            "SequenceExamples",
        ),
    ],
    ids=["numbers", "gif", "no picture", "two pictures", "number", "sequence"],
)
def test_strings_that_are_something_else_are_refused(values: Values, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        feeding_of(spec("string", (None,)), Domain(values=values))


def test_examples_hold_the_picture_and_say_its_format(noise: Array) -> None:
    examples = Examples(
        features={
            "image/encoded": Feature(dtype="string", shape=(), values=Pictures()),
            "image/format": Feature(dtype="string", shape=()),
            "image/class": Feature(dtype="int64", shape=(), required=False),
        }
    )
    feeding = feeding_of(spec("string", (None,)), Domain(values=examples))
    value = fed(feeding, [picture(noise)])
    assert feeding.told == ("image is fed PNG in image/encoded of a tf.train.Example",)
    features = tf.train.Example.FromString(value[0]).features.feature
    assert set(features) == {"image/encoded", "image/format"}
    assert features["image/format"].bytes_list.value == [b"png"]
    (encoded,) = features["image/encoded"].bytes_list.value
    assert np.array_equal(tf.io.decode_png(encoded).numpy(), noise)


# Files


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    file = tmp_path / "p.png"
    image.save(file)
    feeding = feeding_of(spec(), Domain())
    value = fed(feeding, [Picture(name="p", label=0, size=(2, 2), source=file)])
    assert value[0, 0, 0].tolist() == [10, 20, 30]


def test_a_stated_width_alone_keeps_the_form_of_a_picture(noise: Array) -> None:
    assert feeds(noise, "uint8", (None, None, 14, 3)).shape == (1, 10, 14, 3)


def test_the_rank_that_the_graph_needs_is_taken_where_none_is_stated(noise: Array) -> None:
    value = feeds(noise, "uint8", None, Domain(shape=(None, None, 3)))
    assert np.array_equal(value, noise)


def test_a_size_that_the_input_states_needs_no_word_of_the_graph(noise: Array) -> None:
    value = feeds(noise, "uint8", (None, 10, 20, 3), Domain(shape=(None, None, None, 3)))
    assert value.shape == (1, 10, 20, 3)
