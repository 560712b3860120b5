"""How many faults of `fixtures/faults` are seen by outputs alone, by ways to choose the inputs.

Each fault is put into the frozen graph of each fixture where it has a place. Model and broken graph
run on the inputs that a policy (`input_policies`) draws, as the stage `outputs` runs them, until an
output differs by a bit or one of the two rejects what the other takes. A fault that no policy
sees is looked for with two thousand further examples (`thorough_search`); what these do not see
either counts as not observable, and is listed.

A graph without a fault goes through the same: if it were caught, no number would mean anything.

    python benchmarks/fault_detection.py [--fixtures NAME ...] [--faults NAME ...] [--json FILE]
        [--models FOLDER] [--further 1000] [--further-seconds 120]

With a folder, the trained fixtures are kept there for the next time. It ends with 1 where the
harness misses what is observable, or needs more than 100 examples for it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.input_policies import MOST_EXAMPLES, OURS, POLICIES, Draw, Policy
from benchmarks.thorough_search import further
from fixtures.cache import build_once
from fixtures.catalogue import FIXTURES, Fixture, UnknownFixtureError, find
from fixtures.faults import FAULTS, Fault, Frozen, NotApplicable
from fixtures.freezing import freeze_fixture, request_for
from harness.criteria import Array, Exact
from harness.errors import BrokenModel, Rejected, TimedOut
from harness.memo import Feeds, Run
from harness.verify import Disagreement, compare_on

if TYPE_CHECKING:
    # Importing it imports TensorFlow, which then reads how much it is to log.
    from harness.proof import Proof
    from harness.runtime import Runner

FURTHER_EXAMPLES = 1000
FURTHER_SECONDS = 120.0
"""For all faults of one fixture together."""

NO_FAULT = Fault(name="none", description="nothing is wrong", apply=lambda f: f.graph_def)

Answer = Mapping[str, Array] | Rejected | TimedOut


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One fault in one fixture, and who saw it.

    `first` is the number, from 1, of the first example that showed it, by policy, without those
    that did not see it. `further` is that of the search, None where it was not needed or in vain
    after `searched` examples.
    """

    fixture: str
    fault: str
    first: Mapping[str, int]
    further: int | None = None
    searched: int = 0

    @property
    def observable(self) -> bool:
        """Whether anything saw it."""
        return bool(self.first) or self.further is not None

    @property
    def missed(self) -> bool:
        """Whether it is observable, and not seen by the harness in as many examples as it may."""
        return self.observable and not 0 < self.first.get(OURS.name, 0) <= MOST_EXAMPLES

    def __str__(self) -> str:
        return f"{self.fault} in {self.fixture}"


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """A fault that was not tried in a fixture, and why."""

    fixture: str
    fault: str
    reason: str

    def __str__(self) -> str:
        return f"{self.fault} in {self.fixture}: {self.reason}"


@dataclass(kw_only=True)
class Outcome:
    """What was found, in one fixture or in all.

    `drawn` and `rejected` count, by policy, the examples and those to which the model itself has no
    answer, because it refuses them or takes too long.
    `without_place` are faults that the fixture has no place for; `unreadable` broken graphs that
    cannot be opened, which shows them before any output does.
    """

    trials: list[Trial] = field(default_factory=list)
    without_place: list[Excluded] = field(default_factory=list)
    unreadable: list[Excluded] = field(default_factory=list)
    false_alarms: list[Trial] = field(default_factory=list)
    drawn: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, other: Outcome) -> None:
        """Take in what was found in another fixture."""
        self.trials += other.trials
        self.without_place += other.without_place
        self.unreadable += other.unreadable
        self.false_alarms += other.false_alarms
        self.seconds += other.seconds
        for counts, more in ((self.drawn, other.drawn), (self.rejected, other.rejected)):
            for name, number in more.items():
                counts[name] = counts.get(name, 0) + number

    def observable(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.observable]

    def missed(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.missed]


def try_faults(
    fixture: Fixture,
    prefix: Path,
    *,
    faults: Iterable[Fault],
    folder: Path,
    policies: Sequence[Policy] = POLICIES,
    further_examples: int = FURTHER_EXAMPLES,
    further_seconds: float = FURTHER_SECONDS,
) -> Outcome:
    """Put each fault into the fixture that was built as `prefix`, and let each policy look for it.

    `folder` is where broken graphs are written.
    """
    from harness.proof import Proof
    from harness.runtime import Mode, Runner

    start = time.perf_counter()
    outcome = Outcome()
    with ExitStack() as closing:
        proof = Proof(request_for(fixture, prefix), folder=folder)
        closing.callback(proof.close)
        reference = Runner(proof.model, mode=Mode.STRICT)
        closing.callback(reference.close)
        answered = _answered(reference, proof, policies)
        outcome.drawn = {name: len(examples) for name, examples in answered.items()}
        outcome.rejected = {
            name: sum(not isinstance(answer, Mapping) for _, answer in examples)
            for name, examples in answered.items()
        }
        frozen = freeze_fixture(fixture, prefix)
        unseen: dict[str, Runner] = {}
        for fault in (NO_FAULT, *faults):
            try:
                candidate = _broken(frozen, fault, proof, folder)
            except NotApplicable as reason:
                outcome.without_place.append(_excluded(fixture, fault, reason))
                continue
            except BrokenModel as reason:
                outcome.unreadable.append(_excluded(fixture, fault, reason))
                continue
            closing.callback(candidate.close)
            trial = Trial(
                fixture=fixture.name, fault=fault.name, first=_first_shown(answered, candidate)
            )
            if fault is NO_FAULT:
                outcome.false_alarms += [trial] if trial.observable else []
                candidate.close()
            elif trial.observable:
                outcome.trials.append(trial)
                candidate.close()
            else:
                unseen[fault.name] = candidate
        outcome.trials += _searched(
            fixture, unseen, reference, proof, further(further_examples), seconds=further_seconds
        )
    outcome.seconds = time.perf_counter() - start
    return outcome


def _excluded(fixture: Fixture, fault: Fault, reason: Exception) -> Excluded:
    return Excluded(fixture=fixture.name, fault=fault.name, reason=str(reason))


def _answered(
    reference: Run, proof: Proof, policies: Sequence[Policy]
) -> dict[str, list[tuple[Feeds, Answer]]]:
    """The examples of each policy, and what the model says to them."""
    return {
        policy.name: [
            (feeds, _answer(reference, feeds))
            for feeds in policy.draw(proof.model.signature, proof.domains)
        ]
        for policy in policies
    }


def _answer(run: Run, feeds: Feeds) -> Answer:
    try:
        return run(feeds)
    except (Rejected, TimedOut) as error:
        return error.again()


def _broken(frozen: Frozen, fault: Fault, proof: Proof, folder: Path) -> Runner:
    from harness.models.candidate import open_candidate
    from harness.runtime import Mode, Runner

    path = folder / f"{fault.name}.pb"
    path.write_bytes(fault.apply(frozen).SerializeToString())
    runner = Runner(open_candidate(path, signature=proof.model.signature), mode=Mode.STRICT)
    runner.open()
    path.unlink()
    return runner


def _first_shown(
    answered: Mapping[str, list[tuple[Feeds, Answer]]], candidate: Run
) -> dict[str, int]:
    """By policy, the number of the first example that shows that the candidate is another model."""
    found = {}
    for name, examples in answered.items():
        for number, (feeds, answer) in enumerate(examples, start=1):
            if is_shown(feeds, answer, candidate):
                found[name] = number
                break
    return found


def is_shown(feeds: Feeds, answer: Answer, candidate: Run) -> bool:
    """Whether the candidate's answer to `feeds` is another than `answer`."""
    if not isinstance(answer, Mapping):
        # Two refusals show nothing, whatever the words. Nor does what takes too long.
        return isinstance(answer, Rejected) and isinstance(_answer(candidate, feeds), Mapping)
    try:
        compare_on(feeds, reference=lambda _: answer, candidate=candidate, criterion=Exact())
    except Disagreement:
        return True
    return False


def _searched(
    fixture: Fixture,
    unseen: Mapping[str, Runner],
    reference: Run,
    proof: Proof,
    draw: Draw,
    *,
    seconds: float,
) -> list[Trial]:
    """Trials of the faults that no policy saw, after further examples or so many seconds."""
    seen: dict[str, int] = {}
    searched = 0
    stop_at = time.perf_counter() + seconds
    if unseen:
        for feeds in draw(proof.model.signature, proof.domains):
            if len(seen) == len(unseen) or time.perf_counter() > stop_at:
                break
            searched += 1
            answer = _answer(reference, feeds)
            for name in unseen.keys() - seen.keys():
                if is_shown(feeds, answer, unseen[name]):
                    seen[name] = searched
    return [
        Trial(fixture=fixture.name, fault=name, first={}, further=seen.get(name),
              searched=seen.get(name, searched))
        for name in unseen
    ]  # fmt: skip


def summary(outcome: Outcome, policies: Sequence[Policy] = POLICIES) -> str:
    """A table with a row for each policy, in Markdown."""
    observable = outcome.observable()
    rows = []
    for policy in policies:
        numbers = [t.first[policy.name] for t in observable if policy.name in t.first]
        share = f"{100 * len(numbers) / len(observable):.1f} %" if observable else "-"
        examples = outcome.drawn.get(policy.name, 0)
        refused = outcome.rejected.get(policy.name, 0)
        rows.append(
            [
                policy.name,
                f"{len(numbers)} of {len(observable)}",
                share,
                f"{statistics.median(numbers):g}" if numbers else "-",
                f"{max(numbers)}" if numbers else "-",
                f"{100 * refused / examples:.1f} %" if examples else "-",
            ]
        )
    header = ("inputs", "caught", "share", "example (median)", "(latest)", "refused")
    return table(header, rows)


def by_fault(outcome: Outcome, policies: Sequence[Policy] = POLICIES) -> str:
    """A table with a row for each kind of fault: where it was tried, and where each saw it."""
    rows = []
    for name in dict.fromkeys(trial.fault for trial in outcome.trials):
        trials = [trial for trial in outcome.trials if trial.fault == name]
        caught = [sum(policy.name in trial.first for trial in trials) for policy in policies]
        observable = sum(trial.observable for trial in trials)
        rows.append([name, str(len(trials)), str(observable), *map(str, caught)])
    names = (policy.name for policy in policies)
    return table(("fault", "fixtures", "observable", *names), sorted(rows))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown that is aligned as plain text too: the first column left, the others right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        aligned = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(aligned)} |"

    ruler = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    return "\n".join([line(header), line(ruler), *map(line, rows)])


def report(outcome: Outcome, policies: Sequence[Policy] = POLICIES) -> str:
    """Both tables, and whatever a reader should know beside them."""
    hidden = [trial for trial in outcome.trials if not trial.observable]
    sections = [summary(outcome, policies), by_fault(outcome, policies)]
    for title, lines in (
        (
            f"missed by {OURS.name}",
            [f"{trial}: {_seen_by(trial)}" for trial in outcome.missed()],
        ),
        (
            "not observable",
            [f"{t}: not seen in {t.searched:,} further examples either" for t in hidden],
        ),
        ("broken graphs that cannot be opened, and are not counted", outcome.unreadable),
        ("FALSE ALARMS", [f"{trial}: {_seen_by(trial)}" for trial in outcome.false_alarms]),
    ):
        if lines:
            sections.append("\n".join([f"{title}:", *(f"  {line}" for line in lines)]))
    sections.append(
        f"{len(outcome.trials)} faults were tried; {len(outcome.without_place)} have no place in "
        f"their fixture; {outcome.seconds:.0f} s"
    )
    return "\n\n".join(sections)


def _seen_by(trial: Trial) -> str:
    seen = [f"{name} in example {number}" for name, number in trial.first.items()]
    if trial.further is not None:
        seen.append(f"the search in further example {trial.further}")
    return f"seen by {', '.join(seen)}"


def as_json(outcome: Outcome) -> str:
    """All that was found, for other tables."""
    document = asdict(outcome)
    document["trials"] = [
        {**asdict(trial), "observable": trial.observable} for trial in outcome.trials
    ]
    return json.dumps(document, indent=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; exit with 1 where the harness misses what is observable."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--fixtures", nargs="+", type=named_fixture, default=FIXTURES, metavar="NAME"
    )
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=FAULTS, metavar="NAME")
    parser.add_argument("--models", type=Path, help="folder in which trained fixtures are kept")
    parser.add_argument(
        "--further",
        type=int,
        default=FURTHER_EXAMPLES,
        metavar="EXAMPLES",
        help="of either kind, with which faults that no policy sees are looked for",
    )
    parser.add_argument("--further-seconds", type=float, default=FURTHER_SECONDS, metavar="SECONDS",
                        help="after which that ends in each fixture")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="where all trials are written")
    options = parser.parse_args(arguments)
    # TensorFlow reads this while it is imported, which `try_faults` does and building a fixture.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as scratch:
        try_in = partial(
            try_faults,
            faults=[FAULTS[name] for name in options.faults],
            folder=Path(scratch),
            further_examples=options.further,
            further_seconds=options.further_seconds,
        )
        for fixture in options.fixtures:
            outcome.add(_tried(fixture, options.models or Path(scratch), try_in))
    print(report(outcome))
    if options.json is not None:
        options.json.write_text(as_json(outcome), encoding="utf-8")
    return int(bool(outcome.missed() or outcome.false_alarms))


def _tried(fixture: Fixture, models: Path, try_in: Callable[..., Outcome]) -> Outcome:
    found = try_in(fixture, build_once(fixture, models))
    print(
        f"{fixture.name}: {len(found.trials)} faults, {len(found.observable())} observable, "
        f"{len(found.missed())} missed, {found.seconds:.1f} s",
        file=sys.stderr,
        flush=True,
    )
    return found


def named_fixture(name: str) -> Fixture:
    """The fixture of that name, for a command line."""
    try:
        return find(name)
    except UnknownFixtureError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
