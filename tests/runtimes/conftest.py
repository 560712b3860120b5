"""An exported captcha model, what TensorFlow computes with its checkpoint, and other runtimes.

The reference is the checkpoint of inference that the fixture saves: the exporter, which starts from
the checkpoint of training, has no part in it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fixtures.captchas import digits
from fixtures.catalogue import EARLY_STEP
from fixtures.models.captcha_cnn import inference_model, training_prefix
from fixtures.training import SEED
from harness import Close, Request, compare
from harness.domain import BATCH, Axis, Domain
from harness.exporting import export_inference_graph
from harness.models.opening import open_model
from harness.runtime import Mode, Runner

Array = np.ndarray[Any, Any]
Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]

TOLERANCE = Close(rtol=1e-4)
"""Of probabilities. OpenCV 5.0 was up to 1.4e-6 off, ONNX Runtime 1.31 up to 7e-7."""

IS_REQUIRED = os.environ.get("FREEZEPROOF_REQUIRE_RUNTIMES") == "1"
"""Set where a skip would mean that nothing was tested: the runtimes must be there then."""


@pytest.fixture(scope="session")
def runtime() -> Callable[..., ModuleType]:
    """The name of a module -> the module; the test is skipped where it is absent or too old.

    A module that is there and fails to import is no reason to skip.
    """

    def find(name: str, *, at_least: int = 0) -> ModuleType:
        if importlib.util.find_spec(name) is None:
            return _missing(f"{name} is not installed")
        # A warning in the import of another project is no fault of ours.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module(name)
        version = str(module.__version__)
        if int(version.split(".", maxsplit=1)[0]) < at_least:
            return _missing(f"{name} {version} is older than {at_least}")
        return module

    return find


def _missing(what: str) -> ModuleType:
    reason = f"{what}: pip install --group runtimes"
    if IS_REQUIRED:
        pytest.fail(f"{reason} (FREEZEPROOF_REQUIRE_RUNTIMES is set)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def reference(built: Callable[[str], Path]) -> Request:
    """The checkpoint of inference, after the last step."""
    return Request(
        path=built("captcha_cnn-resource"),
        inputs=("image_tensor",),
        outputs=("classes", "probabilities"),
    )


@pytest.fixture(scope="session")
def stale(reference: Request) -> Request:
    """The same model after a few steps."""
    return Request(
        path=reference.path.with_name(f"model.ckpt-{EARLY_STEP}"),
        inputs=reference.inputs,
        outputs=reference.outputs,
    )


@pytest.fixture(scope="session")
def exported(reference: Request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frozen graph that the exporter makes of the checkpoint of training."""
    folder = tmp_path_factory.mktemp("exported") / "captcha"
    export_inference_graph(
        "image_tensor",
        inference_model(),
        training_prefix(reference.path),
        folder,
        use_moving_averages=True,
    )
    return folder / "frozen_inference_graph.pb"


@pytest.fixture(scope="session")
def pictures() -> Array:
    """Digits that are in no training and in no other test."""
    return digits(200, SEED + 2)[0]


@pytest.fixture(scope="session")
def domains() -> dict[str, Domain]:
    """At least one picture: of none, TensorFlow makes an error and other runtimes no classes."""
    sizes = (1, 13, 28, 41)
    shape = (
        Axis(name=BATCH, sizes=(1, 2, 5)),
        Axis(name="height", sizes=sizes),
        Axis(name="width", sizes=sizes),
        3,
    )
    return {"image_tensor": Domain(shape=shape)}


@pytest.fixture(scope="session")
def differences() -> Callable[[Request, Run, Array], dict[str, str]]:
    """A checkpoint, another runtime, pictures -> by output how the runtime differs.

    Classes are compared picture by picture, probabilities within `TOLERANCE`.
    """

    def find(request: Request, run: Run, fed: Array) -> dict[str, str]:
        runner = Runner(open_model(request), mode=Mode.DEPLOYED)
        try:
            expected = runner({"image_tensor": fed})
        finally:
            runner.close()
        actual = run({"image_tensor": fed})
        assert expected.keys() == actual.keys() == {"classes", "probabilities"}
        found = {
            name: compare(expected[name], actual[name], criterion=TOLERANCE) for name in expected
        }
        return {name: str(difference) for name, difference in found.items() if difference}

    return find
