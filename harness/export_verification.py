"""The harness, run on an export before it is put in its place, in a process of its own.

The reference is the training checkpoint with the graph that was rebuilt, or its own: nothing of it
comes from the export. What was found is written beside the output folder, and stays there where the
export failed: the report, the graph of the reference, and what failed, to be replayed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import harness
from harness.errors import FreezeproofError, RequestError, listed
from harness.exporting.holding import LOCK, held, taken_over
from harness.exporting.layout import FROZEN_GRAPH, SAVED_MODEL, VERIFICATION
from harness.exporting.manifest import Verified
from harness.options import HANDING_OVER, REPORT_COPY, STAGED
from harness.report.json_text import read_report
from harness.subject import Request
from harness.verdict import ModelReport, Verdict

if TYPE_CHECKING:
    from harness.exporting.exporting import Written

_VERIFIED = (FROZEN_GRAPH, SAVED_MODEL)
_REPORT, _GRAPH, _FAILURES, _CONFIGURATION = "report.json", "graph.meta", "failures", "pytest.ini"
_OF_OTHER_TESTS = frozenset({"PYTEST_ADDOPTS", "PYTEST_PLUGINS"})
_START = (
    "import sys; sys.path.pop(0); sys.path.append(sys.argv.pop(1)); "
    "import runpy; runpy.run_module('pytest', run_name='__main__')"
)
"""Starts pytest; what lies in the current folder takes the place of no module."""
_OWN = frozenset({_REPORT, _GRAPH, _FAILURES, _CONFIGURATION, LOCK})


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


def remove_report(output: Path) -> None:
    """Remove what an earlier verification left, where none is running there.

    Raises:
        RequestError: one is.
    """
    folder = verification_folder(output)
    with taken_over(folder) as is_over:
        with _told_if_taken(folder, output):
            if (folder / LOCK).exists() and not is_over:
                raise FileExistsError
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _told_if_taken(folder: Path, output: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise RequestError(
            f"--output-dir {output}: another export to it is being verified, in {folder}: wait for "
            f"it, and export again"
        ) from error


def verify(
    written: Written,
    output: Path,
    *,
    said: Path | None = None,
    options: Sequence[str] = (),
    stdout: int | None = None,
) -> Verified:
    """Hold what was written against its reference, and leave the report in the export.

    `said` is what the user calls `output`. `options` are further ones of the plugin; `stdout` is
    the file descriptor that pytest writes to, by default our own.

    Raises:
        VerificationFailed: it differs, or nothing was compared; `verification_folder` tells why.
    """
    remove_report(output)
    folder = verification_folder(output)
    with _told_if_taken(folder, output):
        folder.mkdir(parents=True)
    is_of_use = False
    try:
        with held(folder):
            code, text = _report(written, folder, options, stdout)
            model = read_report(text).models[0] if text else None
            if code or model is None or not _is_good(model):
                is_of_use = bool(text)
                if is_of_use:
                    (folder / _REPORT).write_text(text, encoding="utf-8")
                    _say_urls(folder, written.request)
                place = said or output
                kept = verification_folder(place) / _REPORT if is_of_use else None
                raise VerificationFailed(f"{place}: not exported, since {_why(code, kept)}")
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        if not is_of_use:
            shutil.rmtree(folder, ignore_errors=True)
    text = written.request.said(text)
    (written.folder / VERIFICATION).write_text(text, encoding="utf-8")
    return Verified(
        verdict=str(model.verdict), proved=all(each.is_proved for each in model.candidates)
    )


def _is_good(model: ModelReport) -> bool:
    """Say whether both files were compared, and agree: no test that failed is not enough."""
    return model.verdict in {Verdict.EQUIVALENT, Verdict.SUSPICIOUS} and [
        candidate.verdict for candidate in model.candidates
    ] == [Verdict.EQUIVALENT] * len(_VERIFIED)


def _why(code: int, report: Path | None) -> str:
    if code < 0:
        killed = " (out of memory?)" if code == -signal.SIGKILL else ""
        return f"verification was ended by {signal.Signals(-code).name}{killed}"
    if report is None:
        return "verification failed; the output above says why"
    return f"verification {'failed' if code else 'did not compare it'}; the report is {report}"


def _report(
    written: Written, folder: Path, options: Sequence[str], stdout: int | None
) -> tuple[int, str]:
    """Return pytest's exit code and the report, "" where there is none that is whole."""
    # Not in the folder: what an earlier run left running may write there.
    path = written.folder.with_name(_REPORT)
    code = _run_pytest(written, folder, [*options, f"{REPORT_COPY}={path}"], stdout)
    is_whole = path.is_file() and code >= 0
    return code, path.read_text(encoding="utf-8") if is_whole else ""


def _run_pytest(written: Written, folder: Path, options: Sequence[str], stdout: int | None) -> int:
    (folder / _CONFIGURATION).write_text("[pytest]\n", encoding="utf-8")
    request = written.request
    if request.meta_graph is not None:
        shutil.copyfile(request.meta_graph, folder / _GRAPH)
        request = replace(request, meta_graph=folder / _GRAPH)
    command = [*_command(written.folder, request, folder), *options]
    environment = _environment(storage=written.folder.with_name("hypothesis"))
    done = subprocess.run(command, check=False, stdout=stdout, env=environment)  # noqa: S603 (our own)
    return done.returncode


def _say_urls(folder: Path, request: Request) -> None:
    """Put URLs in the place of copies in what was written: the copies are thrown away."""
    if request.copies:
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix in {".json", ".txt"}:
                path.write_text(request.said(path.read_text(encoding="utf-8")), encoding="utf-8")


def _environment(*, storage: Path) -> dict[str, str]:
    """Return the environment without what the user has configured for tests of his own.

    `storage` is a folder that is thrown away, for what would lie in the current one.
    """
    kept = {key: value for key, value in os.environ.items() if key not in _OF_OTHER_TESTS}
    return {
        **kept,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(storage),
    }


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
        "-c",
        _START,
        str(Path(harness.__file__).parents[1]),
        "-q",
        "-pharness.plugin",
        f"-p{HANDING_OVER}",
        f"-c{folder / _CONFIGURATION}",
        f"--rootdir={folder}",
        "--noconftest",
        "-pno:cacheprovider",
        f"--checkpoint={request.path}",
        *stated,
        "--export-methods=none",
        *(f"--frozen={export / name}" for name in _VERIFIED),
        STAGED,
        f"--repro-dir={folder / _FAILURES}",
    ]


def _option(flag: str, value: object) -> list[str]:
    return [f"{flag}={value}"] if value else []
