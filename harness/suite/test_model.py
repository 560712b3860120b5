"""What a checkpoint and its frozen graphs must pass: one test a stage and candidate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from harness.subject import Candidate, Subject
from harness.verdict import StageResult, Status

if TYPE_CHECKING:
    # Importing it imports TensorFlow: not while tests are collected.
    from harness.comparison import ForAll
    from harness.proof import Proof

Settle = Callable[[StageResult], None]

# Warnings of TensorFlow are not the user's, whose `-W error` would turn them into failures.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_reference_is_restored(proof: Proof, settle: Settle) -> None:
    """Graph and weights of the reference can be brought together."""
    settle(proof.restore())


def test_reference_can_be_frozen(proof: Proof, settle: Settle) -> None:
    """Nothing on the path to the outputs forbids freezing, whatever the method."""
    settle(proof.freezable())


def test_candidate_is_exported(proof: Proof, candidate: Candidate, settle: Settle) -> None:
    """The method produces a candidate."""
    settle(proof.export(candidate))


def test_candidate_is_reloaded(proof: Proof, candidate: Candidate, settle: Settle) -> None:
    """The candidate can be read back, is frozen, and holds the signature's tensors."""
    settle(proof.reload(candidate))


def test_weights_are_the_references(proof: Proof, candidate: Candidate, settle: Settle) -> None:
    """Every constant that stands for a variable has the value of the checkpoint, bit for bit."""
    settle(proof.weights(candidate))


def test_structure_is_the_references(proof: Proof, candidate: Candidate, settle: Settle) -> None:
    """The candidate's graph is the reference's, up to freezing."""
    settle(proof.structure(candidate))


def test_outputs_are_identical(
    proof: Proof, subject: Subject, candidate: Candidate, for_all: ForAll, settle: Settle
) -> None:
    """Reference and candidate give the same bits on random feeds over random shapes."""
    settle(proof.outputs(candidate, for_all, tolerance=subject.tolerance))


def test_deployed_outputs_agree(
    proof: Proof, subject: Subject, candidate: Candidate, for_all: ForAll, settle: Settle
) -> None:
    """As shipped, with TensorFlow's optimisers on, outputs agree within the tolerance."""
    settle(proof.deployed(candidate, for_all, tolerance=subject.tolerance))


def test_a_candidate_was_compared(proof: Proof, subject: Subject) -> None:
    """Outputs of some candidate were compared: agreement of none is no agreement."""
    own = proof.freezable()
    if own.status is not Status.PASSED:
        pytest.skip(f"the model itself is broken: {own.reason}")
    _must_have_compared(proof, subject)


def test_nothing_is_suspicious(proof: Proof, subject: Subject) -> None:
    """No warning stands against the model (asked for with --fail-on suspicious)."""
    _must_have_compared(proof, subject)
    warnings = proof.warnings()
    if warnings:
        listed = "\n  ".join(f"{warning.code}: {warning.message}" for warning in warnings)
        pytest.fail(f"suspicious: {subject.name}\n  {listed}", pytrace=False)


def _must_have_compared(proof: Proof, subject: Subject) -> None:
    if proof.has_compared():
        return
    reasons = "\n  ".join(
        f"{candidate.name}: {proof.export(candidate).reason or 'its outputs were not compared'}"
        for candidate in subject.candidates
    )
    pytest.fail(f"nothing was compared:\n  {reasons}", pytrace=False)
