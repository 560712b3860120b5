"""The exported .pb in OpenCV's `dnn`, which reads TensorFlow's graphs itself.

OpenCV 5 reads all of the graph but the cast from uint8, for which it is given a layer that passes
its input on: a blob of OpenCV is float32 from the start. OpenCV 4 gets the classes wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from harness import Request, assert_equivalent
from harness.domain import Domain

Array = np.ndarray[Any, Any]
Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]
Differences = Callable[[Request, Run, Array], dict[str, str]]

OUTPUTS = ("classes", "probabilities")


class _PassedOn:
    """A layer that gives what it gets."""

    def __init__(self, params: Mapping[str, Any], blobs: list[Array]) -> None:
        """Take what OpenCV hands to every layer."""

    def getMemoryShapes(self, inputs: list[Any]) -> list[Any]:  # noqa: N802 (OpenCV's name)
        return inputs

    def forward(self, inputs: list[Array]) -> list[Array]:
        return inputs


@pytest.fixture(scope="session")
def cv2(runtime: Callable[..., ModuleType]) -> Iterator[Any]:
    """OpenCV, with a layer for TensorFlow's Cast."""
    module: Any = runtime("cv2", at_least=5)
    module.dnn_registerLayer("Cast", _PassedOn)
    yield module
    module.dnn_unregisterLayer("Cast")


def _in_opencv(cv2: Any, frozen: Path, *, swap_channels: bool = False) -> Run:
    net = cv2.dnn.readNetFromTensorflow(str(frozen))

    def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
        # Channels come first in a blob. Where a graph has them last, OpenCV turns its layers round.
        blob = cv2.dnn.blobFromImages(list(feeds["image_tensor"]), swapRB=swap_channels)
        net.setInput(blob, "image_tensor")
        return dict(zip(OUTPUTS, net.forward(OUTPUTS), strict=True))

    return run


def test_new_pictures_get_the_classes_that_they_get_in_tensorflow(
    cv2: Any, exported: Path, reference: Request, pictures: Array, differences: Differences
) -> None:
    run = _in_opencv(cv2, exported)
    assert len(np.unique(run({"image_tensor": pictures})["classes"])) == 10
    assert differences(reference, run, pictures) == {}


def test_pictures_of_another_size_are_resized_as_in_tensorflow(
    cv2: Any, exported: Path, reference: Request, pictures: Array, differences: Differences
) -> None:
    run = _in_opencv(cv2, exported)
    assert differences(reference, run, pictures[:, 3:25, 2:19]) == {}
    assert differences(reference, run, pictures.repeat(2, axis=1).repeat(3, axis=2)) == {}


def test_it_computes_what_the_checkpoint_computes(
    cv2: Any, exported: Path, reference: Request, domains: dict[str, Domain]
) -> None:
    assert_equivalent(reference, _in_opencv(cv2, exported), domains=domains)


def test_channels_in_the_wrong_order_are_seen(
    cv2: Any, exported: Path, reference: Request, pictures: Array, differences: Differences
) -> None:
    run = _in_opencv(cv2, exported, swap_channels=True)
    assert "probabilities" in differences(reference, run, pictures)


def test_the_proof_sees_channels_in_the_wrong_order(
    cv2: Any, exported: Path, reference: Request, domains: dict[str, Domain]
) -> None:
    run = _in_opencv(cv2, exported, swap_channels=True)
    with pytest.raises(AssertionError, match="probabilities"):
        assert_equivalent(reference, run, domains=domains)


def test_an_earlier_checkpoint_is_told_apart(
    cv2: Any, exported: Path, stale: Request, pictures: Array, differences: Differences
) -> None:
    run = _in_opencv(cv2, exported)
    assert differences(stale, run, pictures).keys() == set(OUTPUTS)
