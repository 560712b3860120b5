"""What the converters make of trained models has the normal form of the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.catalogue import find
from fixtures.freezing import request_for
from harness.errors import Unsupported
from harness.exporters.registry import load_method, method_names
from harness.graph.normal.form import normal_form
from harness.graph.normal.graph import NormalGraph
from harness.models.candidate import open_candidate
from harness.models.model import Model
from harness.models.opening import open_model
from tests.graph.normal.walking import difference

FIXTURES = ("sum_operation-ref", "partitioned-ref", "top_k-resource", "cond_v1-resource",
            "cond_control_flow_v2-resource", "embedding-resource")  # fmt: skip


def form_of(model: Model) -> NormalGraph:
    signature = model.signature
    return normal_form(
        model.graph_def, inputs=signature.input_names, outputs=signature.output_names
    )


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize("method", ["direct", "constants_v2"])
def test_an_export_has_the_form_of_the_model(
    name: str, method: str, built: Callable[[str], Path], tmp_path: Path
) -> None:
    model = open_model(request_for(find(name), built(name)))
    try:
        export = load_method(method).export(model, tmp_path)
    except Unsupported as reason:
        pytest.skip(str(reason))
    candidate = open_candidate(export.path, signature=model.signature, names=export.names)
    reference = form_of(model)
    assert not difference(reference, form_of(candidate))
    found = {node.variable for node in reference.nodes if node.variable}
    assert found == {variable.name for variable in model.variables}


def test_every_export_of_a_model_with_a_loop_has_its_form(
    built: Callable[[str], Path], tmp_path: Path
) -> None:
    name = "lstm_control_flow_v2-resource"
    model = open_model(request_for(find(name), built(name)))
    reference = form_of(model)
    compared = 0
    for method in method_names():
        folder = tmp_path / method
        folder.mkdir()
        try:
            export = load_method(method).export(model, folder)
        except Unsupported:
            continue
        candidate = open_candidate(export.path, signature=model.signature, names=export.names)
        assert not difference(reference, form_of(candidate)), method
        compared += 1
    assert compared >= 5
