"""Real models come out as their `cases.toml` says, by `pytest --checkpoint`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from fixtures.real_cases import CASES, MARKS, read_tables
from harness.report.json_text import read_report
from harness.verdict import ModelReport, Stage, Status, Verdict

pytestmark = list(MARKS)

# What the message or a warning must name, where the case states a culprit in prose.
CULPRITS = {
    "variable off the output path": r"no variable of the checkpoint reaches the output",
    "cifar SavedModel against the .pb cut before the bias": r"holds no node add_1",
    "counter": r"AssignAdd.*writes counter",
    "V1 checkpoint with legacy Variable ops": r"Variable, Variable_1 \(Variable\) left unconverted",
    "mobilenet, float against 8-bit weights": r"stored in 8 bits \(Dequantize\)",
    "conditional GAN with the stale .meta of a crashed run": r"\[100, 128\].*\[110, 128\]",
    "transform graph with vocabularies": r"lookup tables",
    "degenerate logistic regression": r"one and the same value",
    "sentiment model without its data shard": r"variables\.data-00000-of-00001 is missing",
    "GRU with dropout baked in": r"RandomUniform lies on the path",
}

# Whose examples take a tenth of a second or more, since they are large.
FEWER = {"basic-pitch": 15, "MTCNN P-Net": 25}

FEWEST_ACCEPTED = 0.9
"""The share of the examples that a real model must accept, by what is read off its graph alone."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A table of cases.toml."""

    name: str
    reference: str
    verdict: str
    candidates: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    named: bool = False
    stage: str | None = None
    meta_graph: str | None = None
    tags: tuple[str, ...] = ()
    max_examples: int = 50


def read_cases() -> list[Case]:
    found = read_tables()
    if not found:
        return []
    fields = Case.__dataclass_fields__
    tables = found["case"]
    cases = [
        Case(**{
            key: tuple(value) if isinstance(value, list) else value
            for key, value in table.items()
            if key in fields
        })
        for table in tables
    ]  # fmt: skip
    cases = [replace(c, max_examples=FEWER.get(c.name, c.max_examples)) for c in cases]
    return [*cases, *alike()]


def alike() -> list[Case]:
    """The two networks that the note of the P-Net case calls alike."""
    return [
        Case(
            name=f"MTCNN {name}",
            reference=f"aittsmd-mtcnn/{folder}",
            inputs=("input_image",),
            outputs=("cls_fc/Softmax", "bbox_fc/BiasAdd", "landmark_fc/BiasAdd"),
            named=True,
            verdict="equivalent",
            max_examples=10,  # a batch of hundreds of pictures is baked into the graph
        )
        for name, folder in (
            ("R-Net", "RNet_landmark/RNet-14"),
            ("O-Net", "ONet_landmark/ONet-16"),
        )
    ]


ALL = read_cases()
Verify = Callable[..., ModelReport]


@pytest.fixture
def verify(pytester: pytest.Pytester) -> Verify:
    """Run `pytest --checkpoint` and return what its report says of the model."""

    def run(*arguments: str) -> ModelReport:
        result = pytester.runpytest_inprocess(
            "-q", "-p", "no:cacheprovider", "--report-json=report.json", *arguments
        )
        result.stdout.no_fnmatch_line("*Traceback*")
        report = read_report((pytester.path / "report.json").read_text())
        (model,) = report.models
        expected = {Verdict.EQUIVALENT, Verdict.SUSPICIOUS}
        assert (result.ret == pytest.ExitCode.OK) is (model.verdict in expected)
        return model

    return run


def arguments_of(case: Case) -> list[str]:
    given = [f"--checkpoint={CASES / case.reference}", f"--max-examples={case.max_examples}"]
    given += [f"--frozen={CASES / path}" for path in case.candidates]
    if case.named:  # then inputs are those placeholders that the outputs need
        given.append(f"--outputs={','.join(case.outputs)}")
    if case.meta_graph:
        given.append(f"--meta-graph={CASES / case.meta_graph}")
    if case.tags:
        given.append(f"--tags={','.join(case.tags)}")
    return given


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in ALL])
def test_a_real_model_comes_out_as_its_case_says(case: Case, verify: Verify) -> None:
    model = verify(*arguments_of(case))

    assert str(model.verdict) == case.verdict, model.message
    assert (str(model.stage) if model.stage else None) == case.stage
    if case.inputs and "..." not in case.inputs and model.stage is None:
        assert sorted(spec.name for spec in model.facts.inputs) == sorted(case.inputs)
        stated = {spec.name.partition(":")[0] for spec in model.facts.outputs}
        assert stated == set(case.outputs)
    if case.name in CULPRITS:
        said = " ".join([model.message, *(warning.message for warning in model.warnings)])
        assert re.search(CULPRITS[case.name], said)
    for candidate in model.candidates:
        if candidate.verdict is Verdict.EQUIVALENT:
            compared = candidate.stages[Stage.OUTPUTS]
            assert compared.status is Status.PASSED
            assert (compared.measured.max_ulp, compared.measured.max_abs) == (0, 0.0)
            assert compared.compared >= FEWEST_ACCEPTED * compared.examples > 0
            assert candidate.is_proved
            deployed = candidate.stages[Stage.DEPLOYED]
            assert deployed.compared >= FEWEST_ACCEPTED * deployed.examples > 0
    assert_that_what_is_drawn_is_told(model)


def assert_that_what_is_drawn_is_told(model: ModelReport) -> None:
    """Every unknown dimension has a name and sizes, and every input is there."""
    if model.stage in {Stage.RESTORE, Stage.EXPORT} and not model.facts.drawn:
        return
    assert [drawn.name for drawn in model.facts.drawn] == [s.name for s in model.facts.inputs]
    for drawn in model.facts.drawn:
        is_part = drawn.values.startswith(("indices of", "drawn together"))
        assert is_part or "?" not in drawn.shape
        named = [size for size in drawn.shape.strip("[]").split(", ") if size and size[0].isalpha()]
        assert all(any(axis.startswith(name) for axis in drawn.axes) for name in named)


def test_every_case_is_tested_or_listed_with_what_it_needs() -> None:
    assert ALL, f"no cases in {CASES}"
    assert set(CULPRITS) <= {case.name for case in ALL}


def test_most_cases_need_nothing_but_the_path_of_the_model() -> None:
    """And the paths of what it is compared with; no names of tensors, no input spec."""
    easy = [case.name for case in read_cases() if not case.named]
    assert len(easy) >= 16


def test_a_frozen_graph_fails_against_another_checkpoint(verify: Verify, tmp_path: Path) -> None:
    """The cifar network's .pb, held against a checkpoint in which one kernel is other."""
    original = CASES / "dotnet-cifar/cifar_model/model.ckpt"
    reader = tf.train.load_checkpoint(str(original))
    values: dict[str, Any] = {
        name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()
    }
    values["Wconv1"] = values["Wconv1"] * np.float32(1.0001)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        names = sorted(values)
        session.run(
            tf.raw_ops.SaveV2(
                prefix=str(tmp_path / "model.ckpt"),
                tensor_names=names,
                shape_and_slices=[""] * len(names),
                tensors=[tf.constant(values[name]) for name in names],
            )
        )

    model = verify(
        f"--checkpoint={tmp_path / 'model.ckpt'}",
        f"--meta-graph={original}.meta",
        f"--frozen={CASES / 'dotnet-cifar/cifar_model/frozen_model.pb'}",
        "--export-methods=none",
        "--outputs=Output",
        "--max-examples=20",
    )

    assert model.verdict is Verdict.DIFFERENT
    assert model.stage is Stage.WEIGHTS
    assert "Wconv1" in model.message
    (candidate,) = model.candidates
    outputs = candidate.stages[Stage.OUTPUTS]
    assert outputs.status is Status.FAILED
    assert re.match(r"Output\[.* · first at Wconv1 · Wconv1 ", outputs.reason)
