"""Whether the value of a variable matters: it is given others, far away from its own."""

from __future__ import annotations

import time
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from harness.criteria import Array, is_inexact, numbers_of
from harness.errors import Rejected, TimedOut, listed
from harness.ordinary import Example, has_moved, is_same, size_of
from harness.runtime import Runner
from harness.verdict import ModelWarning

EXAMPLES = 3
"""How many examples a variable has to move an output in."""

_AWAY = 8.0


def dead_variables(
    runner: Runner,
    weights: Mapping[str, Array],
    names: Collection[str],
    examples: Sequence[Example],
    *,
    stop_at: float,
) -> list[str]:
    """Return those of the variables `names` whose values move no output.

    `runner` is changed on the way, and has its own values again at the end. At `stop_at`, on the
    clock of `time.perf_counter`, it ends; what is not decided then is left out.
    """
    # The largest, whose sequences are the longest.
    chosen = sorted(examples, key=size_of, reverse=True)[:EXAMPLES]
    expected = [Example(feeds=each.feeds, outputs=runner(each.feeds)) for each in chosen]
    dead = []
    for name in weights:
        if time.perf_counter() > stop_at:
            break
        if name in names and _moves_nothing(runner, name, weights[name], expected, stop_at):
            dead.append(name)
    return dead


def _moves_nothing(
    runner: Runner, name: str, value: Array, examples: Sequence[Example], stop_at: float
) -> bool:
    """Say whether no value that the variable was given changed an output; it gets its own back.

    A rejection is a change: whether an output would have moved is not known.
    """
    tried = 0
    try:
        for other in perturbed(value, of=name):
            if is_same(value, other):
                continue
            runner.assign(name, other)
            for example in examples:
                if time.perf_counter() > stop_at:
                    return False
                if has_moved(example.outputs, runner(example.feeds)):
                    return False
            tried += 1
    except (Rejected, TimedOut):
        return False
    finally:
        runner.assign(name, value)
    return tried > 0


def dead_warning(variables: Sequence[str]) -> ModelWarning:
    """Return the warning about variables that move no output."""
    return ModelWarning(
        code="dead_variable",
        message=(
            f"no output changed when {listed(variables)} took other values, though the graph leads "
            f"from there to the outputs: no output shows a wrong value; look for what multiplies "
            f"it by zero, or is saturated behind it"
        ),
        nodes=tuple(variables),
    )


def perturbed(value: Array, *, of: str) -> Iterator[Array]:
    """Yield values of the dtype and shape of `value`, the variable `of`'s, all elements others.

    Floats are of its scale, larger, all positive, all negative, small: a relu lets something
    through of one of them, and a sigmoid is not saturated by all.
    """
    rng = np.random.default_rng(zlib.crc32(of.encode()))
    if value.dtype == object:
        yield _texts(value, b"%b?")
        yield _texts(value, b"?%b")
    elif value.dtype == bool:
        yield ~value
    elif is_inexact(value.dtype):
        yield from _numbers(value, rng)
    elif value.dtype.kind in "iu":
        yield from _whole_numbers(value, rng)


def _texts(value: Array, pattern: bytes) -> Array:
    result = np.empty(value.shape, object)
    for index in np.ndindex(value.shape):
        result[index] = pattern % value[index]
    return result


def _numbers(value: Array, rng: np.random.Generator) -> Iterator[Array]:
    own = numbers_of(value)
    known = own.astype(np.float64)
    sizes = np.abs(known[np.isfinite(known)])
    scale = float(sizes.max(initial=0.0)) or 1.0

    def normal(scale: float) -> Array:
        return np.asarray(rng.normal(scale=scale, size=own.shape))

    for numbers in (
        known + normal(scale),
        normal(_AWAY * scale),
        scale + np.abs(normal(_AWAY * scale)),
        -scale - np.abs(normal(_AWAY * scale)),
        normal(1.0),
    ):
        with np.errstate(over="ignore", invalid="ignore"):
            yield numbers.astype(own.dtype).view(value.dtype).reshape(value.shape)


def _whole_numbers(value: Array, rng: np.random.Generator) -> Iterator[Array]:
    if not value.size:
        return
    low, high = int(value.min()), int(value.max())
    yield rng.integers(low, high, value.shape, dtype=value.dtype, endpoint=True)
    # One more or one less: what is an index stays near one.
    yield np.asarray(value ^ value.dtype.type(1))
