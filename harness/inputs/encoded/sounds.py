"""WAV files: a tone with more or less noise."""

from __future__ import annotations

import io
import wave

import numpy as np

from harness.criteria import Array
from harness.domain import Sounds

_RATES = (16000, 16000, 8000, 44100)
_LOUDEST = 32767
_BYTES = 2


def draw_sounds(
    sounds: Sounds, count: int, rng: np.random.Generator, *, simplest: bool = False
) -> list[bytes]:
    """Return `count` WAV files of one length and one rate, the `simplest` of them silent."""
    samples = min(sounds.samples) if simplest else int(rng.choice(sounds.samples))
    rate = _RATES[0] if simplest else int(rng.choice(_RATES))
    shape = (count, samples, sounds.channels)
    waves = np.zeros(shape, "<i2") if simplest else _waves(shape, rate, rng)
    return [_written(each, rate) for each in waves]


def _waves(shape: tuple[int, int, int], rate: int, rng: np.random.Generator) -> Array:
    count, samples, channels = shape
    time = np.arange(samples, dtype=np.float32).reshape(-1, 1) / rate
    pitch, phase = rng.uniform(0, [[[[2e4]]], [[[6.0]]]], (2, count, 1, channels))
    tone, noise = rng.choice([0.0, 0.01, 0.5, 1.0, 2.0], (2, count, 1, channels))
    values = tone * np.sin(pitch * time + phase) + noise * (2 * rng.random(shape) - 1)
    # Clipped, as what is recorded too loud.
    return np.asarray(np.clip(values * _LOUDEST, -_LOUDEST - 1, _LOUDEST).astype("<i2"))


def _written(samples: Array, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(samples.shape[1])
        wav.setsampwidth(_BYTES)
        wav.setframerate(rate)
        wav.writeframes(samples.tobytes())
    return file.getvalue()
