"""What it costs to draw one example of feeds, beside filling an array of that size by numpy.

PYTHONPATH=. python benchmarks/drawing.py [--shape 2 224 224 3] [--examples 100]
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from harness.inputs.completing import completed
from harness.inputs.drafts import feeds_of, planned
from harness.inputs.first_examples import first_drafts
from harness.memo import Feeds
from harness.signature import Signature, TensorSpec
from harness.suite.examples import for_all_examples

LIMIT_MILLISECONDS = 5.0
"""For an example of 2x224x224x3 float32, on average."""


def main() -> int:
    """Print the costs; exit with 1 where an example costs more than the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs="+", default=[2, 224, 224, 3], metavar="SIZE")
    parser.add_argument("--examples", type=int, default=100)
    known = parser.parse_args()

    shape = tuple(known.shape)
    spec = TensorSpec(name="x", dtype="float32", shape=shape)
    signature = Signature(inputs=(spec,), outputs=())
    assert completed(signature, {})["x"].shape == shape

    filled = min(_milliseconds_to_fill(shape) for _ in range(20))
    first = _milliseconds_of_first(signature)
    drawn = min(_milliseconds_drawn(signature, known.examples) for _ in range(3))
    print(f"{'x'.join(map(str, shape))} float32, milliseconds an example:")
    print(f"  numpy's standard_normal alone  {filled:6.2f}")
    print(f"  a first example                {first:6.2f}")
    print(
        f"  of {known.examples} examples                {drawn:6.2f}   (limit {LIMIT_MILLISECONDS})"
    )
    return int(max(first, drawn) > LIMIT_MILLISECONDS)


def _milliseconds_to_fill(shape: tuple[int, ...]) -> float:
    start = time.perf_counter()
    np.random.default_rng(0).standard_normal(shape, np.float32)
    return 1000 * (time.perf_counter() - start)


def _milliseconds_of_first(signature: Signature) -> float:
    plan = planned(signature, {})
    drafts = list(first_drafts(plan))
    start = time.perf_counter()
    for draft in drafts:
        feeds_of(plan, draft)
    return 1000 * (time.perf_counter() - start) / len(drafts)


def _milliseconds_drawn(signature: Signature, examples: int) -> float:
    """Draw as a stage does: the digest by which feeds are known again is part of it."""
    count = 0

    def check(_: Feeds) -> None:
        nonlocal count
        count += 1

    start = time.perf_counter()
    for_all_examples(max_examples=examples, seed=0)(signature, {}, check)
    seconds = time.perf_counter() - start
    assert count == examples
    return 1000 * seconds / count


if __name__ == "__main__":
    sys.exit(main())
