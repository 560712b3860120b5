"""Whether a folder is still being written: whoever writes there holds a lock in it.

The system takes the lock away when the process ends, however it ends. The number of a process would
not tell: containers count their own, and numbers are used again.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

LOCK = "lock"
"""The file of the lock. It is locked before it has this name."""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder that was just made, until the block is left.

    Where the file system knows no locks there is no such file, and `taken_over` never is true.
    """
    unnamed = folder / f"{LOCK}.new"
    descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600)
    is_locked = _is_locked(descriptor)
    if is_locked:
        unnamed.rename(folder / LOCK)
    else:
        os.close(descriptor)
        unnamed.unlink()
    try:
        yield
    finally:
        if is_locked:
            os.close(descriptor)


@contextlib.contextmanager
def taken_over(folder: Path) -> Iterator[bool]:
    """Say whether nobody holds the folder any more; then it is held until the block is left."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        yield False
        return
    try:
        yield _is_locked(descriptor)
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # it is locked, or cannot be
        return False
    return True
