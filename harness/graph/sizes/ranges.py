"""Which sizes of each group are drawn: those that are accepted with all sizes of the others."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.graph.sizes.groups import Group, sizes_of
from harness.graph.sizes.output_checks import Wanted
from harness.graph.sizes.sized_inputs import Sizes, Slot
from harness.graph.sizes.trials import OutOfBudget, Refusal, Trials

LARGEST_BATCH = 8
LARGEST_SIZE = 32
_MOST_ELEMENTS = 1_000_000
"""Of an input in an example."""
_LARGE = 48
"""A least size from which on few sizes are drawn, lest examples take long."""
_STEPS = (0, 1, 2, 5, 12, 24, 31)
"""Beyond a large least size."""
_FACTORS = (2, 3, 4)
"""By which a size is multiplied that is the only one within reach."""
_SCALES = (4, 16, 64, 256)
"""By which sizes are multiplied until outputs are not empty."""
_DRAWS = 24
"""That must be accepted in a row."""
_MOST_DRAWS = 300


@dataclass(frozen=True, kw_only=True)
class Working:
    """Sizes that are drawn for a group, and the node that refuses others, "" where none does."""

    group: Group
    sizes: tuple[int, ...]
    refused_by: str = ""


def default_sizes(group: Group) -> tuple[int, ...]:
    """Return what is drawn where shape functions object to nothing."""
    return tuple(range((LARGEST_BATCH if group.is_leading else LARGEST_SIZE) + 1))


def working(
    trials: Trials,
    groups: Sequence[Group],
    *,
    stated: Mapping[Slot, tuple[int, ...]],
    never_empty: Collection[Slot],
) -> tuple[Working, ...]:
    """Return the sizes of each group that are accepted, whatever sizes the others have.

    `stated` are the sizes of which to choose, where more is known than nothing; those of
    `never_empty` are 1 at least.
    """
    windows = [_window(group, stated, never_empty) for group in groups]
    ranging = _Ranging(trials, groups, windows)
    found: dict[int, Working] = {}
    try:
        if ranging.is_possible:
            ranging.prepare()
            for index, group in enumerate(groups):
                if group.size is not None:
                    found[index] = ranging.working(index)
            checked = ranging.checked(
                _smaller(trials, [found.get(i, ranging.known(i)) for i in range(len(groups))])
            )
            found = dict(enumerate(checked))
    except OutOfBudget:
        pass  # what was found is kept
    return tuple(_smaller(trials, [found.get(i, ranging.known(i)) for i in range(len(groups))]))


def _window(
    group: Group, stated: Mapping[Slot, tuple[int, ...]], never_empty: Collection[Slot]
) -> tuple[int, ...]:
    known = [set(stated[slot]) for slot in group.slots if slot in stated]
    window = known[0] if len(known) == len(group.slots) else set(default_sizes(group))
    sizes = window.intersection(*known) or window
    if any(slot in never_empty for slot in group.slots):
        sizes -= {0}
    return tuple(sorted(sizes))


class _Ranging:
    """The sizes of groups, found by trials of one group at a time, and then of all at once."""

    def __init__(
        self, trials: Trials, groups: Sequence[Group], windows: Sequence[tuple[int, ...]]
    ) -> None:
        self._trials = trials
        self._groups = groups
        self._windows = windows
        self._base = sizes_of(groups)
        self._with_one_row = self._base
        self._batch: Slot | None = None
        self._is_filled = False
        self._tried: dict[tuple[int, int], Refusal | None] = {}
        planned = sum(map(len, windows)) + (_DRAWS if len(windows) > 1 else 0)
        self.is_possible = any(group.size is not None for group in groups)
        self._is_thorough = self.is_possible and 2 * planned <= trials.affordable

    def prepare(self) -> None:
        """Find out what holds for every group."""
        if self._is_thorough:
            self._fill()
        single = sizes_of(
            replace(g, size=1) if g.is_leading and g.size and not g.is_found else g
            for g in self._groups
        )
        if single != self._base and self._trials.refusal(single) is None:
            self._with_one_row = single
        if self._is_thorough:
            self._batch = self._followed()

    def known(self, index: int) -> Working:
        """Return the sizes of a group as far as they are known, with no trial more."""
        group, window = self._groups[index], self._windows[index]
        tried = {size: refusal for (at, size), refusal in self._tried.items() if at == index}
        sizes = [size for size in window if size]
        if group.size is not None and (group.is_found or any(map(tried.get, sizes))):
            sizes = [size for size, refusal in tried.items() if size and refusal is None]
            sizes = sorted(sizes) or [group.size]
            return self._working(index, sizes)
        return Working(group=group, sizes=tuple(sizes))

    def _working(self, index: int, sizes: Iterable[int]) -> Working:
        group = self._groups[index]
        return Working(
            group=group,
            sizes=tuple(sizes),
            refused_by=self._refused_by(index, tuple(sizes)),
        )

    def working(self, index: int) -> Working:
        """Return the sizes of a group that are accepted with the others as they were settled."""
        group, window = self._groups[index], self._windows[index]
        assert group.size is not None
        if group.is_exact:
            return self._working(index, (group.size,))
        accepted = self._within(index, window)
        positive = [size for size in accepted if size]
        if not positive:
            accepted = [*accepted, *self._from_least(index, window[-1], group.size)]
        elif window == default_sizes(group)[-len(window) :]:
            accepted += self._beyond(index, positive, window[-1])
        if group.is_found or not any(accepted):
            accepted = [*accepted, group.size]
        sizes = tuple(sorted(set(accepted)))
        return self._working(index, sizes)

    def _within(self, index: int, window: Sequence[int]) -> list[int]:
        if self._is_thorough:
            return [size for size in window if self._accepts(index, size)]
        sample = dict.fromkeys((*window[:3], window[-1]))
        accepted = [size for size in sample if self._accepts(index, size)]
        if all(size in accepted for size in sample if size):
            return [size for size in window if size or size in accepted]
        return accepted

    def _beyond(self, index: int, positive: Sequence[int], last: int) -> list[int]:
        """Return accepted sizes outside the window, where there is a reason to look for some."""
        group, least = self._groups[index], positive[0]
        if group.is_leading or least == 1:
            return []
        if len(positive) == 1 and least < last:
            return [f * least for f in _FACTORS if self._accepts(index, f * least)]
        is_unbroken = list(positive) == list(range(least, last + 1))
        if is_unbroken or not self._is_thorough:
            return self._from_least(index, 1, least)
        return []

    def _from_least(self, index: int, refused: int, accepted: int) -> list[int]:
        """Return sizes from the least on, which lies above `refused` and not above `accepted`."""
        if accepted < refused:
            return []
        while accepted - refused > 1:
            middle = (accepted + refused) // 2
            if self._accepts(index, middle):
                accepted = middle
            else:
                refused = middle
        is_large = accepted >= _LARGE or not self._is_thorough
        steps = _STEPS if is_large else range(LARGEST_SIZE)
        return [accepted + step for step in steps if self._accepts(index, accepted + step)]

    def _accepts(self, index: int, size: int) -> bool:
        group = self._groups[index]
        if (index, size) not in self._tried:
            sizes = dict(self._base if group.is_leading else self._with_one_row)
            sizes.update(dict.fromkeys(group.slots, size))
            self._tried[index, size] = self._refusal(sizes)
        return self._tried[index, size] is None

    def _refusal(self, sizes: Sizes) -> Refusal | None:
        rows = sizes[self._batch] if self._batch is not None else None
        wanted = Wanted(rows=rows, filled=self._is_filled and 0 not in sizes.values())
        return self._trials.refusal(sizes, wanted=wanted)

    def _fill(self) -> None:
        """Make the dimensions that may have any size as large as outputs need to have elements.

        Of fewer samples than it has in a window, a model of sounds may make nothing at all.
        """
        for scale in (1, *_SCALES):
            base = sizes_of(self._scaled(group, scale) for group in self._groups)
            refusal = self._trials.refusal(base, wanted=Wanted(filled=True))
            if refusal is None:
                self._groups = [self._scaled(group, scale) for group in self._groups]
                self._base = base
                self._is_filled = True
                return
            if not refusal.of_output:
                return

    def _scaled(self, group: Group, scale: int) -> Group:
        if group.is_leading or group.is_found or group.size is None:
            return group
        return replace(group, size=scale * group.size)

    def _followed(self) -> Slot | None:
        """Return a dimension that says how many rows outputs have, where one does.

        A larger picture may be accepted for two, where it is reshaped into rows of a fixed size.
        """
        leads = [group for group in self._groups if group.is_leading and group.size]
        if len(leads) != 1:
            return None
        slot = leads[0].slots[0]
        rows = self._base[slot]
        refusals = [
            self._trials.refusal(self._base, wanted=Wanted(rows=n)) for n in (rows, rows + 1)
        ]
        return slot if refusals[0] is None and refusals[1] is not None else None

    def _refused_by(self, index: int, sizes: Sequence[int]) -> str:
        least = min(size for size in sizes if size)
        refused = {
            size: refusal.node
            for (at, size), refusal in self._tried.items()
            if at == index and size and refusal is not None and size not in sizes
        }
        below = [size for size in refused if size < least]
        if not refused:
            return self._groups[index].refused_by if sum(map(bool, sizes)) == 1 else ""
        return refused[max(below) if below else min(refused)]

    def checked(self, found: Sequence[Working]) -> list[Working]:
        """Return the sizes less those that are refused together with others."""
        found = list(found)
        if sum(len(_positive(each)) > 1 for each in found) > 1:
            for pick in (min, max):
                found = self._without_refused_corner(found, pick)
            found = self._without_refused_draws(found)
        return [
            each if 0 not in each.sizes or self._may_be_empty(index, found) else _not_empty(each)
            for index, each in enumerate(found)
        ]

    def _without_refused_corner(
        self, found: list[Working], pick: Callable[[Sequence[int]], int]
    ) -> list[Working]:
        before: list[Working] = []
        while found != before:
            before = found
            found = self._without_refused(found, [pick(_positive(each)) for each in found])
        return found

    def _without_refused_draws(self, found: list[Working]) -> list[Working]:
        draws = random.Random(0)  # noqa: S311
        accepted = 0
        for _ in range(min(_MOST_DRAWS, self._trials.affordable // 2)):
            before = found
            found = self._without_refused(found, [draws.choice(_positive(w)) for w in found])
            accepted = accepted + 1 if found == before else 0
            if accepted == _DRAWS:
                break
        return found

    def _may_be_empty(self, index: int, found: Sequence[Working]) -> bool:
        """Say whether a dimension of no size goes with the smallest of the others."""
        sizes = [min(_positive(each)) for each in found]
        sizes[index] = 0
        return self._refusal_of(sizes) is None

    def _without_refused(self, found: list[Working], drawn: Sequence[int]) -> list[Working]:
        result, sizes = list(found), list(drawn)
        for _ in found:
            refusal = self._refusal_of(sizes)
            if refusal is None:
                break
            blamed = self._blamed(result, sizes)
            if blamed is None:
                break
            each = result[blamed]
            left = tuple(size for size in each.sizes if size != sizes[blamed])
            settled = each.group.size or 1
            result[blamed] = replace(
                each,
                sizes=left if any(left) else (settled,),
                refused_by=each.refused_by or refusal.node,
            )
            sizes[blamed] = settled
        return result

    def _blamed(self, found: Sequence[Working], sizes: Sequence[int]) -> int | None:
        """Return the group whose size is to be given up: one that leaves most, if others do."""
        changed = [i for i, w in enumerate(found) if w.group.size not in (None, sizes[i])]
        changed.sort(key=lambda i: len(found[i].sizes), reverse=True)
        for index in changed:
            attempt = list(sizes)
            attempt[index] = found[index].group.size or 1
            if self._refusal_of(attempt) is None:
                return index
        return changed[0] if changed else None

    def _refusal_of(self, sizes: Sequence[int]) -> Refusal | None:
        drawn = [
            replace(group, size=size if group.size is not None else None)
            for group, size in zip(self._groups, sizes, strict=True)
        ]
        return self._refusal(sizes_of(drawn))


def _smaller(trials: Trials, found: list[Working]) -> list[Working]:
    """Leave out the largest sizes until no example is too large."""
    while found:
        largest = [replace(each.group, size=max(each.sizes)) for each in found]
        index = max(range(len(found)), key=lambda i: _spread(found[i]))
        if trials.elements(sizes_of(largest)) <= _MOST_ELEMENTS or _spread(found[index]) <= 1:
            break
        each = found[index]
        found = [*found[:index], replace(each, sizes=each.sizes[:-1]), *found[index + 1 :]]
    return found


def _positive(each: Working) -> tuple[int, ...]:
    return tuple(size for size in each.sizes if size)


def _not_empty(each: Working) -> Working:
    return replace(each, sizes=_positive(each))


def _spread(each: Working) -> float:
    return max(each.sizes) / min(_positive(each))
