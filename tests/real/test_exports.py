"""The graphs of real models are exported, and what is written is proved to be the same model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.real_cases import CASES, MARKS, read_tables
from harness.errors import RequestError, Unsupported
from harness.exporting.exporting import export_own_graph
from harness.proof import Proof
from harness.subject import Candidate, Request
from harness.verdict import Status

pytestmark = list(MARKS)

FILES = ("frozen_inference_graph.pb", "saved_model")
NOT_EXPORTED = {
    "variable off the output path": (RequestError, "no variable reaches the output"),
    "counter": (Unsupported, "writes counter"),
    "poets, retrained against optimized": (RequestError, "a frozen graph already"),
    "mobilenet, float against 8-bit weights": (RequestError, "a frozen graph already"),
    "string model": (RequestError, "no variable reaches the output"),
    "every dtype": (RequestError, "no variable reaches the output"),
    "every shape": (RequestError, "no variable reaches the output"),
    "transform graph with vocabularies": (Unsupported, "lookup tables"),
    "GRU with dropout baked in": (RequestError, "a frozen graph already"),
}


def cases() -> list[dict[str, Any]]:
    tables = read_tables()
    return [case for case in tables["case"] if case["verdict"] != "broken"] if tables else []


def request_of(case: dict[str, Any]) -> Request:
    meta_graph, tags = case.get("meta_graph"), case.get("tags", ())
    return Request(
        path=CASES / case["reference"],
        meta_graph=CASES / meta_graph if meta_graph else None,
        outputs=tuple(case["outputs"]) if case.get("named") else (),
        tags=(tags,) if isinstance(tags, str) else tuple(tags),
    )


def test_there_are_cases() -> None:
    assert len(cases()) > len(NOT_EXPORTED)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_a_real_model_is_exported_whole_or_refused_in_words(
    case: dict[str, Any], tmp_path: Path
) -> None:
    output = tmp_path / "exported"
    if case["name"] in NOT_EXPORTED:
        kind, words = NOT_EXPORTED[case["name"]]
        with pytest.raises(kind, match=words):
            export_own_graph(request_of(case), output)
        assert list(tmp_path.iterdir()) == []
        return
    export_own_graph(request_of(case), output)
    proof = Proof(request_of(case), folder=tmp_path / "proof")
    try:
        for name in FILES:
            candidate = Candidate(name=name, method="file", path=output / name)
            for result in (proof.weights(candidate), proof.structure(candidate)):
                assert (result.status, result.reason) == (Status.PASSED, "")
                assert result.transforms == ()
    finally:
        proof.close()
