"""The harness, run on an export before it is put in its place, in a process of its own.

The reference is the training checkpoint with the graph that was rebuilt, or its own: nothing of it
comes from the export. What was found is written beside the output folder, and stays there where the
export failed: the report, the graph of the reference, and what failed, to be replayed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from harness.errors import FreezeproofError, RequestError, listed
from harness.exporting.exporting import Written
from harness.exporting.layout import FROZEN_GRAPH, SAVED_MODEL, VERIFICATION
from harness.exporting.manifest import Verified
from harness.report.json_text import read_report
from harness.subject import Request

_REPORT, _GRAPH, _FAILURES, _CONFIGURATION = "report.json", "graph.meta", "failures", "pytest.ini"
_OWN = frozenset({_REPORT, _GRAPH, _FAILURES, _CONFIGURATION})


class VerificationFailed(FreezeproofError):
    """The export does not compute what its checkpoint computes, or nothing could be compared."""


def verification_folder(output: Path) -> Path:
    """Return where the report of an export to `output` is left if it fails."""
    return output.with_name(f"{output.name}.verification")


def check_verification_place(output: Path) -> None:
    """Make sure that the report has a place.

    Raises:
        RequestError: something else is there.
    """
    folder = verification_folder(output)
    if not folder.exists():
        return
    foreign = [folder.name]
    if folder.is_dir():
        foreign = sorted(entry.name for entry in folder.iterdir() if entry.name not in _OWN)
    if foreign:
        raise RequestError(
            f"--output-dir {output}: the report of its verification goes to {folder}, where "
            f"{listed(foreign)} is in the way: move it, or name another folder"
        )


def verify(
    written: Written, output: Path, *, options: Sequence[str] = (), stdout: IO[Any] | None = None
) -> Verified:
    """Hold what was written against its reference, and leave the report in the export.

    `options` are further ones of the plugin; `stdout` is where pytest writes, by default our own.

    Raises:
        VerificationFailed: it differs, or nothing was compared; `verification_folder` tells why.
    """
    folder = verification_folder(output)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / _CONFIGURATION).write_text("[pytest]\n", encoding="utf-8")
    request = written.request
    if request.meta_graph is not None:
        shutil.copyfile(request.meta_graph, folder / _GRAPH)
        request = replace(request, meta_graph=folder / _GRAPH)
    command = [*_command(written.folder, request, folder), *options]
    # Of what the user has configured for tests of his own, nothing belongs to this run.
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    done = subprocess.run(command, check=False, stdout=stdout, env=environment)  # noqa: S603 (our own)
    report = folder / _REPORT
    if done.returncode or not report.is_file():
        raise VerificationFailed(
            f"{output}: not exported, since verification failed; "
            + (f"the report is {report}" if report.is_file() else "the output above says why")
        )
    (model,) = read_report(report.read_text(encoding="utf-8")).models
    shutil.move(report, written.folder / VERIFICATION)
    shutil.rmtree(folder)
    return Verified(
        verdict=str(model.verdict),
        proved=bool(model.candidates) and all(c.is_proved for c in model.candidates),
    )


def _command(export: Path, request: Request, folder: Path) -> list[str]:
    stated = [
        *_option("--meta-graph", request.meta_graph),
        *_option("--inputs", ",".join(request.inputs)),
        *_option("--outputs", ",".join(request.outputs)),
        *_option("--signature", request.signature_key),
        *_option("--tags", ",".join(request.tags)),
        *(["--moving-averages"] if request.moving_averages else []),
    ]
    return [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        f"-c{folder / _CONFIGURATION}",
        f"--rootdir={folder}",
        "--noconftest",
        "-pno:cacheprovider",
        f"--checkpoint={request.path}",
        *stated,
        "--export-methods=none",
        f"--frozen={export / FROZEN_GRAPH}",
        f"--frozen={export / SAVED_MODEL}",
        f"--report-json={folder / _REPORT}",
        f"--repro-dir={folder / _FAILURES}",
    ]


def _option(flag: str, value: object) -> list[str]:
    return [f"{flag}={value}"] if value else []
