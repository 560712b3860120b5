"""Disjoint sets of numbers (union-find)."""

from __future__ import annotations


class DisjointSets:
    """The numbers from 0, at first each in a set of its own."""

    def __init__(self, size: int) -> None:
        """Begin with `size` sets."""
        self._above = list(range(size))

    def find(self, number: int) -> int:
        """Return the number that stands for the set, the same for all of it."""
        above = self._above
        while above[number] != number:
            above[number] = above[above[number]]
            number = above[number]
        return number

    def unite(self, one: int, other: int) -> bool:
        """Join two sets; False where they are one already."""
        # Linking by index instead of by rank: with halved paths that is amortised O(log n).
        one, other = self.find(one), self.find(other)
        self._above[other] = one
        return one != other
