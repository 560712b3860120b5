"""Frozen graphs give the outputs that were published with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.real_cases import CASES, MARKS, read_tables
from harness.report.json_text import read_report
from harness.verdict import ModelReport, Stage, Verdict

pytestmark = list(MARKS)

INPUT, OUTPUT = ".placeholder.csv", ".prediction.csv"

LOOPS = {"simplewhile_nested"}
"""Graphs that run for ever on some of the numbers that they accept."""

Verify = Callable[..., ModelReport]


def names_of(key: str) -> list[str]:
    tables = read_tables()
    names: list[str] = tables["known_outputs"][key] if tables else []
    return names


def tensor(file: Path, suffix: str) -> str:
    """The tensor of a file: "outputB.1.prediction.csv" holds outputB:1."""
    name = file.name.removesuffix(suffix)
    head, _, index = name.rpartition(".")
    return f"{head}:{index}" if head and index.isdigit() else name


def array(file: Path) -> np.ndarray[Any, Any]:
    """One value a line, row-major; a shape of a single 0 beside one value is that of a scalar."""
    values = np.array([float(line) for line in file.read_text(encoding="utf-8").split()])
    sizes = [int(line) for line in file.with_suffix(".shape").read_text(encoding="utf-8").split()]
    return values.reshape([] if sizes == [0] and values.size == 1 else sizes)


def arrays(folder: Path, suffix: str) -> dict[str, np.ndarray[Any, Any]]:
    return {tensor(file, suffix): array(file) for file in sorted(folder.glob(f"*{suffix}"))}


def write_spec(
    folder: Path, feeds: dict[str, np.ndarray[Any, Any]], outputs: dict[str, np.ndarray[Any, Any]]
) -> Path:
    """Write an input spec that states what `feeds` must give, the arrays in files beside it."""
    tables = []
    for key, found in (("feeds", feeds), ("outputs", outputs)):
        for number, value in enumerate(found.values()):
            np.save(folder / f"{key}{number}.npy", value)
        files = (f'"{name}" = "{key}{number}.npy"' for number, name in enumerate(found))
        tables.append(f"{key} = {{ {', '.join(files)} }}\n")
    spec = folder / "spec.toml"
    spec.write_text(f"[[known_outputs]]\n{''.join(tables)}", encoding="utf-8")
    return spec


@pytest.fixture
def verify(pytester: pytest.Pytester) -> Verify:
    """Run `pytest --checkpoint` on a graph and return what its report says."""

    def run(folder: Path, outputs: list[str], *arguments: str) -> ModelReport:
        pytester.runpytest_inprocess(
            "-q", "-p", "no:cacheprovider", "--report-json=report.json", "--max-examples=20",
            f"--checkpoint={folder / 'frozen_model.pb'}", f"--outputs={','.join(outputs)}",
            "--export-methods=direct,constants_v2", *arguments,
        )  # fmt: skip
        (model,) = read_report((pytester.path / "report.json").read_text()).models
        return model

    return run


@pytest.mark.parametrize("name", names_of("reproduce"))
def test_a_graph_gives_the_outputs_that_were_published(
    name: str, verify: Verify, tmp_path: Path
) -> None:
    folder = CASES / "dl4j-io" / name
    expected = arrays(folder, OUTPUT)
    spec = write_spec(tmp_path, arrays(folder, INPUT), expected)

    model = verify(folder, [*expected], f"--input-spec={spec}", "--example-timeout=1")

    assert model.verdict is Verdict.EQUIVALENT, model.message
    for candidate in model.candidates:
        if candidate.verdict is not Verdict.UNSUPPORTED:
            compared = candidate.stages[Stage.OUTPUTS]
            assert compared.rejected == 0
            assert compared.examples - compared.timed_out >= (0.5 if name in LOOPS else 1) * 20


@pytest.mark.parametrize("name", names_of("reproduce"))
def test_a_graph_that_gives_others_is_broken(name: str, verify: Verify, tmp_path: Path) -> None:
    folder = CASES / "dl4j-io" / name
    expected = arrays(folder, OUTPUT)
    first, value = next(iter(expected.items()))
    wrong = value + 0.01 * np.abs(value).max()
    spec = write_spec(tmp_path, arrays(folder, INPUT), {**expected, first: wrong})

    model = verify(folder, [*expected], f"--input-spec={spec}")

    assert (model.verdict, model.stage) == (Verdict.BROKEN, Stage.RESTORE)
    assert f"{first}[" in model.message


@pytest.mark.parametrize("name", names_of("random"))
def test_a_graph_that_hands_out_unwritten_memory_is_random(name: str, verify: Verify) -> None:
    folder = CASES / "dl4j-io" / name

    model = verify(folder, [*arrays(folder, OUTPUT)])

    assert model.verdict is Verdict.SUSPICIOUS
    assert "random_op" in {warning.code for warning in model.warnings}


@pytest.mark.parametrize("name", names_of("broken"))
def test_a_graph_that_writes_to_a_constant_is_broken(name: str, verify: Verify) -> None:
    folder = CASES / "dl4j-io" / name

    model = verify(folder, [*arrays(folder, OUTPUT)])

    assert (model.verdict, model.stage) == (Verdict.BROKEN, Stage.RESTORE)
    assert "incompatible with expected float_ref" in model.message


def test_every_published_output_is_tested() -> None:
    assert len(names_of("reproduce")) == 11
    assert len(names_of("random")) == len(names_of("broken")) == 1
