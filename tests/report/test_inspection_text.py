"""What is known of a model, as text that somebody can read and copy from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.domain import Axis, Choices, Domain, Range
from harness.inspection.facts import (
    LARGEST_GRAPH,
    CandidateOutput,
    FedTensor,
    Freezing,
    GraphFacts,
    HeldVariable,
    Inspection,
    OpCount,
    Role,
    ServedSignature,
    TaggedGraph,
    Weight,
)
from harness.report.inspection_text import render_inspection
from harness.signature import Shape, Signature, TensorSpec
from harness.subject import Copy, Request
from harness.verdict import ModelWarning


def spec(name: str, shape: Shape | None = (None, 3), dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def variable(name: str, **rest: Any) -> HeldVariable:
    known: dict[str, Any] = {
        "dtype": "float32", "shape": (2,), "bytes": 8, "key": name, "part": "",
        "file": "data-00000-of-00001", "is_saved": True, "is_on_path": True,
    }  # fmt: skip
    return HeldVariable(name=name, **{**known, **rest})


def candidate(name: str, score: int = 9, *, is_taken: bool = False) -> CandidateOutput:
    reasons = (f"reason for {score}",)
    return CandidateOutput(
        op="MatMul",
        names=(name,),
        tensors=(spec(name),),
        score=score,
        reasons=reasons,
        is_taken=is_taken,
    )


FREEZING = Freezing(
    is_frozen=False,
    variables=1,
    weight_bytes=8,
    graph_bytes=100,
    obstacle="",
    warnings=(),
    random_ops=(),
)
GRAPH = GraphFacts(
    producer=1395,
    has_legacy_shapes=False,
    nodes=1200,
    functions=1,
    signature=Signature(inputs=(spec("x"),), outputs=(spec("y", (None,)),)),
    inputs_inferred=True,
    outputs_inferred=False,
    leads_to="outputs",
    candidates=(candidate("y", is_taken=True),),
    placeholders=(FedTensor(spec=spec("x"), op="Placeholder", role=Role.INPUT),),
    cuts=(),
    variables=(variable("w"),),
    saved_tensors=2,
    saved_bytes=16,
    weights=(),
    ops=(OpCount(op="MatMul", on_path=1, in_graph=3),),
    freezing=FREEZING,
    operations=(),
)
UNSETTLED = replace(GRAPH, signature=None, freezing=None, leads_to="candidates")


def inspection(graph: GraphFacts | None = GRAPH, **rest: Any) -> Inspection:
    known: dict[str, Any] = {
        "path": Path("runs/model"), "kind": "checkpoint", "bytes_on_disk": 12345, "graphs": (),
        "question": "", "fault": "", "fault_is_of_request": False,
    }  # fmt: skip
    return Inspection(graph=graph, **{**known, **rest})


def shown(
    what: Inspection,
    *,
    width: int = 100,
    everything: bool = False,
    color: bool = False,
    **request: Any,
) -> str:
    asked = Request(**{"path": Path("runs/model"), **request})
    return render_inspection(what, asked, width=width, color=color, everything=everything)


def section(text: str, heading: str) -> list[str]:
    """The lines of the section whose heading begins so."""
    for part in text.split("\n\n"):
        if part.startswith(heading):
            return part.splitlines()
    raise AssertionError(f"no section {heading} in:\n{text}")


def test_sections_stand_in_the_order_of_the_questions() -> None:
    headings = [part.splitlines()[0] for part in shown(inspection()).split("\n\n")]
    assert headings == [
        "checkpoint runs/model",
        "Inputs (inferred)",
        "Outputs",
        "Candidate outputs: 1, the best first",
        "Placeholders: 1",
        "Variables: 1",
        "Ops: 1",
        "Frozen",
    ]


def test_the_graph_is_told_by_its_size_and_version() -> None:
    assert section(shown(inspection()), "checkpoint")[1:] == [
        "  1,200 nodes, 1 library function, 12,345 bytes on disk, producer version 1395"
    ]


def test_an_old_graph_is_told_to_know_no_scalars() -> None:
    old = replace(GRAPH, producer=21, has_legacy_shapes=True)
    assert "a placeholder's shape [] means unknown" in shown(inspection(old))
    assert "means unknown" not in shown(inspection())


def test_inputs_and_outputs_are_told_as_they_are_taken() -> None:
    text = shown(inspection())
    assert section(text, "Inputs (inferred)")[2].split() == ["x", "float32", "[?,", "3]"]
    assert section(text, "Outputs")[2].split() == ["y", "float32", "[?]"]


def test_a_model_without_inputs_says_so() -> None:
    none = replace(GRAPH, signature=Signature(inputs=(), outputs=(spec("y"),)))
    assert section(shown(inspection(none)), "Inputs")[1:] == ["  none"]


# What is drawn


def test_what_the_inputs_would_be_fed_is_told_beneath_them() -> None:
    signature = Signature(inputs=(spec("ids", dtype="int32"), spec("x")), outputs=(spec("y"),))
    batch = Axis(name="batch", sizes=tuple(range(9)))
    domains = {
        "ids": Domain(shape=(batch, 3), values=Range(low=0, high=49), read_from="lookup"),
        "x": Domain(),
    }
    text = shown(inspection(replace(GRAPH, signature=signature), domains=domains))
    assert section(text, "Drawn: what the inputs would be fed")[1:] == [
        "  name  values   shape       sizes       read from",
        "  ids   0 to 49  [batch, 3]  batch 0..8  lookup",
        "  x     any      [...]",
    ]
    assert text.index("\nOutputs") < text.index("\nDrawn") < text.index("\nCandidate outputs")


def test_values_of_many_words_are_cut_short() -> None:
    domains = {"x": Domain(values=Choices(values=tuple(range(100))))}
    text = shown(inspection(domains=domains))
    assert "  one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15…  " in text
    whole = shown(inspection(domains=domains), width=1000, everything=True)
    assert "98, 99 " in whole


def test_nothing_is_said_of_what_is_fed_to_a_model_that_cannot_be_used() -> None:
    assert "Drawn" not in shown(inspection(fault="a file is missing"))


# Candidates


def test_candidates_are_options_to_copy_below_their_reasons() -> None:
    several = replace(
        UNSETTLED, candidates=(candidate("a"), candidate("scope/b"), candidate("c", 2))
    )
    assert section(shown(inspection(several, question="outputs")), "Candidate outputs")[1:] == [
        "  score 9: reason for 9",
        "    --outputs=a        float32 [?, 3]",
        "    --outputs=scope/b  float32 [?, 3]",
        "  score 2: reason for 2",
        "    --outputs=c  float32 [?, 3]",
    ]


def test_the_candidate_that_is_taken_is_marked() -> None:
    assert "    --outputs=y  taken  float32 [?, 3]" in shown(inspection()).splitlines()


def test_a_candidate_of_several_tensors_is_one_option() -> None:
    tensors = (spec("top"), spec("top:1", None, "int32"))
    both = replace(candidate("top"), names=("top", "top:1"), tensors=tensors)
    text = shown(inspection(replace(GRAPH, candidates=(both,))))
    assert "--outputs=top,top:1  float32 [?, 3], int32 [...]" in text


def test_a_candidate_of_an_unknown_op_is_told_by_its_op() -> None:
    odd = replace(candidate("odd"), op="Odd", tensors=())
    text = shown(inspection(replace(GRAPH, candidates=(odd,))))
    assert "    --outputs=odd  op Odd" in text.splitlines()


def test_the_best_candidates_are_shown_and_the_others_counted() -> None:
    many = replace(GRAPH, candidates=tuple(candidate(f"c{n}") for n in range(11)))
    lines = section(shown(inspection(many)), "Candidate outputs: 11")
    assert sum("--outputs=" in line for line in lines) == 8
    assert lines[-1] == "  and 3 more (--all lists them)"
    assert shown(inspection(many), everything=True).count("--outputs=") == 11


def test_names_that_a_shell_takes_apart_are_quoted() -> None:
    odd = replace(GRAPH, candidates=(candidate("a>b"),))
    assert "'--outputs=a>b'" in shown(inspection(odd))


def test_no_candidate_is_no_list() -> None:
    none = replace(UNSETTLED, candidates=(), leads_to="")
    text = shown(inspection(none, question="outputs"))
    assert section(text, "Candidate outputs") == ["Candidate outputs: no node looks like one"]
    assert "--ops-csv=FILE lists the nodes" in " ".join(text.split())


# Choices


def test_outputs_that_cannot_be_told_are_asked_for() -> None:
    text = shown(inspection(UNSETTLED, question="outputs"))
    assert "the outputs cannot be told from the graph" in text
    assert section(text, "Frozen")[-1] == "  freezeproof inspect runs/model --outputs=NAMES"


def served(key: str, *, is_taken: bool = False, **rest: Any) -> ServedSignature:
    known = {"inputs": (spec(f"{key}_x"),), "outputs": (spec(f"{key}_y"),)}
    return ServedSignature(key=key, is_taken=is_taken, **{**known, **rest})


def saved_model(*signatures: ServedSignature, graph: GraphFacts | None, **rest: Any) -> Inspection:
    graphs = (TaggedGraph(tags=("serve", "gpu"), signatures=signatures, is_taken=True),)
    return inspection(graph, kind="saved_model", **{"graphs": graphs, **rest})


def test_signatures_are_options_to_copy_with_their_tensors() -> None:
    text = shown(saved_model(served("a"), served("b", is_taken=True), graph=GRAPH))
    assert section(text, "Graph") == [
        "Graph --tags=serve,gpu  taken",
        "  --signature=a",
        "      input   a_x float32 [?, 3]",
        "      output  a_y float32 [?, 3]",
        "  --signature=b  taken",
        "      input   b_x float32 [?, 3]",
        "      output  b_y float32 [?, 3]",
    ]


def test_a_signature_of_many_tensors_is_cut_short() -> None:
    wide = served("a", inputs=tuple(spec(f"x{n}") for n in range(10)))
    what = saved_model(wide, graph=GRAPH)
    lines = section(shown(what), "Graph")
    assert sum("input " in line for line in lines) == 8
    assert "      and 2 more (--all lists them)" in lines
    assert "x9 float32" in shown(what, everything=True)


def test_one_of_several_signatures_is_asked_for() -> None:
    unsettled = replace(UNSETTLED, leads_to="signatures")
    text = shown(saved_model(served("a"), served("b"), graph=unsettled, question="signature"))
    assert "choose one with --signature=KEY" in text
    assert "as any signature's outputs need them" in section(text, "Placeholders")[0]
    assert section(text, "Frozen")[-1] == "  freezeproof inspect runs/model --signature=KEY"


def test_one_of_several_graphs_is_asked_for() -> None:
    graphs = tuple(
        TaggedGraph(tags=(tag,) if tag else (), signatures=(), is_taken=False)
        for tag in ("train", "")
    )
    text = shown(inspection(None, kind="saved_model", graphs=graphs, question="tags"))
    assert section(text, "Graph --tags=train") == ["Graph --tags=train", "  no signature"]
    assert "Graph without tags" in text
    assert section(text, "Frozen")[-1] == "  freezeproof inspect runs/model --tags=TAGS"


# What is fed


@pytest.mark.parametrize(
    ("role", "said"),
    [
        (Role.INPUT, "input"),
        (Role.LABEL, "label"),
        (Role.KEEPS_DEFAULT, "default kept"),
        (Role.NOT_NEEDED, "not needed"),
        (Role.UNUSED, "no output needs"),
        (Role.UNFED, "nothing feeds it"),
        (None, "[?, 3]"),
    ],
    ids=str,
)
def test_a_placeholder_is_told_by_what_it_is(role: Role | None, said: str) -> None:
    fed = FedTensor(spec=spec("p"), op="PlaceholderWithDefault", role=role)
    (line,) = section(shown(inspection(replace(GRAPH, placeholders=(fed,)))), "Placeholders")[2:]
    assert line.startswith("  p     PlaceholderWithDefault  float32  [?, 3]")
    assert line.endswith(said)


def test_tensors_of_a_pipeline_are_one_option_to_copy() -> None:
    cuts = tuple(
        FedTensor(spec=spec(name), op="IteratorGetNext", role=role)
        for name, role in (("next", Role.INPUT), ("next:1", Role.INPUT), ("next:2", Role.LABEL))
    )
    lines = section(shown(inspection(replace(GRAPH, cuts=cuts))), "Tensors by which")
    assert lines[-1] == "  --inputs=next,next:1"
    assert len(lines) == 6


def test_a_model_without_a_pipeline_has_no_such_section() -> None:
    assert "pipeline" not in shown(inspection())


# Variables and weights


def test_variables_are_told_on_the_path_and_off_it() -> None:
    graph = replace(
        GRAPH, variables=(variable("w"), variable("w/Adam", is_on_path=False, bytes=1000))
    )
    assert section(shown(inspection(graph)), "Variables") == [
        "Variables: 2",
        "  the checkpoint holds 2 tensors of 16 bytes, in data-00000-of-00001",
        "  1 on the path to the outputs, 8 bytes:",
        "    name  dtype    shape  bytes",
        "    w     float32  [2]        8",
        "  1 not on it, 1,000 bytes:",
        "    name    dtype    shape  bytes",
        "    w/Adam  float32  [2]    1,000",
    ]


def test_the_key_is_told_where_it_is_another_than_the_name() -> None:
    graph = replace(
        GRAPH,
        variables=(variable("w"), variable("k/part_0", key="k", part="[0:4, :]")),
    )
    lines = section(shown(inspection(graph)), "Variables")
    assert lines[3].endswith("saved as")
    assert lines[4].endswith("    8")
    assert lines[5].endswith("k[0:4, :]")


def test_the_data_file_is_told_where_there_are_several() -> None:
    files = ("data-00000-of-00002", "data-00001-of-00002", "")
    graph = replace(GRAPH, variables=tuple(variable(f"v{f}", file=f) for f in files))
    lines = section(shown(inspection(graph)), "Variables")
    assert lines[1].endswith("16 bytes")
    assert [line.split()[-1] for line in lines[4:]] == [files[0], files[1], "-"]


def test_a_variable_without_a_value_is_told() -> None:
    graph = replace(GRAPH, variables=(variable("w"), variable("v", is_saved=False, bytes=None)))
    assert section(shown(inspection(graph)), "Variables")[-1].split()[-3:] == [
        "-", "not", "saved",
    ]  # fmt: skip


def test_of_many_variables_the_largest_are_shown() -> None:
    variables = tuple(variable(f"v{n}", bytes=n, is_on_path=n < 20) for n in range(50))
    graph = replace(GRAPH, variables=variables)
    lines = section(shown(inspection(graph)), "Variables: 50")
    named = [line.split()[0] for line in lines if line.startswith("    v")]
    # Those on the path come first, then the largest of the others.
    assert named == [f"v{n}" for n in range(19, -1, -1)] + [f"v{n}" for n in range(49, 39, -1)]
    assert lines[-1] == "  and 20 more (--all lists them)"
    everything = shown(inspection(graph), everything=True)
    assert "    v49 " in everything
    assert "    v20 " in everything
    assert "more (--all" not in everything


def test_a_checkpoint_of_which_nothing_is_needed_says_so() -> None:
    graph = replace(GRAPH, variables=(), saved_tensors=1, saved_bytes=None)
    assert section(shown(inspection(graph)), "Variables: 0") == [
        "Variables: 0",
        "  the checkpoint holds 1 tensor",
        "  none on the path to the outputs",
    ]


def test_the_weights_of_a_frozen_graph_are_told_the_largest_of_many() -> None:
    weights = tuple(
        Weight(name=f"w{n}", dtype="float32", shape=(n,), bytes=4 * n) for n in range(40)
    )
    frozen = replace(GRAPH, variables=(), saved_tensors=0, weights=weights)
    lines = section(shown(inspection(frozen, kind="frozen")), "Constants")
    assert lines[0] == (
        "Constants that stand for weights: 40 on the path to the outputs, 3,120 bytes"
    )
    assert lines[2].split() == ["w39", "float32", "[39]", "156"]
    assert lines[-1] == "  and 10 more (--all lists them)"
    assert "Variables" not in shown(inspection(frozen))


def test_the_most_frequent_ops_are_shown() -> None:
    ops = tuple(OpCount(op=f"Op{n}", on_path=20 - n, in_graph=2000) for n in range(20))
    lines = section(shown(inspection(replace(GRAPH, ops=ops))), "Ops: 20")
    assert lines[1:3] == ["  op    on path  in graph", "  Op0        20     2,000"]
    assert lines[-1] == "  and 5 more (--all lists them)"


# What would be frozen


def test_what_would_be_frozen_ends_in_the_command_that_verifies_it() -> None:
    assert section(shown(inspection()), "Frozen")[1:] == [
        "  1 variable (8 bytes) would be frozen into a .pb of about 108 bytes",
        "  to verify it:",
        "  pytest --checkpoint=runs/model",
    ]


def test_the_command_has_the_options_that_were_given() -> None:
    text = shown(
        inspection(),
        path=Path("my runs/model"),
        meta_graph=Path("a.meta"),
        inputs=("x", "keep:0"),
        outputs=("y",),
        tags=("serve", "gpu"),
        signature_key="a key",
        moving_averages=True,
    )
    assert section(text, "Frozen")[-1] == (
        "  pytest --checkpoint='my runs/model' --meta-graph=a.meta --inputs=x,keep:0 --outputs=y "
        "'--signature=a key' --tags=serve,gpu --moving-averages"
    )


def frozen_lines(**freezing: Any) -> str:
    graph = replace(GRAPH, freezing=replace(FREEZING, **freezing))
    return " ".join(" ".join(section(shown(inspection(graph)), "Frozen")).split())


def test_more_than_a_graph_can_hold_is_told() -> None:
    assert "cannot be written" not in frozen_lines(weight_bytes=LARGEST_GRAPH - 100)
    assert "of more than 2,147,483,647 bytes cannot be written" in frozen_lines(
        weight_bytes=LARGEST_GRAPH - 99
    )


def test_a_frozen_graph_is_called_frozen() -> None:
    assert "it is frozen already" in frozen_lines(is_frozen=True)


def test_an_obstacle_is_told_and_no_command() -> None:
    text = frozen_lines(obstacle="lookup tables cannot be frozen")
    assert "cannot be frozen: lookup tables" in text
    assert "pytest" not in text


def test_warnings_and_random_ops_are_told() -> None:
    warning = ModelWarning(code="no_weight", message="the frozen graph holds no weight")
    text = frozen_lines(warnings=(warning,), random_ops=("RandomUniform",))
    assert "warning: the frozen graph holds no weight" in text
    assert "note: RandomUniform lies on the path" in text


def test_a_fault_is_told_at_the_end_and_no_command() -> None:
    lines = section(shown(inspection(fault="graph and weights differ")), "Frozen")
    assert lines == ["Frozen", "  cannot be used: graph and weights differ"]


def test_inputs_and_outputs_that_a_fault_hides_are_told_to_be_so() -> None:
    hidden = replace(UNSETTLED, leads_to="")
    assert "see the end" in shown(inspection(hidden, fault="a node is missing"))


# How it looks


@pytest.mark.parametrize("width", [80, 160])
def test_lines_fit_the_terminal(width: int) -> None:
    graph = replace(
        GRAPH,
        has_legacy_shapes=True,
        candidates=(replace(candidate("y"), reasons=("a rather long reason",) * 12),),
        variables=tuple(
            variable(
                f"layer_{n}/batch_normalization/kernel",
                key=f"layer_with_weights-{n}/kernel/.ATTRIBUTES/VARIABLE_VALUE",
                file=f"data-0000{n}-of-00002",
            )
            for n in range(2)
        ),
    )
    lines = shown(inspection(graph), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) < 60


def test_colour_is_for_terminals_alone() -> None:
    assert "\x1b[" not in shown(inspection())
    assert "\x1b[" in shown(inspection(), color=True)


def test_what_was_copied_from_a_url_is_told_by_the_url() -> None:
    copy = Copy(
        path=Path("/tmp/c/runs/model"), folder=Path("/tmp/c/runs"), url="gs://bucket/runs"  # noqa: S108
    )  # fmt: skip
    text = shown(inspection(path=copy.path), path=copy.path, copies=(copy,))
    assert text.splitlines()[0] == "checkpoint gs://bucket/runs/model"
    assert text.endswith("pytest --checkpoint=gs://bucket/runs/model")
