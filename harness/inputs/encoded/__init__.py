"""Strings that hold something else: pictures, sounds, numbers, CSV, tf.train.Example."""

from harness.inputs.encoded.kinds import Encoded, encode

__all__ = ["Encoded", "encode"]
