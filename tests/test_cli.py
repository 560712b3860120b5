"""The `freezeproof` command, in front of pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import __version__
from harness.cli import main
from harness.exporters.registry import method_names
from harness.replaying import Outcome, Word


@pytest.fixture
def delegated(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that pytest is given; it answers each with exit code 1."""
    calls: list[list[str]] = []

    def run(command: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        assert not check
        assert command[:3] == [sys.executable, "-m", "pytest"]
        calls.append(command[3:])
        return subprocess.CompletedProcess(command, pytest.ExitCode.TESTS_FAILED)

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_methods_are_listed_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    assert capsys.readouterr().out.splitlines() == list(method_names())


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"freezeproof {__version__}\n"


def test_verify_is_pytest_with_a_checkpoint(delegated: list[list[str]]) -> None:
    assert main(["verify", "runs/model.ckpt-7"]) == 1
    assert delegated == [["--checkpoint=runs/model.ckpt-7"]]


def test_options_after_the_path_go_to_pytest_as_they_stand(delegated: list[list[str]]) -> None:
    rest = ["--frozen", "a.pb", "-k", "outputs", "-x", "--max-examples=5", "--version", "b.pb"]
    main(["verify", "model", *rest])
    assert delegated == [["--checkpoint=model", *rest]]


def test_replay_takes_a_folder_and_a_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path, Path | None]] = []

    def replay(folder: Path, *, candidate: Path | None) -> Outcome:
        asked.append((folder, candidate))
        return Outcome(word=Word.FAILED, reason="why")

    monkeypatch.setattr("harness.replay_command.replay", replay)
    assert main(["replay", "kept/a", "--candidate", "b.pb"]) == 1
    assert main(["replay", "kept/a"]) == 1
    assert asked == [(Path("kept/a"), Path("b.pb")), (Path("kept/a"), None)]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["verify"],
        ["verify", "--frozen", "a.pb", "model"],
        ["methods", "--frozen", "a.pb"],
        ["inspect"],
        ["inspect", "model", "--frozen", "a.pb"],
        ["replay"],
        ["replay", "a", "b"],
        ["replay", "--frozen", "a.pb"],
        ["prove", "model"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense_is_a_usage_error(
    arguments: list[str], delegated: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert capsys.readouterr().err.startswith("usage: freezeproof")
    assert delegated == []
