"""From pictures to the value of an input: pixels, encoded pictures, or examples that hold those."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL.Image import Image, Resampling

from harness.criteria import Array
from harness.domain import Axis, Domain, Examples, Pictures
from harness.errors import RequestError, listed
from harness.evaluation.data import Picture
from harness.inputs.dtypes import numpy_dtype
from harness.inputs.encoded import wire
from harness.signature import Shape, TensorSpec

PIXELS = {"0..255": (1.0, 0.0), "0..1": (255.0, 0.0), "-1..1": (127.5, 1.0)}
"""What pixels are divided by, and what is then subtracted."""
DEFAULT_PIXELS = "0..255"

Batch = int | Literal["any", "none"]
"""How many pictures are fed at once: any number, one that is baked in, or one without a batch."""

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_BYTES_LIST = 1  # tf.train.Feature's field; the messages are drawn in `example_protos`
_FORMAT_FEATURE = "format"
_USUAL_CHANNELS = 3


@dataclass(frozen=True, kw_only=True)
class Feeding:
    """How pictures become the value of `input`.

    `height` and `width` are those that pictures are resized to, None for their own. Of an
    example, `picture_feature` holds the picture, and `format_features` say "png".
    """

    input: TensorSpec
    kind: Literal["pixels", "pictures", "examples"]
    channels: int
    height: int | None
    width: int | None
    batch: Batch
    pixels: str = DEFAULT_PIXELS
    format: str = "PNG"
    picture_feature: str = ""
    format_features: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    def size(self, picture: Picture) -> tuple[int, int]:
        """Return width and height with which a picture is fed; alone, one of them keeps its form.

        Pictures of one batch have one size.
        """
        width, height = picture.size
        if self.width is None and self.height is not None:
            return max(1, round(width * self.height / height)), self.height
        if self.height is None and self.width is not None:
            return self.width, max(1, round(height * self.width / width))
        return self.width or width, self.height or height


def feeding_of(spec: TensorSpec, domain: Domain, *, pixels: str | None = None) -> Feeding:
    """Return how pictures are fed to an input, by what the graph says of it.

    Raises:
        RequestError: the input takes no pictures; `pixels` are no range, or the input no floats.
    """
    if pixels is not None and pixels not in PIXELS:
        raise RequestError(f"--pixels {pixels}: the choices are {', '.join(PIXELS)}")
    if pixels is not None and (spec.dtype == "string" or "int" in spec.dtype):
        raise RequestError(
            f"--pixels goes with an input of floats, and {spec.name} is {spec.dtype}, which is fed "
            f"{'files' if spec.dtype == 'string' else '0..255'}"
        )
    shape = _shape(spec, domain)
    if spec.dtype == "string":
        return _of_strings(spec, domain, shape)
    return _of_numbers(spec, shape, pixels or DEFAULT_PIXELS)


def fed(feeding: Feeding, pictures: Sequence[Picture]) -> Array:
    """Return the value of the input for pictures of one size.

    Raises:
        RequestError: the file of a picture is damaged.
    """
    images = [_converted(feeding, picture) for picture in pictures]
    if feeding.kind == "pixels":
        values = _numbers(feeding, np.stack([_pixels(image) for image in images]))
        return np.asarray(values[0] if feeding.batch == "none" else values)
    files = [_file(feeding, image) for image in images]
    if feeding.batch == "none":
        return np.asarray(files[0], dtype=object)
    strings = np.empty(len(files), dtype=object)
    strings[:] = files
    return strings


def _shape(spec: TensorSpec, domain: Domain) -> Shape | None:
    """Return the sizes that are certain, by the signature or by what the graph makes of it."""
    if domain.shape is None:
        return spec.shape
    read = tuple(_certain(size) for size in domain.shape)
    if spec.shape is None:
        return read
    return tuple(
        own if own is not None else found for own, found in zip(spec.shape, read, strict=True)
    )


def _certain(size: int | Axis | None) -> int | None:
    if isinstance(size, Axis):
        return size.sizes[0] if size.refused_by and len(size.sizes) == 1 else None
    return size


def _of_numbers(spec: TensorSpec, shape: Shape | None, pixels: str) -> Feeding:
    is_float = "float" in spec.dtype
    dtype = numpy_dtype(spec.dtype)
    if not is_float and (dtype.kind not in "iu" or np.iinfo(dtype).max < 255):
        raise _no_pictures(spec, f"{spec.dtype} holds no pixels")
    if shape is None:
        shape = (None, None, None, None)
    is_alone = len(shape) == 3 and shape[2] in _MODES
    if len(shape) != 4 and not is_alone:
        raise _no_pictures(spec, f"its shape is {spec.shape and list(spec.shape)}")
    batch, height, width, channels = (None, *shape) if is_alone else shape
    if channels is None and height in _MODES:
        raise _no_pictures(spec, "its channels may come first, which are not served")
    if channels is not None and channels not in _MODES:
        first = " (channels that come first are not served)" if shape[1] in _MODES else ""
        raise _no_pictures(spec, f"it has {channels} channels{first}")
    told = [f"{spec.name} is fed pixels of {pixels} (--pixels)"] if is_float else []
    if channels is None:
        told.append(f"{spec.name} does not state its channels: {_USUAL_CHANNELS} are fed")
    return Feeding(
        input=spec,
        kind="pixels",
        channels=channels or _USUAL_CHANNELS,
        height=height,
        width=width,
        batch="none" if is_alone else batch or "any",
        pixels=pixels,
        told=tuple(told),
    )


def _no_pictures(spec: TensorSpec, why: str) -> RequestError:
    return RequestError(
        f"--input {spec.name}: {spec} takes no pictures: {why}, and it should be numbers "
        f"[batch, height, width, channels] with 1, 3 or 4 channels, without batch or with it, or "
        f"strings [batch]"
    )


def _of_strings(spec: TensorSpec, domain: Domain, shape: Shape | None) -> Feeding:
    if shape is not None and len(shape) > 1:
        raise _no_pictures(spec, f"it has {len(shape)} dimensions")
    batch: Batch = "any" if shape is None else "none" if not shape else shape[0] or "any"
    values = domain.values
    if isinstance(values, Examples):
        return _of_examples(spec, values, batch)
    if values is not None and not isinstance(values, Pictures):
        raise _no_pictures(spec, f"the graph reads {values} ({domain.read_from})")
    guessed = () if values else (f"nothing tells what the strings of {spec.name} are",)
    return _encoded(spec, values or Pictures(), batch, told=guessed)


def _encoded(
    spec: TensorSpec,
    pictures: Pictures,
    batch: Batch,
    *,
    picture_feature: str = "",
    format_features: tuple[str, ...] = (),
    told: tuple[str, ...] = (),
) -> Feeding:
    if pictures.formats == ("gif",):
        raise _no_pictures(spec, "the graph decodes GIF alone, which is not written here")
    # Whoever decodes JPEG decodes PNG too, and that loses nothing.
    name = "BMP" if pictures.formats == ("bmp",) else "PNG"
    where = f" in {picture_feature} of a tf.train.Example" if picture_feature else ""
    return Feeding(
        input=spec,
        kind="examples" if picture_feature else "pictures",
        channels=pictures.channels or _USUAL_CHANNELS,
        height=pictures.heights[0] if len(pictures.heights) == 1 else None,
        width=pictures.widths[0] if len(pictures.widths) == 1 else None,
        batch=batch,
        format=name,
        picture_feature=picture_feature,
        format_features=format_features,
        told=(*told, f"{spec.name} is fed {name}{where}"),
    )


def _of_examples(spec: TensorSpec, examples: Examples, batch: Batch) -> Feeding:
    if examples.feature_lists:
        raise _no_pictures(spec, "the graph reads SequenceExamples")
    features = examples.features
    holders = [name for name, each in features.items() if isinstance(each.values, Pictures)]
    if len(holders) != 1:
        raise _no_pictures(
            spec,
            f"{len(holders)} features of its examples hold a picture that is decoded, of "
            f"{listed(list(features)) or 'none'}",
        )
    (holder,) = holders
    formats = tuple(
        name
        for name, each in features.items()
        if each.dtype == "string" and name.rpartition("/")[2] == _FORMAT_FEATURE
    )
    others = [n for n, each in features.items() if each.required and n not in (holder, *formats)]
    if others:
        raise _no_pictures(
            spec, f"its examples need features that pictures do not have: {listed(others)}"
        )
    pictures = features[holder].values
    assert isinstance(pictures, Pictures)
    return _encoded(spec, pictures, batch, picture_feature=holder, format_features=formats)


def _converted(feeding: Feeding, picture: Picture) -> Image:
    image = picture.opened()
    mode = _MODES[feeding.channels]
    # A palette is no scale: colours are mixed after it was looked up.
    image = image if image.mode == mode else image.convert(mode)
    size = feeding.size(picture)
    if image.size == size:
        return image
    return image.resize(size, Resampling.BILINEAR)


def _pixels(image: Image) -> Array:
    pixels = np.asarray(image, np.uint8)
    return pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels


def _numbers(feeding: Feeding, pixels: Array) -> Array:
    dtype = numpy_dtype(feeding.input.dtype)
    if dtype.kind in "iu":
        return pixels.astype(dtype)
    divisor, subtracted = PIXELS[feeding.pixels]
    return np.asarray((pixels.astype(np.float64) / divisor - subtracted).astype(dtype))


def _file(feeding: Feeding, image: Image) -> bytes:
    file = io.BytesIO()
    image.save(file, feeding.format)
    if feeding.kind == "pictures":
        return file.getvalue()
    features = [(feeding.picture_feature, file.getvalue())]
    features += [(name, feeding.format.lower().encode()) for name in feeding.format_features]
    return wire.field(1, b"".join(_entry(name, value) for name, value in features))


def _entry(name: str, value: bytes) -> bytes:
    """Return the entry of the map `Features.feature` that holds one string."""
    feature = wire.field(_BYTES_LIST, wire.field(1, value))
    return wire.field(1, wire.field(1, name.encode()) + wire.field(2, feature))
