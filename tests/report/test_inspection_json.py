"""What is known of a model, as an object for programs: all that the text says, and stable keys."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from harness import __version__
from harness.domain import Choices, Domain, Range
from harness.inspection.facts import LARGEST_GRAPH, Inspection
from harness.inspection.inspecting import inspect
from harness.report import inspection_json
from harness.report.inspection_json import write_inspection
from harness.report.inspection_text import render_inspection
from harness.subject import Copy, Request

Built = Callable[[str], Path]
KEYS = [
    "schema", "freezeproof", "path", "kind", "bytes_on_disk", "files", "graphs", "question",
    "fault", "graph", "signature", "inferred", "leads_to", "candidates", "placeholders", "cuts",
    "variables", "saved", "weights", "ops", "freezing", "drawn", "input_spec", "next",
]  # fmt: skip


@pytest.fixture
def small_cnn(built: Built) -> Request:
    return Request(path=built("small_cnn-ref"))


@pytest.fixture
def two_heads(tmp_path: Path) -> Request:
    """A frozen graph of which nobody can tell the output."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
        for name in ("first", "second"):
            tf.matmul(x, tf.ones((3, 2)), name=name)
    path = tmp_path / "two.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return Request(path=path)


@pytest.fixture
def two_graphs(tmp_path: Path) -> Request:
    """A SavedModel of two graphs, neither of which serves."""
    saved = SavedModel()
    for tag in ("one", "two"):
        meta = saved.meta_graphs.add()
        meta.meta_info_def.tags.append(tag)
        meta.graph_def.node.add(name="x", op="Placeholder")
    (tmp_path / "saved_model.pb").write_bytes(saved.SerializeToString())
    return Request(path=tmp_path)


@pytest.fixture(params=["small_cnn", "two_heads", "two_graphs", "saved_model"])
def request_of(request: pytest.FixtureRequest) -> Request:
    """Each kind of model, settled and not."""
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, Request) else Request(path=found)


def as_json(inspection: Inspection, request: Request, **rest: Any) -> dict[str, Any]:
    data = json.loads(write_inspection(inspection, request, **rest))
    assert isinstance(data, dict)
    return data


def keys_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            if key != "input_spec":  # whose keys are those of the file
                yield from keys_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys_in(item)


def test_the_keys_are_the_same_whatever_the_model_is(request_of: Request) -> None:
    assert sorted(as_json(inspect(request_of), request_of)) == sorted(KEYS)


def test_every_key_is_described(request_of: Request) -> None:
    described = set(re.findall(r"`(\w+)`", str(inspection_json.__doc__)))
    assert set(keys_in(as_json(inspect(request_of), request_of))) <= described


def test_every_name_and_number_of_the_text_is_in_the_object(request_of: Request) -> None:
    """Numbers are told apart from others by their commas."""
    inspection = inspect(request_of)
    text = render_inspection(inspection, request_of, width=200, color=False, everything=True)
    written = write_inspection(inspection, request_of)
    facts = inspection.graph
    names = set()
    if facts is not None:
        names |= {name for each in facts.candidates for name in each.names}
        names |= {v.name for v in facts.variables} | {t.spec.name for t in facts.placeholders}
        names |= {w.name for w in facts.weights} | {o.op for o in facts.ops}
    names |= {s.key for g in inspection.graphs for s in g.signatures}
    names |= {tag for g in inspection.graphs for tag in g.tags}
    assert names
    for name in names:
        assert name in text
        assert json.dumps(name) in written
    sums = set()  # which whoever reads the object can add up
    if facts is not None:
        for is_on_path in (True, False):
            sums.add(sum(v.bytes or 0 for v in facts.variables if v.is_on_path is is_on_path))
        sums.add(sum(weight.bytes for weight in facts.weights))
    for number in re.findall(r"\b\d{1,3}(?:,\d{3})+\b", text):
        value = int(number.replace(",", ""))
        assert value in sums or re.search(rf"\b{value}\b", written), number


def test_a_settled_model_is_told_in_full(small_cnn: Request) -> None:
    inspection = inspect(small_cnn)
    graph = inspection.graph
    assert graph is not None
    assert graph.signature is not None
    assert graph.freezing is not None
    data = as_json(inspection, small_cnn, files=[Path(__file__)])
    assert (data["schema"], data["freezeproof"]) == (1, __version__)
    assert (data["kind"], data["path"]) == ("checkpoint", str(small_cnn.path))
    assert data["files"] == [{"path": __file__, "bytes": Path(__file__).stat().st_size}]
    assert data["question"] is data["fault"] is None
    assert data["graph"]["nodes"] == graph.nodes
    assert data["signature"] == {
        side: [{"name": s.name, "dtype": s.dtype, "shape": list(s.shape or ())} for s in specs]
        for side, specs in (
            ("inputs", graph.signature.inputs),
            ("outputs", graph.signature.outputs),
        )
    }
    assert data["inferred"] == {"inputs": True, "outputs": True}
    assert data["leads_to"] == "outputs"
    assert data["freezing"]["bytes"] == graph.freezing.bytes
    assert data["freezing"]["is_frozen"] is False
    lists = ("candidates", "placeholders", "cuts", "variables", "weights", "ops")
    assert [len(data[key]) for key in lists] == [len(getattr(graph, key)) for key in lists]
    first, best = data["candidates"][0], graph.candidates[0]
    assert first["names"] == list(best.names)
    assert (first["score"], first["reasons"]) == (best.score, list(best.reasons))
    assert first["taken"] is True
    for shown, variable in zip(data["variables"], graph.variables, strict=True):
        assert (shown["name"], shown["key"]) == (variable.name, variable.key)
        assert (shown["saved"], shown["on_path"]) == (variable.is_saved, variable.is_on_path)
    assert data["placeholders"][0]["role"] == "input"
    assert data["ops"][0]["on_path"] == graph.ops[0].on_path


def test_a_choice_is_a_question_with_its_candidates(two_heads: Request) -> None:
    data = as_json(inspect(two_heads), two_heads)
    assert data["question"] == "outputs"
    assert data["signature"] is data["inferred"] is data["freezing"] is data["drawn"] is None
    assert data["input_spec"] is None
    assert [candidate["names"] for candidate in data["candidates"]] == [["first"], ["second"]]


def test_graphs_to_choose_among_are_told_by_their_tags(two_graphs: Request) -> None:
    data = as_json(inspect(two_graphs), two_graphs)
    assert data["question"] == "tags"
    assert [(g["tags"], g["taken"]) for g in data["graphs"]] == [(["one"], False), (["two"], False)]
    assert data["graph"] is data["saved"] is None
    assert data["variables"] == []


def test_signatures_are_told_with_the_one_that_is_taken(saved_model: Path) -> None:
    request = Request(path=saved_model)
    data = as_json(inspect(request), request)
    taken = {s["key"]: s["taken"] for g in data["graphs"] for s in g["signatures"]}
    assert taken["serving_default"] is True
    assert taken["embed"] is False


@pytest.mark.parametrize("options", [{}, {"inputs": ("a b",), "tags": ("t",)}], ids=str)
def test_what_comes_next_is_what_the_text_ends_in(
    request_of: Request, options: dict[str, Any]
) -> None:
    inspection, request = inspect(request_of), replace(request_of, **options)
    other = [("--import", "ops")]
    text = render_inspection(
        inspection, request, width=80, color=False, everything=False, other_options=other
    )
    said = as_json(inspection, request, other_options=other)["next"]
    assert said == shlex.split(text.splitlines()[-1])


def test_moving_averages_come_along(small_cnn: Request) -> None:
    inspection = inspect(small_cnn)
    averages = replace(small_cnn, moving_averages=True)
    assert as_json(inspection, averages)["next"][-1] == "--moving-averages"


def test_a_fault_is_told_and_leads_nowhere(small_cnn: Request) -> None:
    broken = replace(inspect(small_cnn), fault="a file is missing", fault_is_of_request=True)
    data = as_json(broken, small_cnn)
    assert data["fault"] == {"message": "a file is missing", "is_of_request": True}
    assert data["next"] is data["drawn"] is data["input_spec"] is None


@pytest.mark.parametrize("what", [{"obstacle": "a table"}, {"graph_bytes": LARGEST_GRAPH}], ids=str)
def test_what_stands_in_the_way_of_freezing_is_told(
    what: dict[str, Any], small_cnn: Request
) -> None:
    inspection = inspect(small_cnn)
    assert inspection.graph is not None
    assert inspection.graph.freezing is not None
    freezing = replace(inspection.graph.freezing, **what)
    graph = replace(inspection.graph, freezing=freezing)
    data = as_json(replace(inspection, graph=graph), small_cnn)
    assert data["freezing"]["obstacle"] == what.get("obstacle")
    assert data["freezing"]["is_too_large"] is ("graph_bytes" in what)
    assert (data["next"] is None) is ("obstacle" in what)


def test_what_inputs_accept_is_told_as_in_an_input_spec(small_cnn: Request) -> None:
    inspection = inspect(small_cnn)
    assert inspection.graph is not None
    assert inspection.graph.signature is not None
    (name,) = inspection.graph.signature.input_names
    domain = replace(inspection.domains[name], values=Range(low=-1.0, high=float("inf")))
    data = as_json(replace(inspection, domains={name: domain}), small_cnn)
    assert data["input_spec"]["inputs"][name]["range"] == [-1.0, "inf"]
    assert data["input_spec"]["axes"].keys() == {"batch", "height", "width"}
    (drawn,) = data["drawn"]
    assert (drawn["name"], drawn["values"]) == (name, "-1.0 to inf")


def test_text_of_no_encoding_comes_through(small_cnn: Request) -> None:
    inspection = inspect(small_cnn)
    assert inspection.graph is not None
    assert inspection.graph.signature is not None
    (name,) = inspection.graph.signature.input_names
    domains = {name: Domain(values=Choices(values=(b"\xff", 'quo"te\n')))}
    data = as_json(replace(inspection, domains=domains), small_cnn)
    assert data["input_spec"]["inputs"][name]["choices"] == [{"hex": "ff"}, 'quo"te\n']


def test_copies_are_told_as_the_urls_that_they_came_from(small_cnn: Request) -> None:
    folder = small_cnn.path.parent
    copy = Copy(path=small_cnn.path, folder=folder, url='gs://bucket/"quoted"')
    copied = replace(small_cnn, copies=(copy,))
    data = as_json(inspect(small_cnn), copied)
    assert data["path"] == f'gs://bucket/"quoted"/{small_cnn.path.name}'
    assert data["next"] == ["pytest", f"--checkpoint={data['path']}"]
