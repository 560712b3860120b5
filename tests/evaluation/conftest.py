"""A model that needs no training: which of red, green and blue a picture has most of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

COLOURS = ("red", "green", "blue")
Paint = Callable[..., Path]
Freeze = Callable[..., Path]


@pytest.fixture
def paint(tmp_path: Path) -> Paint:
    """Write pictures into folders of classes: `paint({"red/a.png": (255, 0, 0)}, size=(4, 4))`."""
    folder = tmp_path / "pictures"

    def paint(pictures: dict[str, tuple[int, int, int]], size: tuple[int, int] = (4, 4)) -> Path:
        for name, colour in pictures.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, colour).save(path)
        return folder

    return paint


@pytest.fixture
def colours(paint: Paint) -> Path:
    """Six pictures in the folders 0 (red), 1 (green) and 2 (blue); 1/b.png is blue."""
    return paint(
        {
            "0/a.png": (250, 9, 0),
            "0/b.png": (90, 10, 80),
            "1/a.png": (0, 200, 20),
            "1/b.png": (0, 0, 90),
            "2/a.png": (1, 2, 3),
            "2/b.bmp": (100, 90, 120),
        }
    )


@pytest.fixture
def freeze(tmp_path: Path) -> Freeze:
    """Write the model as a .pb: `freeze("pixels", dtype=tf.uint8, shape=(None, None, None, 3))`."""

    def freeze(
        kind: str = "pixels",
        *,
        dtype: tf.DType = tf.uint8,
        shape: Sequence[int | None] | None = (None, None, None, 3),
        name: str = "frozen.pb",
    ) -> Path:
        with tf.Graph().as_default() as graph:
            if kind == "pixels":
                pictures = tf.compat.v1.placeholder(dtype, shape, name="image")
            else:
                strings = tf.compat.v1.placeholder(tf.string, shape, name="image")
                pictures = _decoded(strings, kind)
            numbers = tf.cast(pictures, tf.float32)
            is_alone = numbers.shape.rank == 3
            scores = tf.reduce_mean(numbers, [0, 1] if is_alone else [1, 2], name="scores")
            classes = tf.argmax(scores, axis=-1, name="classes")
            tf.gather(tf.constant(COLOURS), classes, name="names")
        path = tmp_path / name
        path.write_bytes(graph.as_graph_def().SerializeToString())
        return path

    return freeze


def _decoded(strings: tf.Tensor, kind: str) -> tf.Tensor:
    if kind == "examples":
        features = {
            "image/encoded": tf.io.FixedLenFeature((), tf.string),
            "image/format": tf.io.FixedLenFeature((), tf.string, default_value="jpeg"),
            "image/class/label": tf.io.FixedLenFeature((), tf.int64, default_value=0),
        }
        strings = tf.io.parse_example(strings, features)["image/encoded"]
    if strings.shape.rank == 0:
        return tf.io.decode_png(strings, channels=3)
    return tf.map_fn(lambda each: tf.io.decode_png(each, channels=3), strings, tf.uint8)


@pytest.fixture
def noise() -> np.ndarray:
    """A picture in which no two pixels are alike."""
    return np.random.default_rng(1).integers(256, size=(5, 7, 3)).astype(np.uint8)
