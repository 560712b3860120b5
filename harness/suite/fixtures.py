"""What the suite's tests are given."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import pytest

from harness.domain import Domain
from harness.report.json_text import write_record
from harness.report.progress import Progress
from harness.reproduction.keeping import keep_failure
from harness.signature import Signature
from harness.subject import Candidate, Subject
from harness.suite.collection import SUITE_ID
from harness.suite.run import PROPERTY, RUN, Run
from harness.verdict import StageRecord, StageResult, Status

if TYPE_CHECKING:
    from harness.comparison import ForAll
    from harness.memo import Feeds
    from harness.proof import Proof


@pytest.fixture(scope="session")
def _run(request: pytest.FixtureRequest) -> Iterator[Run]:
    run = request.config.stash[RUN]
    yield run
    run.close()


@pytest.fixture
def proof(subject: Subject, _run: Run, tmp_path_factory: pytest.TempPathFactory) -> Proof:
    """The stages of the model under test, each run once."""
    return _run.proof(subject, lambda: tmp_path_factory.mktemp("freezeproof"))


@pytest.fixture
def for_all(
    subject: Subject, candidate: Candidate, _run: Run, request: pytest.FixtureRequest
) -> ForAll:
    """Examples of feeds for the model under test, the same for every stage and candidate."""
    from harness.suite.examples import for_all_examples

    progress = _progress(request, f"{subject.name}-{candidate.name}", subject.max_examples)
    run_examples = for_all_examples(
        max_examples=subject.max_examples,
        seed=_run.seed,
        progress=progress,
    )

    def run_and_wipe(
        signature: Signature,
        domains: Mapping[str, Domain],
        check: Callable[[Feeds], None],
        *,
        at_most: int | None = None,
    ) -> None:
        try:
            run_examples(signature, domains, check, at_most=at_most)
        finally:
            progress.close()

    return run_and_wipe


@pytest.fixture
def settle(
    request: pytest.FixtureRequest, subject: Subject, proof: Proof, _run: Run
) -> Callable[[StageResult], None]:
    """Record the result of a stage, and end the test as the stage ended."""
    candidate: Candidate | None = request.node.callspec.params.get("candidate")

    def settle_result(result: StageResult) -> None:
        record = StageRecord(
            model=subject.name,
            result=result,
            candidate=candidate.name if candidate else None,
            method=candidate.method if candidate else None,
            facts=None if candidate else proof.facts(),
        )
        request.node.user_properties.append((PROPERTY, write_record(record)))
        if result.status is Status.FAILED:
            again = _again(request)
            lines = [f"{result.stage}: {result.reason}"]
            if not getattr(request.config.option, "freezeproof_staged", False):
                lines.append(f"reproduce with: {again}")
            export = proof.exported(candidate) if candidate is not None else None
            if candidate is not None and export is not None:
                kept = keep_failure(
                    _run.settings.repro_dir,
                    subject.locate(),
                    result,
                    model=subject.name,
                    candidate=candidate,
                    export=export.path,
                    names=export.names,
                    evidence=proof.evidence(result.stage, candidate),
                    tolerance=subject.tolerance,
                    example_seconds=subject.example_seconds,
                    imports=_run.settings.ops.modules,
                    op_libraries=_run.settings.ops.libraries,
                    command=again,
                )
                lines += [kept] if kept else []
            pytest.fail("\n".join(lines), pytrace=False)
        if result.status is not Status.PASSED:
            pytest.skip(f"{result.status}: {result.reason}")

    return settle_result


def _again(request: pytest.FixtureRequest) -> str:
    """Return the command that runs this item alone."""
    given = map(str, request.config.invocation_params.args)
    arguments = [argument for argument in given if not argument.startswith(f"{SUITE_ID}::")]
    return f"pytest {shlex.join([*arguments, request.node.nodeid])}"


def _progress(request: pytest.FixtureRequest, label: str, total: int) -> Progress:
    plugins = request.config.pluginmanager
    reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    if reporter is None or hasattr(request.config, "workerinput"):
        return Progress(label, total, rewrite=None, write_line=_ignore)

    def uncaptured() -> AbstractContextManager[None]:
        # While a test runs, what is written to the terminal is captured with its output.
        return capture.global_and_fixture_disabled() if capture else nullcontext()

    def rewrite(text: str) -> None:
        with uncaptured():
            if reporter.currentfspath is not None:
                reporter.ensure_newline()  # or pytest's dots would be written over
            reporter.rewrite(text, erase=True)
            if not text:
                reporter.rewrite("")  # back to the start of the line that was wiped
            reporter.flush()

    def write_line(text: str) -> None:
        with uncaptured():
            reporter.ensure_newline()
            reporter.write_line(text)

    is_terminal = reporter.isatty
    return Progress(label, total, rewrite=rewrite if is_terminal else None, write_line=write_line)


def _ignore(_: str) -> None:
    """Show nothing: a worker of pytest-xdist has no terminal."""
