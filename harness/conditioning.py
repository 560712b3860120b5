"""How far an output moves by rounding alone, and whether that explains a difference.

TensorFlow's optimisers reorder arithmetic: as deployed, a right export rounds elsewhere than its
reference. Where large terms cancel, or a recurrent network amplifies, that shows in the leading
digits, though `verify` has found every bit the same when run strictly. So before a difference is
called one, the reference itself is moved: feeds and weights go to a neighbouring value, up or down
at random, and what the outputs then do is what rounding does to them. A difference of up to
`MULTIPLE` times that is none of the candidate's: the example is ill-conditioned. It costs runs of
the strict reference, and only where something differs.

Measured on real networks with feeds of sizes 1 to 1e6, right exports differed by up to 6.5 times
what the outputs moved by, where they differed by more than 1e-5 at all, and by up to 5.3 times
where by more than 1e-4. With one weight tensor off by a thousandth, and feeds of size 1, it was 12
to 2500 times, in the median of each network and tensor 30 and more.

Beyond a size, sums overflow in one order and not in another, and what is made of an infinity or a
NaN hangs on the kernels: a relu that is fused with its bias gives 0 for a NaN. A bounded activation
behind it makes finite values of both. Such feeds are compared strictly, and not as deployed.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence

import ml_dtypes
import numpy as np
import numpy.typing as npt

from harness.criteria import Array, distances, is_inexact, numbers_of, unequal_bits
from harness.errors import Rejected, TimedOut
from harness.memo import Feeds, Run

MULTIPLE = 16.0
"""How much further than the moved reference deployed outputs may lie apart."""

MOVES = 4
"""How often the feeds are moved, for each set of weights."""

_LARGEST_FACTOR = float(np.finfo(np.float32).max) ** 0.25
"""The product of four such numbers overflows in float32, which most graphs compute in."""


class Conditioning:
    """Tells differences that rounding explains from others, by moving the reference."""

    def __init__(self, reference: Run, *, moved: Sequence[Run]) -> None:
        """Take the strict reference, and the same with its weights moved in some ways."""
        self._reference = reference
        self._moved = moved

    def explains(
        self,
        feeds: Feeds,
        expected: Mapping[str, Array],
        actual: Mapping[str, Array],
        *,
        names: Collection[str],
    ) -> bool:
        """Say whether rounding may make `actual` of `expected` in the outputs `names`."""
        if any(expected[name].dtype != actual[name].dtype for name in names):
            return False
        if is_extreme(feeds):
            return True
        try:
            motion = _Motion(self._reference(feeds))
        except (Rejected, TimedOut):
            return False  # optimisers let pass what the graph as it stands does not
        for run, moved_feeds in self._moves(feeds):
            try:
                motion.add(run(moved_feeds))
            except (Rejected, TimedOut):
                continue
            if all(motion.covers(name, expected[name], actual[name]) for name in names):
                return True
        return False

    def _moves(self, feeds: Feeds) -> list[tuple[Run, Feeds]]:
        """Return what is run with which feeds, the cheapest first."""
        if not any(is_inexact(value.dtype) and value.any() for value in feeds.values()):
            return [(run, feeds) for run in self._moved]
        moved_feeds = [
            {name: moved(value, seed=seed, of=name) for name, value in feeds.items()}
            for seed in range(MOVES)
        ]
        return [(run, each) for run in (self._reference, *self._moved) for each in moved_feeds]


def moved(value: Array, *, seed: int, of: str) -> Array:
    """Return `value`, each number in it at random as it is or one unit in the last place off.

    Zeros, infinities and NaN stay as they are, and so does what is no float. `of` is the name of
    the tensor: two of one shape move differently.
    """
    if not is_inexact(value.dtype) or not value.size:
        return value
    numbers = numbers_of(value)
    bits = numbers.view(f"u{numbers.dtype.itemsize}")
    rng = np.random.default_rng((seed, zlib.crc32(of.encode())))
    # The bits of a float are in the order of its magnitude.
    steps = rng.integers(-1, 2, bits.shape, dtype=np.int8).astype(bits.dtype)
    result = (bits + steps).view(numbers.dtype)
    with np.errstate(invalid="ignore"):
        stays = (numbers == 0) | ~np.isfinite(numbers) | ~np.isfinite(result)
    return np.where(stays, numbers, result).view(value.dtype).reshape(value.shape)


def is_extreme(feeds: Feeds) -> bool:
    """Say whether a number is not finite, or so large that few factors overflow."""
    return any(_is_extreme(value) for value in feeds.values())


def _is_extreme(value: Array) -> bool:
    if value.dtype.kind == "O" or not value.size:
        return False
    largest = _LARGEST_FACTOR
    numbers = numbers_of(value)
    if is_inexact(value.dtype):
        own = float(ml_dtypes.finfo(numbers.dtype).max)  # type: ignore[no-untyped-call]
        largest = min(largest, own**0.25)
    with np.errstate(invalid="ignore"):
        magnitudes = np.abs(numbers.astype(np.float64))
    return not bool((magnitudes <= largest).all())


class _Motion:
    """How far the outputs of one example moved so far.

    Of what is not rounded, and of infinities and NaN that came or went: which elements changed.
    """

    def __init__(self, base: Mapping[str, Array]) -> None:
        """Start from outputs of which nothing was moved."""
        self._base = base
        self._reach = dict.fromkeys(base, 0.0)
        self._changed = {name: np.zeros(value.shape, bool) for name, value in base.items()}
        self._reshaped: set[str] = set()

    def add(self, outputs: Mapping[str, Array]) -> None:
        """Take note of outputs for feeds and weights that were moved."""
        for name, base in self._base.items():
            if outputs[name].shape != base.shape:
                self._reshaped.add(name)
                continue
            changed = unequal_bits(base, outputs[name])
            if is_inexact(base.dtype):
                finite = _finite_distances(base, outputs[name])
                self._reach[name] = max(self._reach[name], float(finite.max(initial=0.0)))
                changed &= ~(_is_finite(base) & _is_finite(outputs[name]))
            self._changed[name] |= changed

    def covers(self, name: str, expected: Array, actual: Array) -> bool:
        """Say whether outputs may lie so far apart.

        Numbers that are rounded, where all are finite, by how far any moved. Whatever else differs,
        a class or an infinity, only where it changed itself.
        """
        if name in self._reshaped:
            return True
        if not expected.shape == actual.shape == self._base[name].shape:
            return False
        apart = unequal_bits(expected, actual)
        if is_inexact(expected.dtype):
            finite = _finite_distances(expected, actual)
            if finite.max(initial=0.0) > MULTIPLE * self._reach[name]:
                return False
            apart &= ~(_is_finite(expected) & _is_finite(actual))
        return not bool((apart & ~self._changed[name]).any())


def _finite_distances(expected: Array, actual: Array) -> npt.NDArray[np.float64]:
    """Return how far elements lie apart that are finite in both; 0 elsewhere."""
    apart = distances(expected, actual)
    assert apart is not None  # only called for floats
    return np.where(_is_finite(expected) & _is_finite(actual), apart, 0.0)


def _is_finite(value: Array) -> npt.NDArray[np.bool_]:
    numbers = numbers_of(value)
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(numbers.astype(np.float64))
    if value.dtype.kind == "c":
        finite = finite[0::2] & finite[1::2]
    return finite.reshape(value.shape)
