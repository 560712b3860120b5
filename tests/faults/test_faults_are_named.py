"""Every fault, in every fixture where it has a place, is named: verdict, stage and culprit.

`culprits.csv` says which stage fails first and which variable or node its reason must name. That
the culprit is what the fault did is held against the two graphs themselves, node by node.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorflow.core.framework import graph_pb2

from fixtures.catalogue import FIXTURES, Fixture
from fixtures.faults import FAULTS, NotApplicable
from fixtures.freezing import freeze_fixture, request_for
from harness.proof import Proof
from harness.subject import Candidate
from harness.verdict import CandidateReport, Stage, Verdict

Built = Callable[[str], Path]
Named = tuple[str, str]
"""The first stage that fails, and what its reason names."""

WEIGHTS_AND_STRUCTURE = {Stage.WEIGHTS, Stage.STRUCTURE}


def read_table() -> dict[tuple[str, str], Named]:
    """What each fault must end in, by fault and fixture."""
    with (Path(__file__).parent / "culprits.csv").open(encoding="utf-8", newline="") as file:
        return {
            (row["fault"], row["fixture"]): (row["stage"], row["culprit"])
            for row in csv.DictReader(file)
        }


CULPRITS = read_table()


def family(fixture: Fixture) -> str:
    return fixture.name.removesuffix("-ref").removesuffix("-resource")


def expected(fault: str, fixture: Fixture) -> Named | None:
    """The row of the fixture, or of both its kinds of variables."""
    return CULPRITS.get((fault, fixture.name), CULPRITS.get((fault, family(fixture))))


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_every_fault_ends_in_its_verdict_stage_and_culprit(
    fixture: Fixture, built: Built, tmp_path: Path
) -> None:
    prefix = built(fixture.name)
    frozen = freeze_fixture(fixture, prefix)
    proof = Proof(request_for(fixture, prefix), folder=tmp_path / "work")
    found: dict[str, Any] = {}
    stated: dict[str, Any] = {}
    for name, fault in FAULTS.items():
        try:
            broken = fault.apply(frozen)
        except NotApplicable:
            assert (name, fixture.name) not in CULPRITS
            continue
        report = report_on(broken, proof, tmp_path / f"{name}.pb")
        row = expected(name, fixture)
        assert row is not None, f"{name} in {fixture.name} has no row: {report.message}"
        stage, culprit = row
        stated[name] = (Verdict.DIFFERENT, stage, culprit)
        is_named = culprit in words(report.message) and culprit in changed(frozen.graph_def, broken)
        failed = str(report.failed.stage) if report.failed else ""
        found[name] = (report.verdict, failed, culprit if is_named else report.message)
    proof.close()

    assert found == stated
    assert found, "no fault was tried"


def report_on(broken: graph_pb2.GraphDef, proof: Proof, path: Path) -> CandidateReport:
    path.write_bytes(broken.SerializeToString())
    candidate = Candidate(name=path.name, method="file", path=path)
    results = [proof.export(candidate), proof.weights(candidate), proof.structure(candidate)]
    return CandidateReport(name=path.name, method="file", stages={r.stage: r for r in results})


def words(message: str) -> set[str]:
    """The words of a sentence, without what stands around names in it."""
    return {word.partition("[")[0].strip("():;,") for word in message.replace("'s", " ").split()}


def changed(right: graph_pb2.GraphDef, broken: graph_pb2.GraphDef) -> set[str]:
    """The names and ops of the nodes that two graphs do not have in common, and of those beside.

    Beside such a node are those that read it, and those that it reads, past Identity: an op that
    was left out is told by what it stood between, and by the variable that it read.
    """
    both = (right, broken)
    before, after = (dict(placed(graph)) for graph in both)
    own = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    own |= {
        (function, origin)
        for function, node in nodes_of(right)
        if (function, node.name) in own and node.op == "Identity"
        for origin in past_identity(right, node.input[0])
    }
    named = {name for _, name in own}
    found = set(named)
    for graph in both:
        for function, node in nodes_of(graph):
            reads = [read.lstrip("^").partition(":")[0] for read in node.input]
            if (function, node.name) in own:
                found |= {node.op, *reads}
                found.update(*(past_identity(graph, read) for read in reads))
            elif named.intersection(reads):
                found.add(node.name)
    return found | {f"{call}/{name}" for name in found for call in calls(right)}


def past_identity(graph: graph_pb2.GraphDef, tensor: str) -> list[str]:
    """The nodes on the way to what a tensor passes on, that one included."""
    nodes = {node.name: node for node in graph.node}
    way = [tensor.partition(":")[0]]
    while way[-1] in nodes and nodes[way[-1]].op in {"Identity", "Enter"}:
        way.append(nodes[way[-1]].input[0].partition(":")[0])
    return way


def placed(graph: graph_pb2.GraphDef) -> Iterator[tuple[tuple[str, str], bytes]]:
    for function, node in nodes_of(graph):
        yield (function, node.name), node.SerializeToString(deterministic=True)


def nodes_of(graph: graph_pb2.GraphDef) -> Iterator[tuple[str, Any]]:
    for node in graph.node:
        yield "", node
    for function in graph.library.function:
        for node in function.node_def:
            yield function.signature.name, node


def calls(graph: graph_pb2.GraphDef) -> set[str]:
    """The nodes in the place of which the body of a function may be told."""
    return {node.name for node in graph.node if any(v.func.name for v in node.attr.values())}


def test_every_row_of_the_table_is_of_a_fixture_and_a_fault() -> None:
    names = {fixture.name for fixture in FIXTURES} | {family(fixture) for fixture in FIXTURES}
    assert {fault for fault, _ in CULPRITS} == set(FAULTS)
    assert {fixture for _, fixture in CULPRITS} <= names
    assert {stage for stage, _ in CULPRITS.values()} <= {str(s) for s in WEIGHTS_AND_STRUCTURE}


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_a_graph_without_a_fault_is_the_references(
    fixture: Fixture, built: Built, tmp_path: Path
) -> None:
    prefix = built(fixture.name)
    proof = Proof(request_for(fixture, prefix), folder=tmp_path / "work")

    report = report_on(freeze_fixture(fixture, prefix).graph_def, proof, tmp_path / "right.pb")
    proof.close()

    assert report.failed is None
    assert not report.stages[Stage.STRUCTURE].transforms
