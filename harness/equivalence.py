"""`assert_equivalent`: the proof as one assertion, for tests that users write themselves."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.criteria import Array, Criterion
from harness.domain import Domain
from harness.memo import Run
from harness.subject import DEFAULT_EXAMPLES, DEFAULT_TOLERANCE, Candidate, Request
from harness.verdict import StageResult, Status

if TYPE_CHECKING:
    # Importing it imports TensorFlow, which `import harness` must not.
    from harness.proof import Proof

_EMPTY_AGREEMENT = frozenset({"few_examples", "constant_output", "no_weight"})
"""Warnings of agreement that shows nothing."""


def assert_equivalent(
    reference: str | Path | Request,
    candidate: str | Path | Run,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    domains: Mapping[str, Domain] | None = None,
    max_examples: int = DEFAULT_EXAMPLES,
    tolerance: Criterion = DEFAULT_TOLERANCE,
    seed: int = 0,
) -> None:
    """Assert that `candidate` computes what `reference` computes, on random feeds.

    `reference` is a checkpoint, a SavedModel or a .pb, or a `Request` for all that can be said of
    one. `candidate` is a .pb or SavedModel, compared bit for bit and, as deployed, within
    `tolerance`; or a function, of another runtime say, compared within `tolerance`. `domains` say
    of inputs what the graph does not. Other warnings of the report are Python warnings here.

    Raises:
        AssertionError: they differ, nothing was compared, or agreement shows nothing; the message
            is that of the report.
        RequestError: the reference's path leads to nothing, or a name is none of the model's.
        TypeError: a function gives no arrays by name.
    """
    asked = reference if isinstance(reference, Request) else Request(path=Path(reference))
    asked = replace(
        asked,
        inputs=tuple(inputs) or asked.inputs,
        outputs=tuple(outputs) or asked.outputs,
        domains={**asked.domains, **(domains or {})},
    )
    with _proof(asked) as proof:
        for result in _stages(proof, candidate, max_examples, tolerance, seed):
            if result.status is not Status.PASSED:
                raise AssertionError(f"{result.stage}: {result.reason}")
            for warning in result.warnings:
                if warning.code in _EMPTY_AGREEMENT:
                    raise AssertionError(f"{result.stage}: {warning.message}")
                warnings.warn(f"{warning.code}: {warning.message}", stacklevel=2)


@contextmanager
def _proof(request: Request) -> Iterator[Proof]:
    from harness.proof import Proof

    with tempfile.TemporaryDirectory(prefix="freezeproof-") as folder:
        proof = Proof(request, folder=Path(folder))
        try:
            yield proof
        finally:
            proof.close()


def _arrays(run: Run, feeds: Mapping[str, Array]) -> dict[str, Array]:
    outputs: object = run(feeds)
    if not isinstance(outputs, Mapping):
        raise TypeError(
            f"the candidate returned {type(outputs).__name__}: it should return a mapping from "
            f"the reference's output names to arrays"
        )
    return {str(name): np.asarray(value) for name, value in outputs.items()}


def _stages(
    proof: Proof,
    candidate: str | Path | Run,
    max_examples: int,
    tolerance: Criterion,
    seed: int,
) -> Iterator[StageResult]:
    from harness.inputs.completing import completed
    from harness.suite.examples import for_all_examples

    completed(proof.model.signature, proof.domains)  # a wrong name is the caller's mistake
    for_all = for_all_examples(max_examples=max_examples, seed=seed)
    yield proof.restore()
    if callable(candidate):
        yield proof.outputs_of(partial(_arrays, candidate), for_all, tolerance=tolerance)
        return
    path = Path(candidate)
    file = Candidate(name=path.name, method="file", path=path)
    yield proof.reload(file)
    yield proof.weights(file)
    yield proof.structure(file)
    yield proof.outputs(file, for_all, tolerance=tolerance)
    yield proof.deployed(file, for_all, tolerance=tolerance)
