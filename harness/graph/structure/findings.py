"""What matching has found so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from harness.graph.normal.graph import Node, Tensor
from harness.graph.structure.edits import Edit, Folded, Matching, Pair, Transform
from harness.graph.structure.kinds import LEAVES, is_large
from harness.graph.structure.similarity import Graphs


class Findings:
    """Pairs, edits and transforms as they come, each once."""

    def __init__(self, graphs: Graphs) -> None:
        """Begin with nothing found."""
        self._graphs = graphs
        self._pairs: dict[int, int] = {}
        self._leaves: dict[tuple[int, int], None] = {}
        self._edits: dict[str, tuple[int, Edit]] = {}
        self._transforms: dict[str, dict[str, None]] = {}
        self._folded: dict[tuple[Tensor, Tensor], None] = {}
        self._went_into: tuple[list[int], list[int]] = ([], [])

    def pair(self, reference: int, candidate: int) -> None:
        """Remember that two nodes stand in the same place."""
        self._pairs.setdefault(reference, candidate)

    def pair_leaves(self, reference: int, candidate: int) -> bool:
        """Remember that two leaves stand in the same place; False where that was known."""
        self.pair(reference, candidate)
        if (reference, candidate) in self._leaves:
            return False
        self._leaves[reference, candidate] = None
        return True

    def tell(self, text: str, *, reference: int = -1, candidate: int = -1) -> None:
        """Remember an edit, and the nodes it is about."""
        nodes, its = self._graphs.reference.nodes, self._graphs.candidate.nodes
        edit = Edit(
            text=text,
            reference=nodes[reference].name if reference >= 0 else "",
            candidate=its[candidate].name if candidate >= 0 else "",
        )
        self._edits.setdefault(text, (reference, edit))

    def transform(
        self,
        kind: str,
        nodes: Iterable[str],
        *,
        reference: Iterable[Tensor] = (),
        candidate: Iterable[Tensor] = (),
    ) -> None:
        """Remember a transform of nodes, and the tensors without inputs above that went into it."""
        self._transforms.setdefault(kind, {}).update(dict.fromkeys(nodes))
        self._went_into[0].extend(index for index, _ in reference)
        self._went_into[1].extend(index for index, _ in candidate)

    def fold(self, kind: str, reference: Tensor, candidate: Tensor) -> None:
        """Remember two tensors whose values must decide."""
        self._folded[reference, candidate] = None
        name = self._graphs.reference.nodes[reference[0]].name
        self.transform(kind, [name], reference=[reference], candidate=[candidate])

    def matching(self) -> Matching:
        """Return all that was found; edits in the order of the reference's data."""
        nodes, its = self._graphs.reference.nodes, self._graphs.candidate.nodes
        mine = {reference for reference, _ in self._leaves}
        others = {candidate for _, candidate in self._leaves}
        _add_all_above(nodes, self._went_into[0], mine)
        _add_all_above(its, self._went_into[1], others)
        return Matching(
            pairs=tuple(Pair(reference=r, candidate=c) for r, c in sorted(self._pairs.items())),
            leaves=tuple(Pair(reference=r, candidate=c) for r, c in sorted(self._leaves)),
            edits=tuple(edit for _, edit in sorted(self._edits.values(), key=lambda told: told[0])),
            transforms=tuple(
                Transform(kind=kind, nodes=tuple(names)) for kind, names in self._transforms.items()
            ),
            folded=tuple(Folded(reference=r, candidate=c) for r, c in self._folded),
            unmatched_reference=_unmatched(nodes, mine.__contains__),
            unmatched_candidate=_unmatched(its, others.__contains__),
        )


def _add_all_above(nodes: Sequence[Node], start: Iterable[int], seen: set[int]) -> None:
    passed: set[int] = set()
    waiting = list(start)
    while waiting:
        index = waiting.pop()
        if index not in passed:
            passed.add(index)
            waiting.extend(source for source, _ in nodes[index].inputs)
    seen |= passed


def _unmatched(nodes: Sequence[Node], is_matched: Callable[[int], bool]) -> tuple[int, ...]:
    return tuple(
        index
        for index, node in enumerate(nodes)
        if node.op in LEAVES and is_large(node) and not is_matched(index)
    )
