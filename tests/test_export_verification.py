"""An export is held against its reference in a process of its own, before it is in its place."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import export_verification
from harness.errors import RequestError
from harness.export_verification import (
    VerificationFailed,
    check_verification_place,
    remove_report,
    verification_folder,
    verify,
)
from harness.exporting.exporting import Written
from harness.exporting.holding import held
from harness.report.json_text import write_report
from harness.subject import Copy, Request
from harness.verdict import (
    CandidateReport,
    ModelFacts,
    ModelReport,
    Report,
    Stage,
    StageResult,
    Status,
)


class Pytest:
    """In the place of pytest: notes how it is run, writes a report, and ends as it is told."""

    def __init__(self) -> None:
        self.command: list[str] = []
        self.environment: dict[str, str] = {}
        self.code = 0
        self.report = ""
        self.error: BaseException | None = None
        self.seen: dict[str, str] = {}

    def __call__(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        self.command, self.environment = command, options["env"]
        folder = self.folder
        self.seen = {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
        if self.error is not None:
            raise self.error
        if self.report:
            self.place.write_text(self.report)
        return subprocess.CompletedProcess(command, self.code)

    @property
    def place(self) -> Path:
        """Where the report is wanted."""
        (option,) = (a for a in self.command if a.startswith("--freezeproof-report-copy="))
        return Path(option.partition("=")[2])

    @property
    def folder(self) -> Path:
        (configuration,) = (a[2:] for a in self.command if a.startswith("-c") and len(a) > 2)
        return Path(configuration).parent


def report(
    *,
    reference: str = "model.ckpt",
    proved: tuple[bool, ...] = (True, True),
    statuses: Sequence[Status] | None = None,
) -> str:
    """A report of candidates of which `proved` tells if they are; their outputs have `statuses`."""
    ends = [Status.PASSED for _ in proved] if statuses is None else statuses

    def candidate(number: int, status: Status) -> CandidateReport:
        proof = [Stage.WEIGHTS, Stage.STRUCTURE] if proved[number] else []
        results = {
            **{stage: StageResult(stage=stage, status=Status.PASSED) for stage in proof},
            **{s: StageResult(stage=s, status=status) for s in (Stage.OUTPUTS, Stage.DEPLOYED)},
        }
        return CandidateReport(name=f"candidate {number}", method="file", stages=results)

    model = ModelReport(
        name="model.ckpt",
        facts=ModelFacts(reference=reference, kind="checkpoint"),
        stages={Stage.RESTORE: StageResult(stage=Stage.RESTORE, status=Status.PASSED)},
        candidates=tuple(candidate(number, status) for number, status in enumerate(ends)),
    )
    return write_report(Report(freezeproof="1", tensorflow="2", python="3", models=(model,)))


@pytest.fixture
def delegated(monkeypatch: pytest.MonkeyPatch) -> Pytest:
    stand_in = Pytest()
    stand_in.report = report()
    monkeypatch.setattr(export_verification.subprocess, "run", stand_in)
    return stand_in


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "exports" / "model"


@pytest.fixture
def written(tmp_path: Path) -> Written:
    folder = tmp_path / "staged" / "export"
    folder.mkdir(parents=True)
    request = Request(path=tmp_path / "model.ckpt", inputs=("x",), outputs=("a", "b:1"))
    return Written(folder=folder, request=request)


def with_request(written: Written, **changes: Any) -> Written:
    return replace(written, request=replace(written.request, **changes))


def test_frozen_graph_and_saved_model_are_held_against_the_reference(
    delegated: Pytest, written: Written, output: Path
) -> None:
    verify(written, output)
    given = [argument for argument in delegated.command if argument.startswith("--")]
    folder = verification_folder(output)
    assert given == [
        f"--rootdir={folder}",
        "--noconftest",
        f"--checkpoint={written.request.path}",
        "--inputs=x",
        "--outputs=a,b:1",
        "--export-methods=none",
        f"--frozen={written.folder}/frozen_inference_graph.pb",
        f"--frozen={written.folder}/saved_model",
        "--freezeproof-staged",
        f"--repro-dir={folder}/failures",
        f"--freezeproof-report-copy={written.folder.parent}/report.json",
    ]


def test_what_the_user_says_of_the_model_is_said_again(
    delegated: Pytest, written: Written, output: Path, tmp_path: Path
) -> None:
    graph = tmp_path / "rebuilt.meta"
    graph.write_text("a graph")
    stated = with_request(
        written, meta_graph=graph, signature_key="serve", tags=("a", "b"), moving_averages=True
    )
    verify(stated, output, options=["--max-examples=5"])
    kept = verification_folder(output) / "graph.meta"
    assert {
        f"--meta-graph={kept}",
        "--signature=serve",
        "--tags=a,b",
        "--moving-averages",
        "--max-examples=5",
    } <= set(delegated.command)
    assert delegated.seen["graph.meta"] == "a graph"


@pytest.mark.parametrize(
    ("proved", "expected"),
    [((True, True), True), ((True, False), False), ((False, False), False)],
)
def test_proved_is_what_each_candidate_is(
    delegated: Pytest, written: Written, output: Path, proved: tuple[bool, ...], expected: bool
) -> None:
    delegated.report = report(proved=proved)
    assert verify(written, output).proved is expected


@pytest.mark.parametrize(
    "statuses",
    [
        [],
        [Status.PASSED],
        [Status.PASSED, Status.UNSUPPORTED],
        [Status.PASSED, Status.SKIPPED],
        [Status.PASSED, Status.FAILED],
    ],
)
def test_that_no_test_failed_is_not_enough(
    delegated: Pytest, written: Written, output: Path, statuses: list[Status]
) -> None:
    delegated.report = report(statuses=statuses)
    with pytest.raises(VerificationFailed, match=r"verification did not compare it; the report is"):
        verify(written, output)
    assert (verification_folder(output) / "report.json").is_file()


def test_the_report_goes_into_the_export_and_nothing_else_is_left(
    delegated: Pytest, written: Written, output: Path
) -> None:
    verified = verify(written, output)
    assert verified.verdict == "equivalent"
    assert (written.folder / "verification.json").read_text() == delegated.report
    assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "has_report", "why", "is_left"),
    [
        (1, True, "verification failed; the report is FOLDER/report.json", True),
        (4, False, "verification failed; the output above says why", False),
        (0, False, "verification failed; the output above says why", False),
        (-9, False, "verification was ended by SIGKILL (out of memory?)", False),
        (-11, True, "verification was ended by SIGSEGV", False),
    ],
)
def test_what_does_not_pass_is_kept_out(  # noqa: PLR0917
    delegated: Pytest,
    written: Written,
    output: Path,
    code: int,
    has_report: bool,
    why: str,
    is_left: bool,
) -> None:
    delegated.code = code
    delegated.report = report() if has_report else ""
    with pytest.raises(VerificationFailed) as caught:
        verify(written, output)
    folder = verification_folder(output)
    assert str(caught.value).replace(str(folder), "FOLDER") == (
        f"{output}: not exported, since {why}"
    )
    assert folder.exists() == is_left
    assert not (written.folder / "verification.json").exists()


def test_a_failure_is_told_by_the_name_that_the_user_gave(
    delegated: Pytest, written: Written, output: Path
) -> None:
    delegated.code = 1
    with pytest.raises(VerificationFailed) as caught:
        verify(written, output, said=Path("model"))
    assert str(caught.value) == (
        "model: not exported, since verification failed; the report is model.verification/"
        "report.json"
    )
    assert (verification_folder(output) / "report.json").is_file()


def test_one_export_is_verified_at_a_time(
    delegated: Pytest, written: Written, output: Path
) -> None:
    folder = verification_folder(output)
    folder.mkdir(parents=True)
    with held(folder), pytest.raises(RequestError, match="another export to it is being verified"):
        verify(written, output)
    assert not delegated.command
    verify(written, output)
    assert delegated.command


def test_what_an_export_that_failed_left_is_removed(output: Path) -> None:
    folder = verification_folder(output)
    folder.mkdir(parents=True)
    (folder / "report.json").write_text("{}")
    remove_report(output)
    assert not folder.exists()
    remove_report(output)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), OSError("no pytest")])
def test_an_end_in_between_leaves_nothing(
    delegated: Pytest, written: Written, output: Path, error: BaseException
) -> None:
    delegated.error = error
    with pytest.raises(type(error)):
        verify(written, output)
    assert not verification_folder(output).exists()


def test_what_an_earlier_one_left_is_replaced(
    delegated: Pytest, written: Written, output: Path
) -> None:
    failures = verification_folder(output) / "failures"
    failures.mkdir(parents=True)
    (failures / "old").write_text("")
    verify(written, output)
    assert set(delegated.seen) == {"pytest.ini", "lock"}
    assert not verification_folder(output).exists()


@pytest.mark.parametrize("code", [0, 1])
def test_a_copy_is_told_as_the_url(
    delegated: Pytest, written: Written, output: Path, tmp_path: Path, code: int
) -> None:
    copy = Copy(path=tmp_path / "model.ckpt", folder=tmp_path, url="gs://bucket")
    copied = with_request(written, copies=(copy,))
    delegated.report = report(reference=str(copy.path))
    delegated.code = code
    if code:
        with pytest.raises(VerificationFailed):
            verify(copied, output)
        text = (verification_folder(output) / "report.json").read_text()
    else:
        verify(copied, output)
        text = (written.folder / "verification.json").read_text()
    assert '"reference": "gs://bucket/model.ckpt"' in text
    # pytest itself reads the copy.
    assert f"--checkpoint={copy.path}" in delegated.command


def test_what_is_set_for_other_tests_is_not_handed_on(
    delegated: Pytest, written: Written, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--rubbish")
    monkeypatch.setenv("PYTEST_PLUGINS", "rubbish")
    monkeypatch.setenv("SOMETHING_ELSE", "is kept")
    verify(written, output)
    assert not {"PYTEST_ADDOPTS", "PYTEST_PLUGINS"} & set(delegated.environment)
    assert delegated.environment["SOMETHING_ELSE"] == "is kept"
    assert delegated.environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] == "1"
    # What hypothesis stores is thrown away with all else that is staged.
    storage = Path(delegated.environment["HYPOTHESIS_STORAGE_DIRECTORY"])
    assert storage.parent == written.folder.parent
    assert "PYTEST_ADDOPTS" in os.environ


def test_the_place_of_the_report_is_free_where_only_reports_were(output: Path) -> None:
    check_verification_place(output)
    folder = verification_folder(output)
    (folder / "failures").mkdir(parents=True)
    for name in ("report.json", "graph.meta", "pytest.ini"):
        (folder / name).write_text("")
    check_verification_place(output)


def test_the_place_of_the_report_is_not_free_where_anything_else_is(output: Path) -> None:
    folder = verification_folder(output)
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("")
    with pytest.raises(RequestError) as caught:
        check_verification_place(output)
    assert str(caught.value) == (
        f"--output-dir {output}: the report of its verification goes to {folder}, where notes.txt "
        "is in the way: move it, or name another folder"
    )


def test_the_place_of_the_report_may_be_a_file(output: Path) -> None:
    output.parent.mkdir()
    verification_folder(output).write_text("")
    with pytest.raises(RequestError, match=r"where model\.verification is in the way"):
        check_verification_place(output)
