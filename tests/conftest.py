"""Settings of the harness's own tests, a compiler of op libraries, a TF2 SavedModel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, settings

from fixtures.control_flow import control_flow

# A slow machine is no fault of the code under test.
settings.register_profile(
    "freezeproof-tests", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("freezeproof-tests")


@pytest.fixture(autouse=True)
def _control_flow_is_put_back() -> Iterator[None]:
    """Which control flow TensorFlow builds holds for the process, and for the tests to come."""
    with control_flow(2 if tf.compat.v1.control_flow_v2_enabled() else 1):
        yield


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


class TwoLayers(tf.Module):
    """Two layers whose variables have one name and are told apart by their objects."""

    def __init__(self) -> None:
        super().__init__()
        self.first = tf.Variable(tf.random.stateless_normal((3, 4), (1, 2)), name="weights")
        self.second = tf.Variable(tf.random.stateless_normal((4, 2), (3, 4)), name="weights")

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")])
    def predict(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        hidden = tf.tanh(tf.matmul(x, self.first))
        return {"scores": tf.matmul(hidden, self.second), "hidden": hidden}

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")])
    def embed(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"embedding": tf.matmul(x, self.first)}


@pytest.fixture(scope="session")
def two_layers() -> TwoLayers:
    return TwoLayers()


@pytest.fixture(scope="session")
def saved_model(two_layers: TwoLayers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel with the signatures `serving_default` and `embed`."""
    folder = tmp_path_factory.mktemp("saved") / "two_layers"
    tf.saved_model.save(
        two_layers,
        str(folder),
        signatures={"serving_default": two_layers.predict, "embed": two_layers.embed},
    )
    return folder


@pytest.fixture(autouse=True, scope="session")
def _signals_that_end_processes() -> Iterator[None]:
    """Let Ctrl-C and a closed terminal end processes, also in a run in the background.

    A shell starts that with both ignored, and so would be every process that a test starts.
    """
    ends = {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}
    numbers = {name: getattr(signal, name) for name in ends if hasattr(signal, name)}
    ignored = [n for n, number in numbers.items() if signal.getsignal(number) is signal.SIG_IGN]
    for name in ignored:
        signal.signal(numbers[name], ends[name])
    yield
    for name in ignored:
        signal.signal(numbers[name], signal.SIG_IGN)
