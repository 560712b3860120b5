"""Settings of the harness's own tests, and a compiler for op libraries."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A slow machine is no fault of the code under test.
settings.register_profile(
    "freezeproof-tests", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("freezeproof-tests")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """C source -> the library that it makes, built for the TensorFlow that is installed."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        missing = "an op library cannot be built: there is no C compiler (cc, gcc or clang)"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)

    def build(source: str) -> Path:
        import tensorflow as tf

        folder = tmp_path_factory.mktemp("op_library")
        (folder / "source.c").write_text(source)
        library = folder / "library.so"
        subprocess.run(
            [compiler, "-shared", "-fPIC", f"-I{tf.sysconfig.get_include()}", folder / "source.c",
             "-o", library, *tf.sysconfig.get_link_flags()],
            check=True,
        )  # fmt: skip
        return library

    return build


@pytest.fixture(scope="session")
def double_library(compiled: Callable[[str], Path]) -> Path:
    """A library with the op FreezeproofDouble, which a process that loads it never forgets."""
    return compiled((Path(__file__).parent / "op_library" / "double.c").read_text())
