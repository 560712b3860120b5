"""The wire format of protocol buffers, as far as tf.train.Example needs it.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import numpy as np

from harness.criteria import Array

_LENGTH_DELIMITED = 2


def field(number: int, payload: bytes) -> bytes:
    """Return a field that holds a string, bytes, a message, or packed numbers."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(payload)) + payload


def varints(numbers: Array) -> bytes:
    """Return int64 numbers one after the other, a negative one as the uint64 of its bits."""
    unsigned: list[int] = numbers.astype(np.int64).view(np.uint64).tolist()
    return b"".join(map(_varint, unsigned))


def floats(numbers: Array) -> bytes:
    """Return numbers one after the other, each in float32."""
    return numbers.astype("<f4").tobytes()


def _varint(number: int) -> bytes:
    """Return a number in groups of 7 bits, the lowest first; the high bit says that more follow."""
    if number < 0x80:
        return _SINGLE[number]
    groups = bytearray()
    while number >= 0x80:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


_SINGLE = [bytes([number]) for number in range(0x80)]
