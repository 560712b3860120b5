"""What one pytest run verifies, and what it found so far."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import __version__
from harness.options import Settings
from harness.report.json_text import read_record
from harness.subject import Subject
from harness.verdict import Report, StageRecord, gather
from harness.wheel import tensorflow_version

if TYPE_CHECKING:
    from harness.proof import Proof

PROPERTY = "freezeproof"
"""The user property by which a test sends its record, here and over pytest-xdist."""


class Run:
    """The settings, the subjects and their proofs."""

    def __init__(self, settings: Settings, subjects: tuple[Subject, ...], *, seed: int) -> None:
        """Nothing is opened yet."""
        self.settings = settings
        self.subjects = subjects
        self.seed = seed
        self.header: list[str] = []
        self.records: list[StageRecord] = []
        self.report_error = ""
        self._proofs: dict[str, Proof] = {}
        self._current: str | None = None

    def proof(self, subject: Subject, folder: Callable[[], Path]) -> Proof:
        """Return the proof of a subject; the sessions of the one before are closed."""
        from harness.proof import Proof

        if self._current not in {None, subject.name}:
            self._proofs[str(self._current)].close()
        self._current = subject.name
        if subject.name not in self._proofs:
            self._proofs[subject.name] = Proof(
                subject.locate(), folder=folder(), example_seconds=subject.example_seconds
            )
        return self._proofs[subject.name]

    def close(self) -> None:
        """Close every session."""
        for proof in self._proofs.values():
            proof.close()

    def report(self) -> Report:
        """Return what was found."""
        return Report(
            freezeproof=__version__,
            tensorflow=tensorflow_version(),
            python=".".join(map(str, sys.version_info[:3])),
            models=gather(self.records),
        )


RUN = pytest.StashKey[Run]()


class Gathering:
    """A plugin that takes the records off the test reports, of this process or of workers."""

    def __init__(self, run: Run) -> None:
        """Gather into `run`."""
        self._run = run

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the records of the test that ended."""
        if report.when != "call":
            return  # the teardown's report carries the same properties again
        for name, value in report.user_properties:
            if name == PROPERTY:
                self._run.records.append(read_record(str(value)))
