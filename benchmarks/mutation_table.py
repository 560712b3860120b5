"""Which stage sees which fault: each of `fixtures/faults`, in every fixture where it has a place.

A fault is put into the frozen graph of a fixture, and the file goes through the stages that a
shipped file goes through, each asked for itself: a stage that fails has seen it. The graph without
a fault goes through the same, where every stage must pass and the graph be proved.

    python benchmarks/mutation_table.py [--fixtures NAME ...] [--faults NAME ...] [--examples 25]
        [--models FOLDER]

With a folder, the trained fixtures are kept there for the next time. It ends with 1 where a fault
is seen by no stage, or a right graph is not proved.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.fault_detection import NO_FAULT, named_fixture, table
from fixtures.cache import build_once
from fixtures.catalogue import FIXTURES, Fixture
from fixtures.faults import FAULTS, Fault, NotApplicable
from fixtures.freezing import freeze_fixture, request_for
from harness.subject import Candidate
from harness.verdict import CandidateReport, Stage, Status

EXAMPLES = 25
STAGES = (Stage.RELOAD, Stage.WEIGHTS, Stage.STRUCTURE, Stage.OUTPUTS)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A fault in a fixture, and what each stage made of it."""

    fault: str
    fixture: str
    report: CandidateReport

    @property
    def seen_by(self) -> tuple[Stage, ...]:
        """The stages that failed."""
        return tuple(s for s, r in self.report.stages.items() if r.status is Status.FAILED)


@dataclass(kw_only=True)
class Outcome:
    """What was found, in one fixture or in all."""

    trials: list[Trial] = field(default_factory=list)
    without_place: int = 0
    alarms: list[Trial] = field(default_factory=list)
    """Graphs without a fault that are not proved."""

    def missed(self) -> list[Trial]:
        return [trial for trial in self.trials if not trial.seen_by]


def try_faults(
    fixture: Fixture, prefix: Path, *, faults: Iterable[Fault], folder: Path, examples: int
) -> Outcome:
    """Put each fault into the fixture that was built as `prefix`; broken graphs go to `folder`."""
    from harness.proof import Proof
    from harness.suite.examples import for_all_examples

    outcome = Outcome()
    frozen = freeze_fixture(fixture, prefix)
    proof = Proof(request_for(fixture, prefix), folder=folder)
    for_all = for_all_examples(max_examples=examples, seed=0)
    try:
        for fault in (NO_FAULT, *faults):
            try:
                broken = fault.apply(frozen)
            except NotApplicable:
                outcome.without_place += 1
                continue
            path = folder / f"{fault.name}.pb"
            path.write_bytes(broken.SerializeToString())
            candidate = Candidate(name=path.name, method="file", path=path)
            results = (
                proof.export(candidate),
                proof.reload(candidate),
                proof.weights(candidate),
                proof.structure(candidate),
                proof.outputs(candidate, for_all),
            )
            report = CandidateReport(
                name=candidate.name, method="file", stages={r.stage: r for r in results}
            )
            trial = Trial(fault=fault.name, fixture=fixture.name, report=report)
            if fault is not NO_FAULT:
                outcome.trials.append(trial)
            elif not report.is_proved:
                outcome.alarms.append(trial)
            path.unlink()
    finally:
        proof.close()
    return outcome


def mutation_table(trials: Sequence[Trial]) -> str:
    """A row for each fault in Markdown: in how many fixtures each stage fails, and which first."""
    rows = []
    for name in sorted({trial.fault for trial in trials}):
        of_fault = [trial for trial in trials if trial.fault == name]
        seen = [sum(stage in trial.seen_by for trial in of_fault) for stage in STAGES]
        first = dict.fromkeys(s for s in Stage if any(t.seen_by[:1] == (s,) for t in of_fault))
        missed = sum(not trial.seen_by for trial in of_fault)
        counts = [str(count) if count else "" for count in seen]
        rows.append([name, str(len(of_fault)), *counts, ", ".join(first), str(missed or "")])
    header = ("fault", "fixtures", *map(str, STAGES), "first", "missed")
    return table(header, rows)


def report(outcome: Outcome, *, seconds: float) -> str:
    """The table, and whatever a reader should know beside it."""
    proof_alone = sum(
        bool({Stage.WEIGHTS, Stage.STRUCTURE, Stage.RELOAD} & {*trial.seen_by})
        for trial in outcome.trials
    )
    lines = [
        mutation_table(outcome.trials),
        "",
        f"{len(outcome.trials)} faults; {proof_alone} are seen before any output is computed, "
        f"{len(outcome.missed())} by no stage; {outcome.without_place} have no place in their "
        f"fixture; {seconds:.0f} s",
    ]
    for title, trials in (
        ("MISSED", outcome.missed()),
        ("NOT PROVED, though nothing is wrong", outcome.alarms),
    ):
        lines += [f"{title}: {t.fault} in {t.fixture}: {t.report.message}" for t in trials]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit with 1 where a fault is seen by no stage."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--fixtures", nargs="+", type=named_fixture, default=FIXTURES, metavar="NAME"
    )
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=FAULTS, metavar="NAME")
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    parser.add_argument("--models", type=Path, help="folder in which trained fixtures are kept")
    given = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    outcome, start = Outcome(), time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        models = given.models or Path(scratch) / "models"
        for number, fixture in enumerate(given.fixtures):
            folder = Path(scratch) / f"{number}"
            folder.mkdir()
            found = try_faults(
                fixture,
                build_once(fixture, models),
                faults=[FAULTS[name] for name in given.faults],
                folder=folder,
                examples=given.examples,
            )
            outcome.trials += found.trials
            outcome.alarms += found.alarms
            outcome.without_place += found.without_place
    print(report(outcome, seconds=time.perf_counter() - start))
    return 1 if outcome.missed() or outcome.alarms else 0


if __name__ == "__main__":
    sys.exit(main())
