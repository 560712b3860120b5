"""Outputs that were computed once are not computed again.

Every candidate is compared on the same feeds, and while a failing example is shrunk the same feeds
come back: the reference runs once per example however many candidates there are, and candidates
that are the same graph share their outputs.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping

import numpy as np

from harness.criteria import Array
from harness.errors import Rejected, TimedOut

Feeds = Mapping[str, Array]
"""Arrays by tensor name."""

Run = Callable[[Feeds], Mapping[str, Array]]
"""A model that can be run: feeds in, outputs out, both by tensor name.

It raises `Rejected`, and `TimedOut` where it takes too long.
"""

DEFAULT_LIMIT = 256 * 2**20

_Answer = Mapping[str, Array] | Rejected | TimedOut


class Memory:
    """Answers by key, up to `limit` bytes of outputs; what came first is forgotten first."""

    def __init__(self, *, limit: int = DEFAULT_LIMIT) -> None:
        """Hold nothing yet."""
        self._limit = limit
        self._held = 0
        self._known: OrderedDict[tuple[object, bytes], _Answer] = OrderedDict()

    def get(self, key: tuple[object, bytes]) -> _Answer | None:
        """Return what is known."""
        return self._known.get(key)

    def put(self, key: tuple[object, bytes], value: _Answer) -> None:
        """Remember `value`, and forget others where it is too much."""
        self._known[key] = value
        self._held += _size(value)
        while self._held > self._limit and len(self._known) > 1:
            _, forgotten = self._known.popitem(last=False)
            self._held -= _size(forgotten)


class Memo:
    """A `Run` that remembers what it returned or raised, in a memory that others may share."""

    def __init__(self, run: Run, *, memory: Memory | None = None) -> None:
        """Remember nothing yet."""
        self._run = run
        self._memory = memory or Memory()
        self.runs = 0

    def __call__(
        self, feeds: Mapping[str, Array], *, key: bytes | None = None
    ) -> Mapping[str, Array]:
        """Return the outputs for `feeds`, from memory where they are known.

        `key` is what they are remembered by, the digest of the feeds unless the caller knows it.

        Raises:
            Rejected: the model rejects the feeds, now or before.
            TimedOut: the model takes too long, or did before, which may then not be its fault.
        """
        key = digest(feeds) if key is None else key
        known = self._memory.get((self, key))
        if known is None:
            known = self._compute(feeds)
            self._memory.put((self, key), known)
        if isinstance(known, (Rejected, TimedOut)):
            raise known.again()
        return known

    def _compute(self, feeds: Mapping[str, Array]) -> _Answer:
        self.runs += 1
        try:
            return self._run(feeds)
        except (Rejected, TimedOut) as error:
            # Its traceback holds the frames, and with them the arrays, of the call.
            return error.again()


def digest(feeds: Mapping[str, Array]) -> bytes:
    """Return a digest of names, dtypes, shapes and bits: equal for equal feeds alone."""
    state = hashlib.blake2b(digest_size=16)
    for name in sorted(feeds):
        value = feeds[name]
        state.update(f"{name}\0{value.dtype}\0{value.shape}\0".encode())
        if value.dtype == object:
            for item in value.reshape(-1):
                state.update(len(item).to_bytes(8, "little") + item)
        else:
            state.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    return state.digest()


def _size(value: _Answer) -> int:
    return sum(array.nbytes for array in value.values()) if isinstance(value, Mapping) else 0
