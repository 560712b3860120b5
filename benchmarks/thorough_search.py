"""Inputs that nobody would wait for in a test: to learn whether a fault can be seen at all.

Half of them are the harness's own under other seeds. The other half owes nothing to it, or what it
never draws would count as not to be seen: larger shapes, any scale, and values that are as far
apart as the dtype or the domain allows, in blocks and without.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.input_policies import Draw, drawn
from harness.domain import BATCH, Axis, Choices, Domain, Range
from harness.inputs.dtypes import numpy_dtype
from harness.memo import Feeds
from harness.signature import Signature, TensorSpec

Array = npt.NDArray[Any]

LARGEST_BATCH = 8
LARGEST_DIMENSION = 64
LARGEST_RANK = 3

_AT_A_TIME = 250
_LARGEST_BLOCK = 4
_LARGEST_EXPONENT = 6
_SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan)
_WORDS = (b"", b"0", b"1.5", b"word", b"\x00\xff")


def further(examples: int) -> Draw:
    """So many examples of the harness under other seeds, and as many that owe nothing to it.

    One of each in turn. The harness's begin anew with each seed, so that some come again.
    """

    def draw(signature: Signature, domains: Mapping[str, Domain]) -> Iterator[Feeds]:
        ours = _ours(signature, domains, examples)
        for pair in itertools.zip_longest(ours, _wild(signature, domains, examples)):
            yield from (feeds for feeds in pair if feeds is not None)

    return draw


def _ours(signature: Signature, domains: Mapping[str, Domain], examples: int) -> Iterator[Feeds]:
    for seed, start in enumerate(range(0, examples, _AT_A_TIME), start=1):
        some = min(_AT_A_TIME, examples - start)
        yield from drawn(signature, domains, examples=some, seed=seed)


def _wild(signature: Signature, domains: Mapping[str, Domain], examples: int) -> Iterator[Feeds]:
    known = [domains.get(spec.name, Domain()) for spec in signature.inputs]
    if not all(isinstance(domain.values, (Range, Choices, type(None))) for domain in known):
        return  # nothing here makes encoded pictures and the like
    for number in range(examples):
        source = _Source(generator=np.random.default_rng(number), sizes={})
        yield {
            spec.name: source.array(spec, domain)
            for spec, domain in zip(signature.inputs, known, strict=True)
        }


@dataclass(frozen=True, kw_only=True)
class _Source:
    """What one example is drawn from; `sizes` are those of the axes so far, by name."""

    generator: np.random.Generator
    sizes: dict[str, int]

    def array(self, spec: TensorSpec, domain: Domain) -> Array:
        shape, dtype = self._shape(spec, domain), numpy_dtype(spec.dtype)
        if isinstance(domain.values, Choices) or dtype.kind == "O":
            return self._chosen(shape, dtype, domain)
        low, high = self._ends(dtype, domain)
        part = self._part(shape)
        if dtype.kind in "biu":
            # In Python's own numbers where those of 64 bits would not hold the product.
            span = int(high - low)
            steps = np.rint(part * 2**20).astype(np.int64)
            steps = steps if span < 2**42 else steps.astype(object)
            return np.asarray((int(low) + steps * span // 2**20).astype(dtype))
        with np.errstate(all="ignore"):
            values = np.asarray(low + part * (high - low)).astype(dtype)
        if domain.values is None and self.generator.random() < 0.2:
            places = self.generator.random(shape) < 0.1
            values[places] = self.generator.choice(_SPECIAL)
        return values

    def _shape(self, spec: TensorSpec, domain: Domain) -> tuple[int, ...]:
        shape = spec.shape if domain.shape is None else domain.shape
        if shape is None:
            shape = (None,) * int(self.generator.integers(LARGEST_RANK + 1))
        return tuple(
            size if isinstance(size, int) else self._size(spec, size, place)
            for place, size in enumerate(shape)
        )

    def _size(self, spec: TensorSpec, axis: Axis | None, place: int) -> int:
        own = BATCH if place == 0 else f"{spec.name}[{place}]"
        name = own if axis is None else axis.name
        if name not in self.sizes:
            if axis is not None and axis.refused_by:
                size = self.generator.choice([size for size in axis.sizes if size] or [0])
            elif name == BATCH:
                size = self.generator.integers(1, LARGEST_BATCH, endpoint=True)
            else:
                size = LARGEST_DIMENSION ** self.generator.random()
            self.sizes[name] = int(size)
        return self.sizes[name]

    def _chosen(self, shape: tuple[int, ...], dtype: np.dtype[Any], domain: Domain) -> Array:
        choices = domain.values.values if isinstance(domain.values, Choices) else _WORDS
        encoded = [c.encode() if isinstance(c, str) else c for c in choices]
        options = np.empty(len(encoded), dtype=object)
        options[:] = encoded
        return np.asarray(options[self.generator.integers(len(options), size=shape)], dtype)

    def _ends(self, dtype: np.dtype[Any], domain: Domain) -> tuple[float, float]:
        if isinstance(domain.values, Range):
            return domain.values.low, domain.values.high
        if dtype.kind == "b":
            return 0, 1
        if dtype.kind in "iu":
            bits = int(self.generator.integers(1, 8 * dtype.itemsize, endpoint=True))
            limits = np.iinfo(dtype)
            return max(int(limits.min), -(2**bits)), min(int(limits.max), 2**bits - 1)
        scale = 10.0 ** self.generator.uniform(-_LARGEST_EXPONENT, _LARGEST_EXPONENT)
        return -scale, scale

    def _part(self, shape: tuple[int, ...]) -> Array:
        """Numbers in [0, 1]: evenly, at the two ends alone, or mostly in the middle of them."""
        block = int(self.generator.integers(1, _LARGEST_BLOCK, endpoint=True))
        middle = range(1, len(shape) - 1)
        coarse = tuple(
            -(-size // block) if axis in middle else size for axis, size in enumerate(shape)
        )
        part = np.asarray(self.generator.random(coarse))
        kind = self.generator.integers(3)
        if kind == 0:
            part = np.asarray(part < self.generator.random(), np.float64)
        if kind == 1:
            part = np.where(self.generator.random(coarse) < 0.1, part, 0.5)
        for axis in middle:
            part = part.repeat(block, axis)
        return part[tuple(slice(size) for size in shape)]
