"""The exported .pb in ONNX Runtime, converted by tf2onnx."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tensorflow.core.framework import graph_pb2

from harness import Request, assert_equivalent
from harness.domain import Domain

Array = np.ndarray[Any, Any]
Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]
Differences = Callable[[Request, Run, Array], dict[str, str]]

OUTPUTS = ("classes", "probabilities")


@pytest.fixture(scope="session")
def in_onnx_runtime(runtime: Callable[..., ModuleType], request: pytest.FixtureRequest) -> Run:
    """The exported graph, converted."""
    onnxruntime: Any = runtime("onnxruntime")
    converter: Any = runtime("tf2onnx")
    exported: Path = request.getfixturevalue("exported")
    graph_def = graph_pb2.GraphDef.FromString(exported.read_bytes())
    model, _ = converter.convert.from_graph_def(
        graph_def,
        input_names=["image_tensor:0"],
        output_names=[f"{name}:0" for name in OUTPUTS],
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )

    def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
        values = session.run(
            [f"{name}:0" for name in OUTPUTS], {"image_tensor:0": feeds["image_tensor"]}
        )
        return dict(zip(OUTPUTS, values, strict=True))

    return run


def test_new_pictures_get_the_classes_that_they_get_in_tensorflow(
    in_onnx_runtime: Run, reference: Request, pictures: Array, differences: Differences
) -> None:
    assert len(np.unique(in_onnx_runtime({"image_tensor": pictures})["classes"])) == 10
    assert differences(reference, in_onnx_runtime, pictures) == {}


def test_pictures_of_another_size_are_resized_as_in_tensorflow(
    in_onnx_runtime: Run, reference: Request, pictures: Array, differences: Differences
) -> None:
    assert differences(reference, in_onnx_runtime, pictures[:, 3:25, 2:19]) == {}
    larger = pictures.repeat(2, axis=1).repeat(3, axis=2)
    assert differences(reference, in_onnx_runtime, larger) == {}


def test_it_computes_what_the_checkpoint_computes(
    in_onnx_runtime: Run, reference: Request, domains: dict[str, Domain]
) -> None:
    assert_equivalent(reference, in_onnx_runtime, domains=domains)


def test_channels_in_the_wrong_order_are_seen(
    in_onnx_runtime: Run, reference: Request, pictures: Array, differences: Differences
) -> None:
    def run(feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        return in_onnx_runtime({"image_tensor": feeds["image_tensor"][..., ::-1]})

    assert "probabilities" in differences(reference, run, pictures)


def test_an_earlier_checkpoint_is_told_apart(
    in_onnx_runtime: Run, stale: Request, pictures: Array, differences: Differences
) -> None:
    assert differences(stale, in_onnx_runtime, pictures).keys() == set(OUTPUTS)
