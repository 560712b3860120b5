"""The command `freezeproof verify`: what pytest is given, and what becomes of its answer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness import verify_command
from harness.cli import main
from harness.exporters.registry import load_method
from harness.models.opening import open_model
from harness.report.json_text import read_report
from harness.subject import Request

Built = Callable[[str], Path]


class Pytest:
    """In the place of pytest: notes what it is given, and ends as it is told."""

    def __init__(self) -> None:
        self.given: list[list[str]] = []
        self.code: int = pytest.ExitCode.TESTS_FAILED
        self.interrupts = 0

    def __call__(self, command: list[str], **_: Any) -> AbstractContextManager[Pytest]:
        assert command[:3] == [sys.executable, "-m", "pytest"]
        self.given.append(command[3:])
        return contextlib.nullcontext(self)

    def wait(self) -> int:
        if self.interrupts:
            self.interrupts -= 1
            raise KeyboardInterrupt
        return self.code


@pytest.fixture
def delegated(monkeypatch: pytest.MonkeyPatch) -> Pytest:
    stand_in = Pytest()
    monkeypatch.setattr(verify_command.subprocess, "Popen", stand_in)
    return stand_in


@pytest.fixture
def regression(built: Built) -> Path:
    return built("softmax_regression-resource")


@pytest.fixture
def right(regression: Path, tmp_path: Path) -> Path:
    """The model, frozen."""
    folder = tmp_path / "right"
    folder.mkdir()
    return load_method("direct").export(open_model(Request(path=regression)), folder).path


@pytest.fixture
def wrong(right: Path, tmp_path: Path) -> Path:
    """The model, frozen with another Softmax."""
    graph = GraphDef.FromString(right.read_bytes())
    (softmax,) = (node for node in graph.node if node.op == "Softmax")
    softmax.op = "LogSoftmax"
    path = tmp_path / "wrong.pb"
    path.write_bytes(graph.SerializeToString())
    return path


@pytest.fixture
def quick(regression: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Verify a small model in a process of its own: one method, few examples."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable, "-m", "harness.cli", "verify", regression, "--export-methods=direct",
            "--max-examples=3", "-p", "no:cacheprovider", *arguments,
        ]  # fmt: skip
        environment = {k: v for k, v in os.environ.items() if k != "PYTEST_ADDOPTS"}
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
        )

    return run


# ---- what pytest is given


def test_verify_is_pytest_with_a_checkpoint(delegated: Pytest) -> None:
    assert main(["verify", "runs/model.ckpt-7"]) == 1
    assert delegated.given == [["--checkpoint=runs/model.ckpt-7"]]


def test_options_after_the_path_go_to_pytest_as_they_stand(delegated: Pytest) -> None:
    rest = ["--frozen", "a.pb", "-k", "outputs", "-x", "--max-examples=5", "--version", "b.pb"]
    main(["verify", "model", *rest])
    assert delegated.given == [["--checkpoint=model", *rest]]


def test_options_of_the_plugin_may_stand_before_the_path(delegated: Pytest) -> None:
    before = ["--frozen", "a.pb", "--moving-averages", "--frozen=b.pb", "--outputs", "y"]
    main(["verify", *before, "model", "-x"])
    (given,) = delegated.given
    assert given[0] == "--checkpoint=model"
    assert set(given[1:-1]) == {
        "--frozen=a.pb", "--frozen=b.pb", "--moving-averages", "--outputs=y",
    }  # fmt: skip
    assert len(given) == 6
    assert given[-1] == "-x"


def test_pytest_ends_as_the_command_does(delegated: Pytest) -> None:
    for code in (0, 1, 2, 3, 4, 5):
        delegated.code = code
        assert main(["verify", "model"]) == code


def test_pytest_killed_is_told_as_a_shell_tells_it(delegated: Pytest) -> None:
    delegated.code = -signal.SIGKILL
    assert main(["verify", "model"]) == 137


def test_an_interrupt_waits_for_what_pytest_has_to_say(
    delegated: Pytest, capsys: pytest.CaptureFixture[str]
) -> None:
    delegated.interrupts, delegated.code = 2, pytest.ExitCode.INTERRUPTED
    assert main(["verify", "model"]) == 130
    assert delegated.interrupts == 0
    assert capsys.readouterr() == ("", "")


# ---- mistyped options


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("--frozn=a.pb", "--frozn: is --frozen meant?"),
        ("--output", "--output: is --outputs meant?"),
        ("--max-exmples", "--max-exmples: is --max-examples meant?"),
    ],
)
def test_what_looks_like_an_option_is_asked_for_where_pytest_knows_none(
    mistyped: str, meant: str, delegated: Pytest, capsys: pytest.CaptureFixture[str]
) -> None:
    delegated.code = pytest.ExitCode.USAGE_ERROR
    assert main(["verify", "model", mistyped, "a"]) == 4
    assert capsys.readouterr().err == f"freezeproof: {meant}\n"


@pytest.mark.parametrize(
    "given", ["--frozen=a.pb", "--maxfail=1", "--import-mode=importlib", "--report-log=a", "-x"]
)
def test_an_option_that_is_right_is_asked_of_nobody(
    given: str, delegated: Pytest, capsys: pytest.CaptureFixture[str]
) -> None:
    delegated.code = pytest.ExitCode.USAGE_ERROR
    main(["verify", "model", given])
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("delegated")
def test_options_are_asked_for_after_usage_errors_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["verify", "model", "--output=of_another_plugin"])
    assert capsys.readouterr().err == ""


# ---- JSON


@pytest.mark.parametrize("arguments", [["--json", "model", "-x"], ["model", "-x", "--json"]])
def test_json_may_be_asked_for_before_the_path_and_after(
    arguments: list[str], delegated: Pytest
) -> None:
    main(["verify", *arguments])
    (given,) = delegated.given
    assert given[:2] == ["-p", "harness.suite.handing_over"]
    assert given[3:] == ["--checkpoint=model", "-x"]


def test_the_report_is_all_that_is_on_standard_output(
    quick: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nfreezeproof_report_json = of_ini.json\n")
    ended = quick("--json", "-W", "error")
    assert ended.returncode == 0, ended.stderr
    (model,) = json.loads(ended.stdout)["models"]
    assert model["verdict"] == "equivalent"
    assert [candidate["name"] for candidate in model["candidates"]] == ["direct"]
    assert "test session starts" in ended.stderr
    assert (tmp_path / "of_ini.json").read_text() == ended.stdout


def test_a_report_for_the_user_is_written_beside_it(
    quick: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """In two processes, of which one writes it."""
    ended = quick("--json", "--report-json", "given.json", "-n", "2")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "given.json").read_text() == ended.stdout
    assert read_report(ended.stdout).models


def test_a_difference_is_in_the_report_and_can_be_replayed(
    quick: Callable[..., subprocess.CompletedProcess[str]], right: Path, wrong: Path, tmp_path: Path
) -> None:
    ended = quick("--json", f"--frozen={wrong}")
    assert ended.returncode == 1
    (model,) = json.loads(ended.stdout)["models"]
    assert (model["verdict"], model["stage"]) == ("different", "structure")
    (folder,) = (tmp_path / ".freezeproof").glob("*-outputs")
    for arguments, code, outcome in (
        ([], 1, "FAILED"),
        ([f"--candidate={right}"], 0, "FIXED"),
    ):
        command = [sys.executable, "-m", "harness.cli", "replay", "--json", folder, *arguments]
        again = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (again.returncode, json.loads(again.stdout)["outcome"]) == (code, outcome)


def test_a_usage_error_gives_no_report(
    quick: Callable[..., subprocess.CompletedProcess[str]], regression: Path
) -> None:
    ended = quick("--json", f"--frozen={regression}")
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "a checkpoint is no candidate" in ended.stderr


def test_without_json_nothing_is_kept_apart(
    quick: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    ended = quick()
    assert ended.returncode == 0
    assert "test session starts" in ended.stdout
    assert "report:" not in ended.stdout
    assert ended.stderr == ""
