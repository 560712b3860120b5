"""Which input is to blame for feeds that were rejected, and what an input spec would say of it.

The error names the node where it arose, and the graph knows on which inputs that depends. Which of
them it is, is tried: in an example that was rejected, one input after the other is given other
values, or another shape. What makes the example pass is what the input accepts.
"""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from harness.criteria import Array, is_inexact
from harness.domain import Choices, Domain, Number, NumberTexts, Pictures, Range, Sounds, Values
from harness.errors import Rejected, TimedOut
from harness.inputs.spec import spec_text
from harness.memo import Feeds, Memo, Run
from harness.signature import Shape, Signature, TensorSpec
from harness.tally import Cause, Rejections

Upstream = Callable[[Sequence[str]], Sequence[str]]
"""The inputs that the nodes depend on that an error names; () where the graph does not say."""

MOST_RUNS = 500
MOST_SECONDS = 20.0
"""How long causes are looked for, in runs and in time: the stage has failed anyway."""

_SIZES = (1, 2, 3, 4, 8, 16, 28, 32, 64, 128, 224)
_FURTHEST = 1000
_MOST_NAMED = 3
_MOST_TOGETHER = 3
_MOST_ANCHORS = 5

_INTERVAL = re.compile(r"(?:in|range(?: of)?) \[(-?\d+), ?(-?\d+)([\])])")
"""As in "indices[0] = 57 is not in [0, 50)" and "Expected begin[0] in [0, 50], but got 60"."""
_CONTENTS: tuple[tuple[re.Pattern[str], Values], ...] = (
    (re.compile(r"image|JPEG|PNG|GIF|BMP"), Pictures()),
    (re.compile(r"RIFF|WAV|Data too short when trying to read"), Sounds()),
    (re.compile(r"StringToNumber"), NumberTexts()),
)


@dataclass(frozen=True, kw_only=True)
class Culprit:
    """An input that was to blame for `count` rejections, such as `rejection`.

    `domain` is what it was seen to accept, or what the error asks for; None where neither is known.
    """

    name: str
    count: int
    rejection: Rejected
    domain: Domain | None = None


def blame(rejections: Rejections, *, run: Run, signature: Signature, upstream: Upstream) -> str:
    """Return which inputs were to blame, with the lines of an input spec that would help; or ""."""
    culprits = find_culprits(rejections, run=run, signature=signature, upstream=upstream)
    if not culprits:
        return ""
    said = "; ".join(
        f"{culprit.count} by {culprit.name}: {culprit.rejection.message}" for culprit in culprits
    )
    domains = {c.name: c.domain for c in culprits if c.domain is not None}
    if not domains:
        names = " and ".join(culprit.name for culprit in culprits)
        verb = "accept" if " and " in names else "accepts"
        return f"{said}; state what {names} {verb} with --input-spec FILE"
    lines = textwrap.indent(spec_text(domains).rstrip(), "  ")
    return f"{said}; state it with --input-spec FILE:\n{lines}"


def find_culprits(
    rejections: Rejections, *, run: Run, signature: Signature, upstream: Upstream
) -> list[Culprit]:
    """Return the inputs that were to blame, that of most rejections first."""
    trials = _Trials(run)
    found: dict[str, Culprit] = {}
    for cause in rejections.most_common():
        culprit = _culprit(cause, rejections.accepted, trials, signature, upstream)
        if culprit is None:
            continue
        known = found.get(culprit.name)
        if known is not None:
            found[culprit.name] = replace(known, count=known.count + culprit.count)
        elif len(found) < _MOST_NAMED:
            found[culprit.name] = culprit
    return list(found.values())


def _culprit(
    cause: Cause,
    accepted: Sequence[Feeds],
    trials: _Trials,
    signature: Signature,
    upstream: Upstream,
) -> Culprit | None:
    _, rejection = cause.examples[0]
    above = upstream(rejection.nodes) if rejection.nodes else ()
    specs = {spec.name: spec for spec in signature.inputs}
    # A flag may choose a branch, and no data goes from there to where the error arose.
    others = [name for name in specs if name not in above]
    for is_enough, suspects in ((_is_accepted, [*above, *others]), (_is_another, above or others)):
        for name in suspects:
            case = _Case(
                spec=specs[name],
                examples=cause.examples,
                accepted=[other[name] for other in accepted],
                is_enough=is_enough,
                trials=trials,
            )
            domain = case.what_helps()
            if domain is not None:
                return Culprit(name=name, count=cause.count, rejection=rejection, domain=domain)
    # No one of them helps alone. Those above the error, where they are few, are told together.
    suspects = above or others
    if not suspects or len(suspects) > (_MOST_TOGETHER if above else 1):
        return None
    return Culprit(name=" and ".join(suspects), count=cause.count, rejection=rejection)


def _is_accepted(outcome: Rejected | None, _: Rejected) -> bool:
    return outcome is None


def _is_another(outcome: Rejected | None, rejection: Rejected) -> bool:
    """Say whether the feeds are past this rejection: where two inputs are wrong, another comes."""
    if outcome is None:
        return True
    if outcome.nodes and rejection.nodes:
        return outcome.nodes != rejection.nodes
    return _without_numbers(outcome) != _without_numbers(rejection)


def _without_numbers(rejection: Rejected) -> str:
    return re.sub(r"-?\d+", "#", str(rejection))


class _Trials:
    """Runs feeds to see whether they are accepted, until runs or time are used up."""

    def __init__(self, run: Run) -> None:
        self._run = Memo(run)
        self._stop_at = time.perf_counter() + MOST_SECONDS

    def outcome(self, feeds: Feeds, *, otherwise: Rejected) -> Rejected | None:
        """Return how the feeds are rejected, None where they are accepted."""
        if self._run.runs >= MOST_RUNS or time.perf_counter() > self._stop_at:
            return otherwise
        try:
            self._run(feeds)
        except Rejected as rejection:
            return rejection
        except TimedOut:
            return otherwise
        return None


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One input, suspected of the rejection of some examples."""

    spec: TensorSpec
    examples: Sequence[tuple[Feeds, Rejected]]
    accepted: Sequence[Array]
    is_enough: Callable[[Rejected | None, Rejected], bool]
    trials: _Trials

    @property
    def value(self) -> Array:
        """What the first of the examples feeds."""
        return self.examples[0][0][self.spec.name]

    def what_helps(self) -> Domain | None:
        """Return a domain with which the examples pass, and nothing else in them changed."""
        for values in self._asked_for():
            if not isinstance(values, Range) or self._helps_as(values):
                return Domain(values=values)
        for values in self._guesses():
            if self._helps_as(values):
                return Domain(values=self._widened(values))
        for shape in self._shapes():
            if self._helps(partial(_resized, shape=shape)):
                return Domain(shape=shape)
        return None

    def _helps(self, change: Callable[[Array], Array]) -> bool:
        name = self.spec.name
        return all(
            self.is_enough(
                self.trials.outcome({**feeds, name: change(feeds[name])}, otherwise=rejection),
                rejection,
            )
            for feeds, rejection in self.examples
        )

    def _helps_as(self, values: Range | Choices) -> bool:
        return all(self._helps(change) for change in _changes(values))

    def _asked_for(self) -> Iterator[Values]:
        """Yield what the error itself says that it wants."""
        message, dtype = self.examples[0][1].message, self.value.dtype
        if dtype.kind == "O":
            yield from (values for pattern, values in _CONTENTS if pattern.search(message))
        for low, high, end in _INTERVAL.findall(message):
            last = int(high) - (end == ")")
            if dtype.kind in "iu" and int(low) <= last:
                yield Range(low=max(int(low), np.iinfo(dtype).min), high=last)

    def _guesses(self) -> Iterator[Range | Choices]:
        kind = self.value.dtype.kind
        if not self.value.size:
            return
        if kind == "b":
            yield from (Choices(values=(flag,)) for flag in (False, True))
        elif kind in "iu":
            seen = [int(v) for value in self.accepted for v in np.unique(value)[:_MOST_ANCHORS]]
            yield from (Choices(values=(n,)) for n in dict.fromkeys((0, 1, 2, *seen)))
        elif kind == "O":
            texts = [text for value in self.accepted for text in value.reshape(-1)]
            yield from (Choices(values=(t,)) for t in dict.fromkeys((b"0", b"", *texts[:5])))
        elif kind != "c":
            yield from (Range(low=low, high=high) for low, high in ((-1.0, 1.0), (0.0, 1.0)))
            yield from (Range(low=low, high=1.0) for low in (0.001, 0.1))
            yield from (Choices(values=(number,)) for number in (0.0, 1.0))
            yield from (r for value in self.accepted for r in _range_of(value))

    def _widened(self, values: Range | Choices) -> Range | Choices:
        """Return a range of whole numbers that helps, as wide as it can be found."""
        if isinstance(values, Range) or self.value.dtype.kind not in "iu":
            return values
        (anchor,) = values.values
        limits = np.iinfo(self.value.dtype)
        low = high = int(anchor)
        # A number may be a size, and a large one take all memory.
        furthest = max(high, min(limits.max, _FURTHEST))
        high = _last_that(lambda n: self._helps_as(Range(low=low, high=n)), high, furthest)
        furthest = min(low, max(limits.min, -_FURTHEST))
        low = _last_that(lambda n: self._helps_as(Range(low=n, high=high)), low, furthest)
        return values if low == high else Range(low=low, high=high)

    def _shapes(self) -> Iterator[Shape]:
        """Yield shapes to try, None for any size: what accepted ones share, then one size each."""
        rank = self.value.ndim
        # What holds no element is accepted by many, and shows nothing.
        accepted = list(dict.fromkeys(v.shape for v in self.accepted if v.size))
        alike = [shape for shape in accepted if len(shape) == rank]
        if len(alike) > 1:
            sizes = zip(*alike, strict=True)
            yield tuple(size[0] if len(set(size)) == 1 else None for size in sizes)
        known = self.spec.shape or (None,) * rank
        for axis in reversed(range(rank)):  # the first is most often the batch
            if known[axis] is None:
                yield from ((*known[:axis], size, *known[axis + 1 :]) for size in _SIZES)
        yield from accepted


def _changes(values: Range | Choices) -> list[Callable[[Array], Array]]:
    """Return what puts other values in an array: one, or both ends of a range and some between."""
    if isinstance(values, Choices):
        return [partial(_filled, value=values.values[0])]
    low, high = values.low, values.high
    return [
        partial(_filled, value=low),
        partial(_filled, value=high),
        partial(_between, low=low, high=high),
    ]


def _filled(like: Array, *, value: Any) -> Array:
    result = np.empty(like.shape, like.dtype)
    result[...] = value
    return result


def _between(like: Array, *, low: Number, high: Number) -> Array:
    rng = np.random.default_rng(0)
    if is_inexact(like.dtype):
        return np.asarray(rng.uniform(low, high, like.shape)).astype(like.dtype)
    whole = rng.integers(int(low), int(high), like.shape, dtype=like.dtype, endpoint=True)
    return np.asarray(whole)


def _resized(value: Array, *, shape: Shape) -> Array:
    if None in shape and len(shape) != value.ndim:
        return value
    return np.resize(
        value, tuple(value.shape[axis] if size is None else size for axis, size in enumerate(shape))
    )


def _range_of(value: Array) -> Iterator[Range]:
    if value.size and np.isfinite(value.astype(np.float64)).all():
        yield Range(low=float(value.min()), high=float(value.max()))


def _last_that(helps: Callable[[int], bool], good: int, bad: int) -> int:
    """Return the number furthest from `good`, on the way to `bad`, up to which it helps."""
    if good == bad or helps(bad):
        return bad
    while abs(bad - good) > 1:
        middle = (good + bad) // 2
        if helps(middle):
            good = middle
        else:
            bad = middle
    return good
