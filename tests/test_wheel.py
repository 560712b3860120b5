"""TensorFlow comes as one of several wheels, or not at all."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys

import pytest

from harness.errors import BrokenModel, RequestError
from harness.wheel import require_tensorflow, startup_noise_kept_back, tensorflow_version


def test_where_there_is_no_tensorflow_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RequestError, match=r"pip install 'freezeproof\[cpu\]'"):
        require_tensorflow()


def test_where_there_is_tensorflow_its_log_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    require_tensorflow()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"


def test_the_log_level_of_the_user_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    require_tensorflow()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_the_version_is_that_of_whichever_wheel_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        importlib.metadata, "packages_distributions", lambda: {"tensorflow": ["tensorflow-cpu"]}
    )
    monkeypatch.setattr(importlib.metadata, "version", {"tensorflow-cpu": "2.15.1"}.__getitem__)
    assert tensorflow_version() == "2.15.1"


def test_without_a_wheel_the_version_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "packages_distributions", dict)
    assert tensorflow_version() == "unknown"


def write_to_descriptor_2(text: str) -> None:
    os.write(2, text.encode())


def fail_noisily(error: Exception) -> None:
    with startup_noise_kept_back():
        write_to_descriptor_2("the reason")
        raise error


def test_noise_is_kept_back(capfd: pytest.CaptureFixture[str]) -> None:
    with startup_noise_kept_back():
        write_to_descriptor_2("cpu_feature_guard")
    write_to_descriptor_2("after")
    assert capfd.readouterr().err == "after"


def test_what_was_said_before_a_crash_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_noisily(ZeroDivisionError())
    assert capfd.readouterr().err == "the reason"


def test_an_error_that_says_all_is_shown_without_noise(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BrokenModel):
        fail_noisily(BrokenModel("no such variable"))
    assert capfd.readouterr().err == ""


def test_a_process_without_a_standard_error_runs_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> int:
        raise OSError

    monkeypatch.setattr(os, "dup", fail)
    ran = False
    with startup_noise_kept_back():
        ran = True
    assert ran


def test_what_python_wrote_before_is_not_kept_back(capfd: pytest.CaptureFixture[str]) -> None:
    sys.stderr.write("before")
    with startup_noise_kept_back():
        pass
    assert capfd.readouterr().err == "before"
