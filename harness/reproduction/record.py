"""What was compared when a stage failed, and how: all but the arrays; as JSON, there and back."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness import __version__
from harness.criteria import Close, Criterion, Exact
from harness.locate import locate
from harness.reproduction.fingerprint import (
    Fingerprint,
    fingerprint_of_candidate,
    fingerprint_of_reference,
)
from harness.subject import Candidate, Request
from harness.verdict import Stage, StageResult
from harness.wheel import tensorflow_version

SCHEMA = 1
REPLAYED = (Stage.WEIGHTS, Stage.STRUCTURE, Stage.OUTPUTS, Stage.DEPLOYED)
"""The stages whose failures are kept: those that compare."""


@dataclass(frozen=True, kw_only=True)
class Versions:
    """With what the failure was seen."""

    freezeproof: str
    tensorflow: str
    python: str
    numpy: str

    @classmethod
    def installed(cls) -> Versions:
        """Return those of this process."""
        return cls(
            freezeproof=__version__,
            tensorflow=tensorflow_version(),
            python=".".join(map(str, sys.version_info[:3])),
            numpy=np.__version__,
        )


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What was compared when a stage failed. Paths are absolute, or the URLs that the user gave."""

    model: str
    stage: Stage
    reason: str
    reference: str
    reference_is: Fingerprint
    meta_graph: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    signature_key: str | None = None
    tags: tuple[str, ...] = ()
    moving_averages: bool = False
    imports: tuple[str, ...] = ()
    op_libraries: tuple[str, ...] = ()
    candidate: str
    method: str
    path: str = ""
    """Where the candidate's file stood; "" where a method exported it."""
    candidate_is: Fingerprint
    names: Mapping[str, str] = field(default_factory=dict)
    """The reference's tensor names to the candidate's, where they differ."""
    tolerance: Criterion
    """Of the stage deployed, and of outputs where the graph was transformed."""
    example_seconds: float
    versions: Versions = field(default_factory=Versions.installed)
    command: str = ""
    """The pytest command that looks for the failure anew."""


def reproduction_of(
    request: Request,
    *,
    model: str,
    candidate: Candidate,
    export: Path,
    result: StageResult,
    tolerance: Criterion,
    example_seconds: float,
    names: Mapping[str, str] | None = None,
    imports: Iterable[str] = (),
    op_libraries: Iterable[Path] = (),
    command: str = "",
) -> Reproduction:
    """Return what is to be kept of a stage that failed; `export` is the candidate on disk.

    Raises:
        RequestError, OSError: the reference or the candidate is not there any more.
    """
    return Reproduction(
        model=model,
        stage=result.stage,
        reason=result.reason,
        # Of a folder the checkpoint that was meant: the next one may be saved there any minute.
        reference=_stated(request, locate(request.path).path),
        reference_is=fingerprint_of_reference(request.path, request.meta_graph),
        meta_graph=_stated(request, request.meta_graph) if request.meta_graph else "",
        inputs=request.inputs,
        outputs=request.outputs,
        signature_key=request.signature_key,
        tags=request.tags,
        moving_averages=request.moving_averages,
        imports=tuple(imports),
        op_libraries=tuple(str(library.absolute()) for library in op_libraries),
        candidate=candidate.name,
        method=candidate.method,
        path=_stated(request, candidate.path) if candidate.path else "",
        candidate_is=fingerprint_of_candidate(export),
        names=dict(names or {}),
        tolerance=tolerance,
        example_seconds=example_seconds,
        command=command,
    )


def _stated(request: Request, path: Path) -> str:
    said = request.said(str(path))
    return str(path.absolute()) if said == str(path) else said


def as_json(reproduction: Reproduction) -> dict[str, Any]:
    """Return a reproduction as JSON data."""
    rtol = reproduction.tolerance.rtol if isinstance(reproduction.tolerance, Close) else None
    return {
        "schema": SCHEMA,
        "versions": asdict(reproduction.versions),
        "model": reproduction.model,
        "stage": reproduction.stage.value,
        "reason": reproduction.reason,
        "tolerance": rtol,
        "example_seconds": reproduction.example_seconds,
        "command": reproduction.command,
        "reference": {
            "path": reproduction.reference,
            "fingerprint": asdict(reproduction.reference_is),
            "meta_graph": reproduction.meta_graph,
            "inputs": list(reproduction.inputs),
            "outputs": list(reproduction.outputs),
            "signature": reproduction.signature_key,
            "tags": list(reproduction.tags),
            "moving_averages": reproduction.moving_averages,
            "imports": list(reproduction.imports),
            "op_libraries": list(reproduction.op_libraries),
        },
        "candidate": {
            "name": reproduction.candidate,
            "method": reproduction.method,
            "path": reproduction.path,
            "fingerprint": asdict(reproduction.candidate_is),
            "names": dict(reproduction.names),
        },
    }


def from_json(data: Mapping[str, Any]) -> Reproduction:
    """Return the reproduction that `as_json` wrote.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is something else.
    """
    reference, candidate = data["reference"], data["candidate"]
    rtol, seconds = data["tolerance"], float(data["example_seconds"])
    if not 0 < seconds < math.inf:
        raise ValueError(f"example_seconds is {seconds}")
    stage = Stage(data["stage"])
    if stage not in REPLAYED:
        raise ValueError(f"stage {stage} compares nothing")
    return Reproduction(
        model=_text(data["model"]),
        stage=stage,
        reason=_text(data["reason"]),
        reference=_text(reference["path"]),
        reference_is=Fingerprint(**reference["fingerprint"]),
        meta_graph=_text(reference["meta_graph"]),
        inputs=_texts(reference["inputs"]),
        outputs=_texts(reference["outputs"]),
        signature_key=None if reference["signature"] is None else _text(reference["signature"]),
        tags=_texts(reference["tags"]),
        moving_averages=bool(reference["moving_averages"]),
        imports=_texts(reference["imports"]),
        op_libraries=_texts(reference["op_libraries"]),
        candidate=_text(candidate["name"]),
        method=_text(candidate["method"]),
        path=_text(candidate["path"]),
        candidate_is=Fingerprint(**candidate["fingerprint"]),
        names={_text(old): _text(new) for old, new in candidate["names"].items()},
        tolerance=Exact() if rtol is None else Close(rtol=float(rtol)),
        example_seconds=seconds,
        versions=Versions(**data["versions"]),
        command=_text(data["command"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} should be a text")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} should be a list")
    return tuple(map(_text, value))
