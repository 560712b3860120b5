"""Which unknown dimensions of the inputs have one size, and a size of each that fits the others.

Unlike sizes are tried first, so that what is accepted is free. Where shape functions object, one
dimension after the other is given a size, and the one that they object to is made to fit: it is a
dimension that was settled before, or a number that the message tells, or one that weights have, or
whatever size is accepted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.domain import BATCH, Axis
from harness.graph.sizes.output_checks import Wanted
from harness.graph.sizes.sized_inputs import Sizes, Slot
from harness.graph.sizes.trials import OutOfBudget, Refusal, Trials

COMMON_SIZES = (*range(2, 65), 72, 80, 96, 100, 112, 128, 150, 160, 192, 200, 224, 227, 240,
                256, 299, 300, 320, 331, 384, 400, 416, 448, 480, 512, 600, 608, 640, 768, 784,
                800, 1000, 1024, 1280, 2048, 4000, 4096, 8000, 16000, 22050, 44100, 48000,
                1)  # fmt: skip
_SIDES = (8, 10, 12, 16, 20, 24, 28, 30, 32, 40, 48, 60, 64, 80, 96, 100, 120, 128, 160, 200, 224)
"""Of pictures that are not square."""
_SHAPES = sorted(itertools.product(_SIDES, _SIDES), key=lambda s: (max(s) / min(s), s))
_BATCH_PRIMES = (7, 11, 13, 17, 19, 23, 29)
_PRIMES = (331, 337, 347, 349, 353, 359, 367, 373, 379, 383, 389, 397, 401, 409, 419, 421)
_SMALL_PRIMES = (31, 37, 41, 43, 47, 53, 59, 61, 67, 71)
_MOST_ROUNDS = 12
_CHANNELS = "is not a multiple of input depth of filter"
"""A multiple would make the convolution a grouped one, which not every kernel computes."""
_MOST_COMPARED = 600
"""Changes that are tried beyond the first that fits, where there are trials to spare."""
_SPARE_TRIALS = 200
_LARGE = 1024
"""Of the numbers in a message: a larger one may be a size, and is more likely a product."""
_LARGEST = 100_000

Ties = dict[int, int]
"""Groups that have the size of another, both by index."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Unknown dimensions that have one size.

    `size` is accepted together with those of the other groups; None where none was found. It
    `is_found` where an unlikely one was not accepted; `refused_by` is then who refused it. It
    `is_exact` where no other will do.
    """

    slots: tuple[Slot, ...]
    size: int | None
    is_leading: bool
    is_found: bool = False
    is_exact: bool = False
    refused_by: str = ""


def sizes_of(groups: Iterable[Group]) -> dict[Slot, int]:
    """Return the size of each dimension, as far as one is known."""
    return {slot: g.size for g in groups if g.size is not None for slot in g.slots}


def settled(trials: Trials, axes: Mapping[Slot, Axis]) -> tuple[Group, ...]:
    """Return the unknown dimensions in groups, with sizes that are accepted together.

    Leading dimensions are one group unless shape functions object. Dimensions of `axes` that have
    one name have one size.
    """
    found = _settled(trials, axes, _PRIMES)
    if any(group.is_found and not group.is_leading for group in found):
        # A table of positions, say, has fewer rows than the larger of the unlikely sizes.
        other = _settled(trials, axes, _SMALL_PRIMES)
        if all(group.size is not None for group in other):
            return min(found, other, key=lambda groups: sum(group.is_found for group in groups))
    return found


def _settled(trials: Trials, axes: Mapping[Slot, Axis], primes: Sequence[int]) -> tuple[Group, ...]:
    alone = _named_groups(trials.slots, axes, primes)
    together = _with_leads_joined(alone)
    if not trials.slots or not trials.can_be_tried:
        return tuple(replace(group, size=None) for group in together)
    search = _Search(trials)
    try:
        for groups in (together, alone):
            leads = [group for group in groups if group.is_leading]
            if search.refusal(groups, among=leads) is None:
                search.done = list(groups)
                break
        else:
            for group in alone:
                search.place(group)
        search.join_leads()
    except OutOfBudget:
        placed = {slot for group in search.done for slot in group.slots}
        search.done += [replace(g, size=None) for g in alone if not placed.intersection(g.slots)]
        search.done = _with_leads_joined(search.done)
    return tuple(search.done)


def _named_groups(
    slots: Iterable[Slot], axes: Mapping[Slot, Axis], primes: Sequence[int]
) -> list[Group]:
    """Return a group for each name and for each dimension without one, with unlike sizes."""
    members: dict[object, list[Slot]] = {}
    for slot in slots:
        members.setdefault(axes[slot].name if slot in axes else slot, []).append(slot)
    batches, others = iter(_BATCH_PRIMES), iter(primes)
    groups: list[Group] = []
    for group in map(tuple, members.values()):
        is_leading = all(_is_leading(slot, axes) for slot in group)
        if group[0] in axes and not group[0].is_sparse:
            size = axes[group[0]].sizes[-1]
        else:
            size = next(batches, 0) if is_leading else 0
            size = size or next(others, 0) or _next_prime(groups)
        groups.append(Group(slots=group, size=size, is_leading=is_leading))
    return groups


def _is_leading(slot: Slot, axes: Mapping[Slot, Axis]) -> bool:
    is_named = slot in axes and not slot.is_sparse and axes[slot].name != BATCH
    return slot.axis == 0 and not is_named


def _is_free_lead(group: Group) -> bool:
    return group.is_leading and group.size is not None and not group.is_found


def _next_prime(groups: Sequence[Group]) -> int:
    candidate = max(group.size or 0 for group in groups) + 2
    while any(candidate % divisor == 0 for divisor in range(2, int(candidate**0.5) + 1)):
        candidate += 1
    return candidate


def _with_leads_joined(groups: Sequence[Group]) -> list[Group]:
    """Return the groups, with one of the leading dimensions that may have any size."""
    leads = [group for group in groups if group.is_leading and not group.is_found]
    if len(leads) < 2:
        return list(groups)
    joined = replace(leads[0], slots=tuple(slot for lead in leads for slot in lead.slots))
    return [joined if g is leads[0] else g for g in groups if g is leads[0] or g not in leads]


class _Search:
    """Groups that are settled one after the other."""

    def __init__(self, trials: Trials) -> None:
        self.done: list[Group] = []
        self._trials = trials
        self._ties: Ties = {}

    def place(self, group: Group) -> None:
        """Settle a group; those that were settled before may change their sizes for it."""
        groups = [*self.done, group]
        objectors: tuple[str, ...] = ()
        self._ties = {}
        for _ in range(_MOST_ROUNDS):
            refusal = self.refusal(groups, among=groups[:-1])
            if refusal is None:
                self.done = self._joined(groups, objectors)
                return
            objectors = tuple(dict.fromkeys((*objectors, refusal.node)))
            change = self._change(groups, refusal, objectors)
            if change is None:
                break
            groups = change.made(groups, refusal)
            for index in change.sizes:
                self._ties.pop(index, None)
            self._ties.update(change.ties)
        self.done.append(replace(group, size=None))

    def refusal(self, groups: Sequence[Group], *, among: Sequence[Group]) -> Refusal | None:
        """Return what is said against the groups, as they are or with one row in the batch.

        Seven pictures may have as many numbers as one of another size; one picture may not. One row
        is no objection where it is refused `among` those alone.
        """
        for context in self._contexts(groups, among, ()):
            refusal = self._trials.refusal(sizes_of(context))
            if refusal is not None:
                return refusal
        return None

    def _change(
        self, groups: Sequence[Group], refusal: Refusal, objectors: tuple[str, ...]
    ) -> _Change | None:
        """Return what satisfies the objectors, best where outputs keep the rows of the batch."""
        first: _Change | None = None
        more = 0
        for change in self._changes(groups, refusal, objectors):
            more += first is not None
            if self._fits(change, groups, objectors):
                if self._keeps_rows(change.made(groups)):
                    return change
                first = first or change
            is_dear = first is not None and self._trials.affordable < _SPARE_TRIALS
            if more == _MOST_COMPARED or is_dear:
                break
        return first

    def _keeps_rows(self, groups: Sequence[Group]) -> bool:
        leads = [g for g in groups if g.is_leading and g.size]
        if len(leads) != 1:
            return True
        refusal = self._trials.refusal(sizes_of(groups), wanted=Wanted(rows=leads[0].size))
        return refusal is None or not refusal.of_output

    def join_leads(self) -> None:
        """Make leading dimensions one group, those apart that only some sizes fit."""
        leads = [g for g in self.done if _is_free_lead(g)]
        for lead in leads[1:]:
            first = next(filter(_is_free_lead, self.done))
            joined = replace(first, slots=(*first.slots, *lead.slots))
            rest = [g for g in self.done if g not in (first, lead)]
            if self._trials.refusal(sizes_of([*rest, joined])) is None:
                self.done = [joined if g is first else g for g in self.done if g is not lead]

    def _joined(self, groups: list[Group], objectors: tuple[str, ...]) -> list[Group]:
        """Return the groups, those made one that have one size for no other reason."""
        gone: set[int] = set()
        for together in _components(self._ties):
            tied = self._tied(together, groups, objectors)
            for index in tied[1:]:
                first, other = groups[tied[0]], groups[index]
                groups[tied[0]] = replace(
                    first,
                    slots=(*first.slots, *other.slots),
                    is_leading=first.is_leading and other.is_leading,
                )
                gone.add(index)
        return [group for index, group in enumerate(groups) if index not in gone]

    def _tied(
        self, together: Sequence[int], groups: Sequence[Group], objectors: tuple[str, ...]
    ) -> list[int]:
        """Return those that may have another size, but none of them without the others."""
        size = groups[together[0]].size
        if size is None or any(groups[index].size != size for index in together):
            return []
        sizes = sizes_of(groups)

        def may_change(indices: Sequence[int]) -> bool:
            slots = [slot for index in indices for slot in groups[index].slots]
            unlike = (2 * size, 3 * size, size + 1)
            return any(
                self._is_accepted({**sizes, **dict.fromkeys(slots, other)}, objectors)
                for other in unlike
            )

        tied = [index for index in together if not may_change([index])]
        return tied if len(tied) > 1 and may_change(tied) else []

    def _is_accepted(self, sizes: Sizes, objectors: tuple[str, ...]) -> bool:
        of = () if "" in objectors else objectors
        return self._trials.refusal(sizes, of=of) is None

    def _fits(self, change: _Change, groups: Sequence[Group], objectors: tuple[str, ...]) -> bool:
        return all(
            self._is_accepted(sizes_of(change.made(context)), objectors)
            for context in self._contexts(groups, groups[:-1], objectors)
        )

    def _contexts(
        self, groups: Sequence[Group], among: Sequence[Group], objectors: tuple[str, ...]
    ) -> Iterator[Sequence[Group]]:
        """Yield the groups, and again with one row, where that is accepted `among` some."""
        yield groups
        single = {id(g): replace(g, size=1) for g in among if _is_free_lead(g)}
        if single and self._is_accepted(sizes_of(single.get(id(g), g) for g in among), objectors):
            yield _Change(ties=self._ties).made([single.get(id(g), g) for g in groups])

    def _changes(
        self, groups: Sequence[Group], refusal: Refusal, objectors: tuple[str, ...]
    ) -> Iterator[_Change]:
        """Yield what may help, the likely first; the last of the groups is new."""
        *before, group = groups
        last = len(before)
        numbers = [n for n in refusal.numbers if 0 < n <= _LARGEST]
        numbers.sort(key=lambda n: n == 1)  # a 1 is broadcast, and accepted for that alone
        known = [index for index, each in enumerate(before) if each.size is not None]
        named = [index for index in known if before[index].size in numbers]
        beside = [i for i in known if before[i].slots[0].input == group.slots[0].input]
        sides = [i for i in beside if _are_sides(before[i].slots[0], group.slots[0])]
        free = [i for i in known if not before[i].is_found]
        yield from (_Change(ties={last: i}) for i in named)
        yield from (_Change(ties={j: i}) for i in named for j in named if i < j)
        yield from (_Change(sizes={last: n}) for n in numbers if n <= _LARGE)
        yield from (_Change(sizes={i: s, last: s}) for i in sides for s in COMMON_SIZES)
        yield from (_Change(sizes={i: a, last: b}) for i in sides for a, b in _SHAPES)
        yield from (_Change(ties={last: i}) for i in known if i not in named)
        yield from (_Change(sizes={last: n}) for n in numbers if n > _LARGE)
        yield from (_Change(sizes={last: s}) for s in self._trials.weight_sizes(objectors))
        yield from (_Change(sizes={last: s}) for s in COMMON_SIZES)
        yield from (_Change(sizes={i: n}) for i in named for n in numbers)
        yield from (
            _Change(sizes={i: s, last: s}) for i in known if i not in sides for s in COMMON_SIZES
        )
        yield from (
            _Change(sizes={**dict.fromkeys(free, a), last: s}) for a in (2, 1) for s in COMMON_SIZES
        )


def _components(ties: Ties) -> list[list[int]]:
    """Return the groups that have one size by `ties`, in their order."""
    found: list[set[int]] = []
    for pair in ties.items():
        touched = [each for each in found if each.intersection(pair)]
        found = [each for each in found if each not in touched]
        found.append(set(pair).union(*touched))
    return [sorted(each) for each in found]


def _are_sides(one: Slot, other: Slot) -> bool:
    """Say whether the dimensions may be height and width of pictures."""
    return one.axis > 0 and other.axis == one.axis + 1


@dataclass(frozen=True, kw_only=True)
class _Change:
    """Other sizes for some groups, by index, and groups that get the size of another."""

    sizes: Mapping[int, int] = field(default_factory=dict)
    ties: Ties = field(default_factory=dict)

    def made(self, groups: Sequence[Group], refusal: Refusal | None = None) -> list[Group]:
        """Return the groups with their new sizes, which they have on account of `refusal`."""
        changed: dict[int, int | None] = dict(self.sizes)
        changed.update((index, groups[other].size) for index, other in self.ties.items())
        result = list(groups)
        for index, size in changed.items():
            each = replace(result[index], size=size)
            if refusal is not None and size != groups[index].size:
                each = replace(
                    each,
                    is_found=True,
                    is_exact=_CHANNELS in refusal.message,
                    refused_by=refusal.node,
                )
            result[index] = each
        return result
