"""WAV files that TensorFlow decodes."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import tensorflow as tf
from hypothesis import given

from harness.domain import Sounds
from harness.inputs.encoded import encode

seeds = st.integers(0, 2**32 - 1)


@given(
    channels=st.integers(1, 3),
    samples=st.lists(st.integers(0, 500), min_size=1, max_size=3).map(tuple),
    seed=seeds,
)
def test_a_file_has_the_channels_and_one_of_the_lengths_asked_for(
    channels: int, samples: tuple[int, ...], seed: int
) -> None:
    sounds = Sounds(channels=channels, samples=samples)
    encoded = encode(sounds, (3,), np.random.default_rng(seed))
    decoded = [tf.audio.decode_wav(each) for each in encoded]
    (shape,) = {tuple(audio.shape) for audio, _ in decoded}
    assert shape[0] in samples
    assert shape[1] == channels
    assert len({int(rate) for _, rate in decoded}) == 1


def test_files_of_a_call_differ_and_some_are_loud() -> None:
    encoded = encode(Sounds(samples=(400,)), (30,), np.random.default_rng(2))
    decoded = [tf.audio.decode_wav(each)[0].numpy() for each in encoded]
    # Some have neither a tone nor noise.
    assert len({each.tobytes() for each in decoded}) > 20
    assert max(np.abs(each).max() for each in decoded) > 0.9


@given(seed=seeds)
def test_the_simplest_are_silent_and_short(seed: int) -> None:
    sounds = Sounds(channels=2, samples=(9, 4))
    (encoded,) = encode(sounds, (1,), np.random.default_rng(seed), simplest=True)
    audio, rate = tf.audio.decode_wav(encoded)
    assert audio.shape == (4, 2)
    assert not audio.numpy().any()
    assert rate == 16000


def test_the_same_seed_gives_the_same_files() -> None:
    one, other = (encode(Sounds(), (2,), np.random.default_rng(5)).tolist() for _ in range(2))
    assert one == other
