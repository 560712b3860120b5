"""Runs of pytest on a fixture model, in a folder of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

# A run of pytest inside this one forgets the modules that it imported first, and TensorFlow's
# extension modules crash the process when they are imported again.
import tensorflow as tf  # noqa: F401

Verify = Callable[..., pytest.RunResult]


@pytest.fixture
def regression(built: Callable[[str], Path]) -> Path:
    """The checkpoint prefix of a small trained model with resource variables."""
    return built("softmax_regression-resource")


@pytest.fixture
def verify(pytester: pytest.Pytester, regression: Path) -> Verify:
    """Run `pytest --checkpoint=PREFIX` in an empty folder, quickly: few methods, few examples."""

    def run(
        *arguments: str | Path, checkpoint: Path = regression, methods: str = "direct"
    ) -> pytest.RunResult:
        return pytester.runpytest_inprocess(
            f"--checkpoint={checkpoint}",
            f"--export-methods={methods}",
            "--max-examples=10",
            "-p",
            "no:cacheprovider",
            *arguments,
        )

    return run
