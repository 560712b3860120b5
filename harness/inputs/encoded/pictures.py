"""Encoded pictures: gradients with more or less noise.

All pictures of an example have one size and one number of channels, as in a model that decodes a
batch and stacks it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from harness.criteria import Array
from harness.domain import Pictures
from harness.errors import RequestError
from harness.inputs.encoded.plain import RARELY

if TYPE_CHECKING:
    from PIL.Image import Image

_CHANNELS = {"png": (3, 1, 4), "jpeg": (3, 1), "bmp": (3, 1, 4), "gif": (3,)}
"""The channels that a file of the format has."""

_NOISE = (0.0, 16.0, 128.0, 512.0)


def draw_pictures(
    pictures: Pictures, count: int, rng: np.random.Generator, *, simplest: bool = False
) -> list[bytes]:
    """Return `count` encoded pictures, the `simplest` of them black and small.

    Raises:
        RequestError: a format is none of png, jpeg, bmp and gif.
    """
    formats, channels = _formats(pictures, rng, simplest)
    # An animation is decoded by DecodeGif and DecodeImage; to other decoders it is an error.
    animated = pictures.formats == ("gif",) and not simplest and rng.random() < 0.25
    if simplest:
        shape = (count, min(pictures.heights), min(pictures.widths), channels)
        pixels = np.zeros(shape, np.uint8)
    else:
        height, width = int(rng.choice(pictures.heights)), int(rng.choice(pictures.widths))
        pixels = _pixels((count, height, width, channels), rng)
    kinds = rng.integers(len(formats), size=count)
    return [
        _written(picture, formats[kind], animated)
        for picture, kind in zip(pixels, kinds, strict=True)
    ]


def _formats(
    pictures: Pictures, rng: np.random.Generator, simplest: bool
) -> tuple[tuple[str, ...], int]:
    """Return the formats of one example, and the channels that all of its files have."""
    for name in pictures.formats:
        if name not in _CHANNELS:
            raise RequestError(f"no pictures in {name} can be drawn: only {', '.join(_CHANNELS)}")
    able = tuple(name for name in pictures.formats if _is_decoded(name, pictures.channels))
    formats = able or pictures.formats
    if "gif" in formats and len(formats) > 1:
        # A decoded GIF has a dimension more, the frames, and is no part of a batch of others.
        others = tuple(name for name in formats if name != "gif")
        formats = ("gif",) if rng.random() < RARELY and not simplest else others
    if simplest:
        formats = formats[:1]
    common = [
        channels
        for channels in _CHANNELS[formats[0]]
        if all(channels in _CHANNELS[name] for name in formats)
    ]
    if pictures.channels in common:
        return formats, pictures.channels
    if pictures.channels or simplest or rng.random() >= RARELY:
        return formats, common[0]
    return formats, int(rng.choice(common))


def _is_decoded(name: str, channels: int) -> bool:
    """Say whether TensorFlow decodes a file of the format into so many channels.

    It gives 1 channel of no BMP, 4 of no JPEG, and other than 3 of no GIF.
    """
    return not channels or (channels in _CHANNELS[name] and (name, channels) != ("bmp", 1))


def _pixels(shape: tuple[int, int, int, int], rng: np.random.Generator) -> Array:
    count, height, width, channels = shape
    middle, down, right = rng.uniform(-255, 255, (3, count, 1, 1, channels)).astype(np.float32)
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32).reshape(-1, 1, 1)
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32).reshape(-1, 1)
    noise = rng.choice(np.array(_NOISE, np.float32), (count, 1, 1, 1))
    values = np.abs(middle) + down * y + right * x
    values += noise * (rng.random(shape, dtype=np.float32) - np.float32(0.5))
    return np.asarray(np.clip(values, 0, 255), np.uint8)


def _written(pixels: Array, name: str, animated: bool) -> bytes:
    # Not at the top: the start of pytest does not pay for it.
    from PIL import Image

    file = io.BytesIO()
    if name == "gif":
        # The second frame is the negative: frames that are the same would be written as one.
        frames = [_in_few_colours(each) for each in (pixels, 255 - pixels)[: 1 + animated]]
        frames[0].save(file, "GIF", save_all=animated, append_images=frames[1:])
        return file.getvalue()
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if name == "png":
        image.save(file, "PNG", compress_level=1)
    else:
        image.save(file, name.upper())
    return file.getvalue()


def _in_few_colours(pixels: Array) -> Image:
    """Return a picture of 8 reds by 8 greens by 4 blues; Pillow takes long to find the best 256."""
    from PIL import Image

    red, green, blue = np.moveaxis(pixels, 2, 0)
    image = Image.fromarray(red & 0xE0 | green >> 3 & 0x1C | blue >> 6)
    numbers = np.arange(256)
    colours = np.stack([(numbers >> 5) * 36, (numbers >> 2 & 7) * 36, (numbers & 3) * 85], axis=1)
    image.putpalette(colours.astype(np.uint8).tobytes())
    return image
