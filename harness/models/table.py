"""The entries of a table file, TensorFlow's and LevelDB's format: the index of a V2 checkpoint.

TensorFlow's own reader stops at a damaged block and takes what came before for the whole index;
variables would seem to be missing. Format: tensorflow/core/lib/io/format.cc and block.cc, and
LevelDB's doc/table_format.md. A table is blocks of sorted entries, each with a checksum, then a
block of where they are, then a footer of 48 bytes that says where that one is.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.misfit import TABLE_MAGIC

_FOOTER = 48
_TRAILER = 5  # the compression, and a checksum of the block and of that byte
_POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected
_MASK = 0xA282EAD8  # a checksum is stored rotated by 15 bits, plus this: lib/hash/crc32c.h


def table_entries(content: bytes) -> list[tuple[bytes, bytes]]:
    """Return the keys and values of a table.

    Compressed blocks, which TensorFlow reads and does not write, are checked and left out.

    Raises:
        ValueError: the bytes are no table, or not as they were written.
    """
    footer = content[-_FOOTER:]
    if len(footer) < _FOOTER or not footer.endswith(TABLE_MAGIC):
        raise ValueError("there is no table's footer")
    _, place = _handle(footer, 0)  # of a block that TensorFlow leaves empty
    (offset, size), _ = _handle(footer, place)
    found: list[tuple[bytes, bytes]] = []
    for _, handle in _entries(_block(content, offset, size)):
        (offset, size), _ = _handle(handle, 0)
        found += _entries(_block(content, offset, size))
    return found


def _block(content: bytes, offset: int, size: int) -> bytes:
    block = content[offset : offset + size + 1]
    stored = int.from_bytes(content[offset + size + 1 : offset + size + _TRAILER], "little")
    if len(block) != size + 1 or _masked(crc32c(block)) != stored:
        raise ValueError(f"the block at byte {offset} is not as it was written")
    is_compressed = bool(block[-1])
    return b"" if is_compressed else block[:-1]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of a block; each key leaves out what it shares with the one before."""
    restarts = int.from_bytes(block[-4:], "little")  # entries before which nothing is left out
    end, place, key = len(block) - 4 * (restarts + 1), 0, b""
    while place < end:
        shared, place = _varint(block, place)
        rest, place = _varint(block, place)
        length, place = _varint(block, place)
        key = key[:shared] + block[place : place + rest]
        yield key, block[place + rest : place + rest + length]
        place += rest + length


def _handle(content: bytes, place: int) -> tuple[tuple[int, int], int]:
    offset, place = _varint(content, place)
    size, place = _varint(content, place)
    return (offset, size), place


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(content):
            raise ValueError("a number is cut short")
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc32c(content: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of the bytes."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF
