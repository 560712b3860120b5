"""A command that names nothing ends in a line or two and exit code 4."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

Verify = Callable[..., pytest.RunResult]


def error_of(result: pytest.RunResult) -> str:
    """The message of a usage error, which must be short and no traceback."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in result.errlines if line.strip()]
    assert len(lines) <= 2, lines
    assert lines[0].startswith("ERROR: ")
    return lines[0].removeprefix("ERROR: ")


def test_a_path_that_does_not_exist_gives_the_nearest(verify: Verify, regression: Path) -> None:
    message = error_of(verify(checkpoint=regression.with_name("model.ckpt-6")))

    assert "no such checkpoint" in message
    assert "nearest: model.ckpt-60" in message


def test_a_checkpoint_without_its_graph(verify: Verify, regression: Path, tmp_path: Path) -> None:
    for file in regression.parent.glob(f"{regression.name}.[id]*"):
        shutil.copy(file, tmp_path)

    assert "--meta-graph" in error_of(verify(checkpoint=tmp_path / regression.name))


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--outputs=predictoin", "nearest: prediction"),
        ("--outputs=prediction:4", "has 1 output(s)"),
        ("--inputs=inpust", "nearest: inputs"),
        ("--export-methods=freezegraph", "nearest: freeze_graph"),
        ("--tolerance=1e-3", "close:RTOL"),
        ("--tolerance=close:-1", "close:RTOL"),
        ("--max-examples=none", "a number from 1"),
        ("--max-examples=0", "a number from 1"),
        ("--fail-on=warnings", "suspicious"),
        ("--frozen=nothing.pb", "no such file"),
        ("--input-spec=nothing.toml", "nothing.toml"),
    ],
)
def test_a_value_that_means_nothing(verify: Verify, argument: str, words: str) -> None:
    assert words in error_of(verify(argument))


def test_an_input_that_no_output_depends_on(verify: Verify) -> None:
    # The labels go into the loss, not into the prediction.
    message = error_of(verify("--inputs=inputs,labels", "--outputs=prediction"))

    assert "--inputs labels: the outputs do not depend on it; they depend on inputs" in message


def test_a_placeholder_that_is_needed_and_not_named(
    built: Callable[[str], Path], verify: Verify
) -> None:
    message = error_of(
        verify("--inputs=inputs", "--outputs=outputs", checkpoint=built("cond_v1-ref"))
    )

    assert "the outputs also need flag, a placeholder" in message


def test_an_input_spec_of_another_input(verify: Verify, tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text("[inputs.input]\nrange = [0, 1]\n")

    assert "nearest: inputs" in error_of(verify(f"--input-spec={path}"))


def test_frozen_without_a_reference(pytester: pytest.Pytester) -> None:
    message = error_of(pytester.runpytest_inprocess("--frozen=some.pb"))

    assert "--checkpoint" in message


def test_nothing_to_compare(verify: Verify) -> None:
    assert "--frozen" in error_of(verify(methods="none"))


def test_a_suffix_of_the_first_output_is_accepted(verify: Verify) -> None:
    verify("--inputs=inputs:0", "--outputs=prediction:0").assert_outcomes(passed=9)


def test_a_checkpoint_is_no_candidate(verify: Verify, regression: Path) -> None:
    assert "a checkpoint is no candidate" in error_of(verify(f"--frozen={regression}"))


def test_an_empty_folder_is_no_candidate(verify: Verify, tmp_path: Path) -> None:
    message = error_of(verify(f"--frozen={tmp_path}"))

    assert message.startswith(f"--frozen {tmp_path}: the folder holds no checkpoint")


@pytest.mark.parametrize(
    ("argument", "kind"),
    [("--signature=serving_default", "SavedModel"), ("--tags=serve", "SavedModel")],
)
def test_an_option_for_another_kind_of_model(verify: Verify, argument: str, kind: str) -> None:
    assert f"goes with a {kind}" in error_of(verify(argument))


def test_a_seed_that_is_no_number(verify: Verify) -> None:
    assert "--hypothesis-seed abc" in error_of(verify("--hypothesis-seed=abc"))


def test_a_report_that_has_no_place(verify: Verify, tmp_path: Path) -> None:
    assert "no file that can be written" in error_of(verify(f"--report-json={tmp_path}"))


def test_a_path_that_tensorflow_takes_for_a_pattern(
    verify: Verify, regression: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run[1]"
    folder.mkdir()
    for file in regression.parent.glob(f"{regression.name}.*"):
        shutil.copy(file, folder)

    assert "for a pattern" in error_of(verify(checkpoint=folder / regression.name))


def test_two_candidates_of_one_name(pytester: pytest.Pytester, regression: Path) -> None:
    pytester.makeconftest(
        f"""
        from pathlib import Path
        from harness import Candidate, Request, Subject

        def pytest_freezeproof_subjects(config):
            candidate = Candidate(name="frozen.pb", method="direct")
            request = Request(path=Path({str(regression)!r}))
            return [
                Subject(name="mine", locate=lambda: request, candidates=(candidate, candidate))
            ]
        """
    )

    message = error_of(pytester.runpytest_inprocess())

    assert "two candidates are called frozen.pb" in message
