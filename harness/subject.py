"""What is to be verified: a reference, the candidates to hold against it, and how closely."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.criteria import Close, Criterion
from harness.domain import Domain, KnownOutputs
from harness.errors import RequestError

DEFAULT_EXAMPLES = 100
DEFAULT_EXAMPLE_SECONDS = 10.0
"""How long one example may run. Most take milliseconds; a loop that was fed 1e9 ends with this."""
DEFAULT_TOLERANCE = Close(rtol=1e-4)


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What a URL names, copied to this machine: `path`, in the `folder` that stands for `url`."""

    path: Path
    folder: Path
    url: str

    def said(self, text: str) -> str:
        """Return `text` with the URL in the place of the folder, which the user never heard of."""
        return text.replace(str(self.folder), self.url)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user says of a model: the path, and what the files leave open.

    `domains` are what the inputs accept, as far as the user says it, and `known` the outputs of
    some feeds. `copies` are those of the run, by which paths, of candidates too, are told as the
    URLs that the user knows them by.
    """

    path: Path
    meta_graph: Path | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    signature_key: str | None = None
    tags: tuple[str, ...] = ()
    moving_averages: bool = False
    domains: Mapping[str, Domain] = field(default_factory=dict)
    known: tuple[KnownOutputs, ...] = ()
    copies: tuple[Copy, ...] = ()

    def said(self, text: str) -> str:
        """Return `text` with URLs in the place of what was copied from them."""
        return said(text, self.copies)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is compared with the reference: the result of a method, or a file.

    `names` maps the reference's tensor names to those of a file that has others.
    """

    name: str
    method: str
    path: Path | None = None
    names: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One reference with its candidates.

    `locate` gives the request when it is needed: a fixture is trained no earlier.
    """

    name: str
    locate: Callable[[], Request]
    candidates: tuple[Candidate, ...]
    max_examples: int = DEFAULT_EXAMPLES
    example_seconds: float = DEFAULT_EXAMPLE_SECONDS
    tolerance: Criterion = DEFAULT_TOLERANCE

    def __post_init__(self) -> None:
        """Refuse two candidates of one name: what is found of one would be told of the other.

        Raises:
            RequestError: two candidates have one name.
        """
        names = [candidate.name for candidate in self.candidates]
        for name in names:
            if names.count(name) > 1:
                raise RequestError(f"model {self.name}: two candidates are called {name}")


def said(text: str, copies: Iterable[Copy]) -> str:
    """Return `text` with URLs in the place of what was copied from them."""
    for copy in copies:
        text = copy.said(text)
    return text


def candidates_of(methods: Iterable[str], files: Iterable[Path]) -> tuple[Candidate, ...]:
    """Return a candidate for each method and each file; files of one name are told apart."""
    found = [Candidate(name=method, method=method) for method in methods]
    taken = {candidate.name for candidate in found}
    for path in files:
        name = free_name(path.name, taken)
        found.append(Candidate(name=name, method="file", path=path))
    return tuple(found)


def with_distinct_names(subjects: Iterable[Subject]) -> tuple[Subject, ...]:
    """Return the subjects, those of one name told apart by a number."""
    taken: set[str] = set()
    return tuple(replace(s, name=free_name(s.name, taken)) for s in subjects)


def free_name(name: str, taken: set[str]) -> str:
    """Return `name`, or `name#2` and so on where it is in `taken`; add it there."""
    choice, number = name, 1
    while choice in taken:
        number += 1
        choice = f"{name}#{number}"
    taken.add(choice)
    return choice


def subject_name(path: Path) -> str:
    """Return the short name of a model; a version folder ("00000123") takes its parent's along."""
    if path.name in {"", ".."}:
        path = path.resolve()
    return f"{path.absolute().parent.name}.{path.name}" if path.name.isdigit() else path.name
