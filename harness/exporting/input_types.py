"""What an exported graph is fed: pixels, encoded pictures, or serialized examples that hold them.

Each ends in `(batch, height, width, 3) uint8`. Strings are decoded one by one in a loop, and
stacked: pictures of one batch must have one size, and the graph says so in words where they have
not.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from harness.exporting.layout import CHANNELS, ENCODED_IMAGES, IMAGE_TENSOR, TF_EXAMPLE
from harness.signature import Shape

_FEATURE = "image/encoded"
_ONE_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgYGAAAAAEAAH2FzhVAAAAAElFTkSuQmCC"
)
"""A PNG of one black pixel."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """A placeholder, and the pictures that it stands for, `(batch, height, width, 3) uint8`."""

    placeholder: Any
    pictures: Any


def make_input(input_type: str, shape: Shape) -> Input:
    """Add the placeholder to the default graph, under the name of the type, and what decodes it."""
    return _MAKERS[input_type](shape)


def _image_tensor(shape: Shape) -> Input:
    placeholder = tf.compat.v1.placeholder(tf.uint8, shape, name=IMAGE_TENSOR)
    return Input(placeholder=placeholder, pictures=placeholder)


def _encoded_images(shape: Shape) -> Input:
    placeholder = tf.compat.v1.placeholder(tf.string, shape, name=ENCODED_IMAGES)
    return Input(placeholder=placeholder, pictures=_decoded(placeholder))


def _tf_example(shape: Shape) -> Input:
    placeholder = tf.compat.v1.placeholder(tf.string, shape, name=TF_EXAMPLE)
    features = tf.io.parse_example(placeholder, {_FEATURE: tf.io.FixedLenFeature((), tf.string)})
    return Input(placeholder=placeholder, pictures=_decoded(features[_FEATURE]))


_MAKERS: dict[str, Callable[[Shape], Input]] = {
    IMAGE_TENSOR: _image_tensor,
    ENCODED_IMAGES: _encoded_images,
    TF_EXAMPLE: _tf_example,
}


def _decoded(strings: Any) -> Any:
    """Decode `(batch,) string` to `(batch, height, width, 3) uint8`.

    No `tf.map_fn`: it stacks what it was given as it goes, and says of pictures of two sizes that a
    TensorArray has inconsistent shapes; nor can it stack none.
    """
    count = tf.shape(strings)[0]
    rounds = tf.maximum(count, 1)
    padded = tf.concat([strings, [_ONE_PIXEL]], axis=0)  # decoded where there is nothing else
    pictures = tf.TensorArray(tf.uint8, rounds, infer_shape=False)
    sizes = tf.TensorArray(tf.int32, rounds, element_shape=(2,))

    def decode_one(index: Any, pictures: Any, sizes: Any) -> tuple[Any, Any, Any]:
        picture = tf.io.decode_image(padded[index], channels=CHANNELS, expand_animations=False)
        picture.set_shape((None, None, CHANNELS))
        size = tf.shape(picture)[:2]
        return index + 1, pictures.write(index, picture), sizes.write(index, size)

    _, pictures, sizes = tf.while_loop(
        lambda index, *_: index < rounds, decode_one, (0, pictures, sizes)
    )
    found = sizes.stack()
    # Not tf.debugging.Assert, which hides it in a branch.
    alike = tf.raw_ops.Assert(
        condition=tf.reduce_all(tf.equal(found, found[:1])),
        data=["all pictures of a batch must have one size; theirs, height and width, are", found],
        summarize=64,
    )
    with tf.control_dependencies([alike]):
        batch = pictures.stack()
    batch.set_shape((None, None, None, CHANNELS))
    return batch[:count]
