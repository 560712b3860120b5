"""Run a stage again that failed, on what its folder holds: is it mended?

Nothing is looked for: a stage that compares outputs is given the stored feeds alone. What is said
comes from the stage itself, and where that compared nothing, nothing is said of the candidate.
"""

from __future__ import annotations

import enum
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.domain import Domain
from harness.errors import FreezeproofError, RequestError, file_error
from harness.inputs.describing import describe
from harness.inputs.dtypes import numpy_dtype
from harness.locate import locate
from harness.memo import Feeds
from harness.options import is_url
from harness.reproduction.fingerprint import (
    Fingerprint,
    fingerprint_of_candidate,
    fingerprint_of_reference,
)
from harness.reproduction.folder import Kept, read_reproduction
from harness.reproduction.record import Reproduction
from harness.signature import Signature
from harness.subject import Candidate, Copy, Request
from harness.verdict import Stage, StageResult, Status
from harness.verify import Disagreement
from harness.wheel import tensorflow_version

if TYPE_CHECKING:
    # Importing it imports TensorFlow, which a folder that cannot be read is not worth.
    from harness.proof import Proof

_OF_OUTPUTS = (Stage.OUTPUTS, Stage.DEPLOYED)


class Word(str, enum.Enum):
    """What a replay found: `ERROR` where it could not be told."""

    FIXED = "FIXED"
    FAILED = "FAILED"
    ERROR = "ERROR"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The word, why, and what has to be known beside it."""

    word: Word
    reason: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """The candidate that is looked at, and in a few words which it is."""

    candidate: Candidate
    said: str


def replay(folder: Path, *, candidate: Path | None = None) -> Outcome:
    """Run the stage of a reproduction again, on `candidate` or on what the folder names."""
    try:
        kept = read_reproduction(folder)
        if kept.evidence is None and kept.reproduction.stage in _OF_OUTPUTS:
            raise RequestError(
                f"{folder} holds no feeds, without which nothing can be compared: "
                f"{kept.reproduction.command or 'run the test again'}"
            )
        with tempfile.TemporaryDirectory(prefix="freezeproof-") as scratch:
            return _replayed(kept, candidate, Path(scratch))
    except FreezeproofError as error:
        return Outcome(word=Word.ERROR, reason=str(error))
    except OSError as error:
        return Outcome(word=Word.ERROR, reason=file_error(error))


def _replayed(kept: Kept, given: Path | None, scratch: Path) -> Outcome:
    record = kept.reproduction
    if not is_url(record.reference):
        locate(record.reference, option="the reference")  # sooner than TensorFlow is imported
    from harness.models.registering import register_ops
    from harness.proof import Proof

    register_ops(record.imports, tuple(map(Path, record.op_libraries)))
    request = _request(record, scratch)
    proof = Proof(request, folder=scratch / "exports", example_seconds=record.example_seconds)
    try:
        chosen = _chosen(proof, kept, given)
        notes = (f"candidate: {chosen.said}", *_changes(record, request))
        outcome = _judged(proof, chosen.candidate, kept)
    finally:
        proof.close()
    return replace(outcome, notes=(*outcome.notes, *notes))


def _request(record: Reproduction, scratch: Path) -> Request:
    """Return what was asked for then; what URLs name is copied once more."""
    from harness.models import remote

    copies: list[Copy] = []

    def local(stated: str, fetch: Callable[..., Copy], option: str) -> Path:
        if not is_url(stated):
            return Path(stated)
        copies.append(fetch(stated, scratch / option, option=option))
        return copies[-1].path

    path = local(record.reference, remote.fetch_model, "reference")
    meta = record.meta_graph
    return Request(
        path=path,
        meta_graph=local(meta, remote.fetch_file, "meta-graph") if meta else None,
        inputs=record.inputs,
        outputs=record.outputs,
        signature_key=record.signature_key,
        tags=record.tags,
        moving_averages=record.moving_averages,
        copies=tuple(copies),
    )


# ---- which candidate


def _chosen(proof: Proof, kept: Kept, given: Path | None) -> _Chosen:
    """Return the file that the user names, the one that failed, a new export, or the copy.

    Raises:
        RequestError: there is none of them.
    """
    record = kept.reproduction
    if given is not None:
        if not given.exists():
            raise RequestError(f"--candidate {given}: no such file")
        return _Chosen(candidate=_file(record, given), said=_told(given, record.candidate_is))
    if record.path:
        path = Path(record.path)
        if not is_url(record.path) and path.exists():
            return _Chosen(candidate=_file(record, path), said=_told(path, record.candidate_is))
        why = "is not fetched again" if is_url(record.path) else "is no longer there"
        return _copy(kept, f"{record.path} {why}")
    exported = Candidate(name=record.candidate, method=record.method)
    for stage in (proof.restore, proof.freezable, lambda: proof.export(exported)):
        result = stage()
        if result.status is not Status.PASSED:
            break
    else:
        return _Chosen(candidate=exported, said=f"exported anew by {record.method}")
    why = f"{record.method} exports none any more ({result.stage}: {result.reason})"
    if result.stage is not Stage.EXPORT:  # without a reference nothing can be compared
        raise RequestError(why)
    return _copy(kept, why)


def _file(record: Reproduction, path: Path) -> Candidate:
    return Candidate(name=record.candidate, method="file", path=path)


def _told(path: Path, then: Fingerprint) -> str:
    now = fingerprint_of_candidate(path)
    return f"{path}, {'as it was then' if now == then else 'changed since then'}"


def _copy(kept: Kept, why: str) -> _Chosen:
    copy = kept.candidate
    if copy is None:
        raise RequestError(
            f"{why}, and it was too large to be copied: name it with --candidate PATH"
        )
    if not copy.exists() or fingerprint_of_candidate(copy) != kept.reproduction.candidate_is:
        raise RequestError(
            f"{why}, and the copy {copy} is gone or damaged: name the file with --candidate PATH"
        )
    # Of another name, since what the proof knows of the export is kept by name.
    candidate = Candidate(name=copy.name, method="file", path=copy, names=kept.reproduction.names)
    return _Chosen(candidate=candidate, said=f"the copy {copy}, since {why}")


# ---- what the stage finds


class _StoredFeeds:
    """Runs a check on the stored feeds, and remembers whether they showed a difference."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds
        self.found: Disagreement | None = None

    def __call__(
        self,
        signature: Signature,
        domains: Mapping[str, Domain],
        check: Callable[[Feeds], None],
        *,
        at_most: int | None = None,
    ) -> None:
        """Run the check, unless it is on a few examples apart (fed as in training).

        Raises:
            RequestError: the feeds are none of this model.
        """
        del domains
        if at_most is not None:
            return
        _check_fit(self._feeds, signature)
        try:
            check({name: self._feeds[name] for name in signature.input_names})
        except Disagreement as found:
            found.feeds, found.fed = self._feeds, describe(self._feeds)  # for whoever explains it
            self.found = found
            raise


def _check_fit(feeds: Feeds, signature: Signature) -> None:
    if feeds.keys() != set(signature.input_names):
        raise RequestError(
            f"the stored feeds are of {', '.join(feeds) or 'no input'}, but the reference takes "
            f"{', '.join(signature.input_names) or 'none'} now"
        )
    for spec in signature.inputs:
        if feeds[spec.name].dtype != numpy_dtype(spec.dtype):
            raise RequestError(
                f"{spec.name} is stored as {feeds[spec.name].dtype}, but the reference takes "
                f"{spec.dtype} now"
            )


def _judged(proof: Proof, candidate: Candidate, kept: Kept) -> Outcome:
    record = kept.reproduction
    if record.stage is Stage.WEIGHTS:
        return _outcome(proof, candidate, proof.weights(candidate), record)
    if record.stage is Stage.STRUCTURE:
        return _outcome(proof, candidate, proof.structure(candidate), record)
    assert kept.evidence is not None  # `replay` has looked
    feeds = _StoredFeeds(kept.evidence.feeds)
    compare = proof.outputs if record.stage is Stage.OUTPUTS else proof.deployed
    result = compare(candidate, feeds, tolerance=record.tolerance)
    if result.status is Status.FAILED and feeds.found is None:
        # It objects to what it was given: nothing was found to differ.
        return Outcome(word=Word.ERROR, reason=f"{result.stage}: {result.reason}")
    if result.status is Status.PASSED and not result.compared:
        return Outcome(word=Word.ERROR, reason=f"{result.stage}: nothing was compared")
    return _outcome(proof, candidate, result, record, fed=describe(kept.evidence.feeds))


def _outcome(
    proof: Proof, candidate: Candidate, result: StageResult, record: Reproduction, *, fed: str = ""
) -> Outcome:
    if result.status is Status.FAILED:
        return Outcome(word=Word.FAILED, reason=f"{result.stage}: {result.reason}")
    if result.status is Status.PASSED:
        agreed = f"{result.stage}: {record.candidate} agrees with {record.model}"
        return Outcome(word=Word.FIXED, reason=f"{agreed} · fed {fed}" if fed else agreed)
    for before in (proof.restore, proof.freezable, *_stages_of(proof, candidate)):
        cause = before()
        if cause.status is not Status.PASSED:
            return Outcome(word=Word.ERROR, reason=f"{cause.stage}: {cause.reason}")
    return Outcome(word=Word.ERROR, reason=f"{result.stage}: {result.reason}")


def _stages_of(proof: Proof, candidate: Candidate) -> list[Callable[[], StageResult]]:
    """Return the stages of a candidate on which those that compare depend."""
    return [partial(stage, candidate) for stage in (proof.export, proof.reload, proof.weights)]


def _changes(record: Reproduction, request: Request) -> list[str]:
    """Return what is not as it was when the stage failed."""
    found = []
    then, now = record.reference_is, fingerprint_of_reference(request.path, request.meta_graph)
    if then != now:
        found.append(f"{record.reference} has changed since the stage failed")
    elif now.of != "files":
        found.append(f"of {record.reference} no more than {now.of} were seen not to have changed")
    version = tensorflow_version()
    if version != record.versions.tensorflow:
        found.append(
            f"this is TensorFlow {version}, and the stage failed with {record.versions.tensorflow}"
        )
    return found
