"""Under `pytest -n 2`: one channel for the results, one worker for a model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("xdist")


@pytest.fixture(scope="module")
def distributed(
    built: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[str], dict[str, object]]:
    """The output and the report of a run of two models on two workers."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("distributed")
    report = folder / "report.json"
    command = [
        sys.executable, "-m", "pytest", "-n", "2", "-v", "--max-examples=5",
        f"--checkpoint={built('softmax_regression-resource')}",
        f"--checkpoint={built('unknown_rank-ref')}",
        "--export-methods=direct,freeze_graph,freeze_graph_graphdef",
        f"--report-json={report}",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines(), json.loads(report.read_text())


def test_a_model_is_kept_on_one_worker(distributed: tuple[list[str], dict[str, object]]) -> None:
    lines, _ = distributed
    workers: dict[str, set[str]] = {}
    for line in lines:
        match = re.match(r"\[(gw\d)\].*\[(model\.ckpt-\d+(?:#2)?)", line)
        if match:
            workers.setdefault(match[2], set()).add(match[1])

    assert len(workers) == 2
    assert all(len(used) == 1 for used in workers.values())


def test_the_report_holds_the_results_of_all_workers(
    distributed: tuple[list[str], dict[str, object]],
) -> None:
    _, report = distributed
    models = report["models"]

    assert isinstance(models, list)
    assert [model["verdict"] for model in models] == ["equivalent", "equivalent"]
    assert all(len(model["candidates"]) == 3 for model in models)


def test_the_table_is_printed_once(distributed: tuple[list[str], dict[str, object]]) -> None:
    lines, _ = distributed

    assert sum(" is equivalent" in line for line in lines) == 2


def test_a_random_seed_is_one_for_all_workers(
    pytester: pytest.Pytester, built: Callable[[str], Path]
) -> None:
    pytester.makeconftest(
        """
        from harness.suite.run import RUN

        def pytest_unconfigure(config):
            worker = getattr(config, "workerinput", {}).get("workerid", "controller")
            (config.rootpath / f"seed-{worker}").write_text(str(config.stash[RUN].seed))
        """
    )

    pytester.runpytest_subprocess(
        f"--checkpoint={built('softmax_regression-resource')}",
        "--export-methods=direct",
        "--max-examples=1",
        "--hypothesis-seed=random",
        "-n2",
    )

    seeds = {path.name: path.read_text() for path in pytester.path.glob("seed-*")}
    assert seeds.keys() == {"seed-controller", "seed-gw0", "seed-gw1"}
    assert len(set(seeds.values())) == 1
