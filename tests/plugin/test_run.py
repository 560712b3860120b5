"""`pytest --checkpoint PATH`, from an empty folder to the table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.exporters.registry import method_names

Verify = Callable[..., pytest.RunResult]


def names_of(result: pytest.RunResult) -> list[str]:
    """The ids of the suite's items in the output of a verbose run, in order."""
    return [
        match[1]
        for line in result.outlines
        if (match := re.match(r"freezeproof::(\S+) (?:PASSED|FAILED|SKIPPED)", line))
    ]


def test_a_checkpoint_alone_is_enough(verify: Verify) -> None:
    result = verify()

    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=9)


def test_every_method_is_tried_by_default(pytester: pytest.Pytester, regression: Path) -> None:
    result = pytester.runpytest_inprocess(
        f"--checkpoint={regression}", "--max-examples=3", "-v", "-k", "exported"
    )

    exported = [name for name in names_of(result) if "is_exported" in name]
    assert len(exported) == len(method_names())


def test_there_is_one_item_a_stage_and_candidate_with_readable_ids(verify: Verify) -> None:
    result = verify("-v", methods="direct,freeze_graph")

    name = "model.ckpt-60"
    assert names_of(result) == [
        f"test_reference_is_restored[{name}]",
        f"test_reference_can_be_frozen[{name}]",
        f"test_candidate_is_exported[{name}-direct]",
        f"test_candidate_is_reloaded[{name}-direct]",
        f"test_weights_are_the_references[{name}-direct]",
        f"test_structure_is_the_references[{name}-direct]",
        f"test_outputs_are_identical[{name}-direct]",
        f"test_deployed_outputs_agree[{name}-direct]",
        f"test_candidate_is_exported[{name}-freeze_graph]",
        f"test_candidate_is_reloaded[{name}-freeze_graph]",
        f"test_weights_are_the_references[{name}-freeze_graph]",
        f"test_structure_is_the_references[{name}-freeze_graph]",
        f"test_outputs_are_identical[{name}-freeze_graph]",
        f"test_deployed_outputs_agree[{name}-freeze_graph]",
        f"test_a_candidate_was_compared[{name}]",
    ]


def test_the_suite_runs_alone_in_a_folder_with_tests(
    pytester: pytest.Pytester, verify: Verify
) -> None:
    pytester.makepyfile("def test_of_the_user() -> None:\n    raise AssertionError\n")

    verify().assert_outcomes(passed=9)


def test_a_folder_without_a_model_runs_its_own_tests_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_of_the_user() -> None:\n    pass\n")

    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_one_item_is_run_by_the_id_that_is_printed(verify: Verify) -> None:
    result = verify("freezeproof::test_outputs_are_identical[model.ckpt-60-direct]")

    result.assert_outcomes(passed=1)


def test_settings_of_the_users_ini_do_not_hide_the_suite(
    pytester: pytest.Pytester, verify: Verify
) -> None:
    pytester.makeini(
        """
        [pytest]
        python_functions = check_*
        python_files = check_*.py
        filterwarnings = error
        addopts = --strict-markers
        """
    )

    verify().assert_outcomes(passed=9)


def test_options_may_stand_in_the_ini_file(pytester: pytest.Pytester, regression: Path) -> None:
    pytester.makeini(
        f"""
        [pytest]
        freezeproof_checkpoint = {regression}
        freezeproof_export_methods = direct
        freezeproof_max_examples = 5
        """
    )
    pytester.makepyfile("def test_of_the_user() -> None:\n    pass\n")

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(passed=10)
    result.stdout.fnmatch_lines(["*5 examples a stage*"])


def test_a_conftest_may_add_models(pytester: pytest.Pytester, regression: Path) -> None:
    pytester.makeconftest(
        f"""
        from pathlib import Path
        from harness import Request, Subject
        from harness.subject import candidates_of

        def pytest_freezeproof_subjects(config):
            return [
                Subject(
                    name="mine",
                    locate=lambda: Request(path=Path({str(regression)!r})),
                    candidates=candidates_of(["direct"], []),
                    max_examples=5,
                )
            ]
        """
    )

    result = pytester.runpytest_inprocess("-v")

    assert "test_outputs_are_identical[mine-direct]" in names_of(result)
    result.assert_outcomes(passed=9)


def test_several_checkpoints_are_several_models(verify: Verify, regression: Path) -> None:
    result = verify(f"--checkpoint={regression}", "-v")

    assert "test_reference_is_restored[model.ckpt-60#2]" in names_of(result)
    result.assert_outcomes(passed=18)


def test_feeds_are_the_same_in_every_run(verify: Verify, tmp_path: Path) -> None:
    reports = []
    for name in ("one.json", "two.json"):
        verify(f"--report-json={tmp_path / name}")
        report = json.loads((tmp_path / name).read_text())
        reports.append(report["models"][0]["candidates"][0])

    for key in ("examples", "rejected", "max_ulp", "max_abs", "max_rel"):
        assert reports[0][key] == reports[1][key]


def test_the_seed_is_hypothesis_own_option(verify: Verify) -> None:
    verify("--hypothesis-seed=7").stdout.fnmatch_lines(["*seed 7*"])


def test_nothing_but_caches_is_left_behind(pytester: pytest.Pytester, verify: Verify) -> None:
    verify()

    assert {path.name for path in pytester.path.iterdir()} <= {"__pycache__", ".hypothesis"}


def test_help_lists_every_option(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--help")

    for option in ("--checkpoint", "--meta-graph", "--frozen", "--inputs", "--outputs",
                   "--signature", "--tags", "--import=MODULE", "--op-library", "--export-methods",
                   "--max-examples", "--tolerance", "--input-spec",
                   "--moving-averages", "--fail-on", "--report-json"):  # fmt: skip
        result.stdout.fnmatch_lines([f"*{option}*"])
