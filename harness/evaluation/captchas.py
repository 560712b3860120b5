"""Pictures of one digit, drawn by the captcha library, the same for the same seed."""

from __future__ import annotations

import importlib
import importlib.util
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from harness.criteria import Array
from harness.errors import RequestError

SIDE = 28
DIGITS = 10


@cache
def digits(count: int, seed: int) -> tuple[Array, Array]:
    """`(count, 28, 28, 3) uint8` pictures and `(count,) int64` labels, both read-only.

    Raises:
        RequestError: the captcha library is not installed.
    """
    library = _library()
    labels = np.random.default_rng(seed).integers(DIGITS, size=count)
    painter = library.ImageCaptcha(width=SIDE, height=SIDE, font_sizes=(22, 24, 26))
    with _reproducible(library, seed):
        pictures = np.stack([_picture(library, painter, str(label)) for label in labels])
    pictures.setflags(write=False)
    labels.setflags(write=False)
    return pictures, labels


def _library() -> Any:
    """Return the module `captcha.image`, which is an extra of this distribution."""
    if importlib.util.find_spec("captcha") is None:
        raise RequestError(
            "captchas are drawn by a package that is not installed: pip install "
            "'freezeproof[captcha]'"
        )
    return importlib.import_module("captcha.image")


def _picture(library: Any, painter: Any, digit: str) -> Array:
    background = library.random_color(230, 255)
    ink = library.random_color(10, 160)
    picture = painter.create_captcha_image(digit, ink, background)
    # `generate_image` draws thirty dots three pixels wide, which would hide a digit of this size.
    painter.create_noise_dots(picture, ink, width=1, number=10)
    painter.create_noise_curve(picture, ink)
    return np.asarray(picture, np.uint8)


class _SeededSecrets:
    """The functions of the `secrets` module that the captcha library calls, from a seed."""

    def __init__(self, seed: int) -> None:
        generator = random.Random(seed)  # noqa: S311 (pictures are no secrets)
        self.randbelow = generator.randrange
        self.randbits = generator.getrandbits
        self.choice = generator.choice


@contextmanager
def _reproducible(library: Any, seed: int) -> Iterator[None]:
    """Let the captcha library, which takes no seed, draw from a seeded generator for a while."""
    original = library.secrets
    library.secrets = _SeededSecrets(seed)
    try:
        yield
    finally:
        library.secrets = original
