"""The command `freezeproof replay`: what it prints, and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness import replay_command
from harness.cli import main
from harness.errors import RequestError
from harness.replaying import Outcome, Word


@pytest.mark.parametrize(("word", "code"), [("FIXED", 0), ("FAILED", 1), ("ERROR", 2)])
def test_the_word_comes_first_and_is_the_exit_code(
    word: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome(word=Word(word), reason="outputs: why", notes=("candidate: a.pb", "note"))
    monkeypatch.setattr(replay_command, "replay", lambda *_, **__: outcome)
    assert main(["replay", "folder"]) == code
    assert capsys.readouterr().out.splitlines() == [word, "outputs: why", "candidate: a.pb", "note"]


def test_the_word_comes_first_whatever_a_method_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def talking(*_: Path, **__: Path | None) -> Outcome:
        print("Loaded meta graph file")
        return Outcome(word=Word.FIXED, reason="why")

    monkeypatch.setattr(replay_command, "replay", talking)
    main(["replay", "folder"])
    assert capsys.readouterr().out == "FIXED\nwhy\n"


def test_the_folder_and_the_candidate_are_those_of_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[Path, Path | None]] = []

    def replay(folder: Path, *, candidate: Path | None) -> Outcome:
        asked.append((folder, candidate))
        return Outcome(word=Word.FAILED, reason="why")

    monkeypatch.setattr(replay_command, "replay", replay)
    assert main(["replay", "kept/a", "--candidate", "b.pb"]) == 1
    assert main(["replay", "kept/a"]) == 1
    assert asked == [(Path("kept/a"), Path("b.pb")), (Path("kept/a"), None)]


@pytest.mark.parametrize(("word", "code"), [("FIXED", 0), ("FAILED", 1), ("ERROR", 2)])
def test_for_programs_the_outcome_is_one_object(
    word: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def talking(*_: Path, **__: Path | None) -> Outcome:
        print("Loaded meta graph file")
        return Outcome(word=Word(word), reason="outputs: why", notes=("candidate: a.pb",))

    monkeypatch.setattr(replay_command, "replay", talking)
    assert main(["replay", "folder", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1,
        "folder": "folder",
        "outcome": word,
        "reason": "outputs: why",
        "notes": ["candidate: a.pb"],
    }


def test_a_folder_that_is_not_there_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().out.startswith(
        f"ERROR\n{tmp_path / 'none'}: there is no such folder"
    )


def test_without_tensorflow_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        raise RequestError("TensorFlow is not installed: pip install …")

    monkeypatch.setattr(replay_command, "require_tensorflow", missing)
    assert main(["replay", "folder"]) == 2
    assert capsys.readouterr().out == "ERROR\nTensorFlow is not installed: pip install …\n"


def test_a_folder_that_cannot_be_read_costs_no_start_of_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys; from harness.cli import main; "
        f"main(['replay', {str(tmp_path)!r}]); print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "ERROR"
    assert done.stdout.splitlines()[-1] == "False"
