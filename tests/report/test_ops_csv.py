"""The operations of a graph as CSV."""

from __future__ import annotations

import csv
from pathlib import Path

from harness.inspection.facts import Operation
from harness.report.ops_csv import write_ops_csv
from harness.signature import TensorSpec


def operation(name: str, *outputs: TensorSpec, op: str = "Relu") -> Operation:
    return Operation(name=name, op=op, outputs=outputs)


def written(path: Path, *operations: Operation) -> list[list[str]]:
    write_ops_csv(path, operations)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_outputs_are_told_by_dtype_and_shape(tmp_path: Path) -> None:
    x = TensorSpec(name="x", dtype="float32", shape=(None, 10))
    y = TensorSpec(name="x:1", dtype="int32", shape=None)
    assert written(tmp_path / "ops.csv", operation("x", x, y), operation("run")) == [
        ["name", "type", "output"],
        ["x", "Relu", "float32 [?, 10]; int32 [...]"],
        ["run", "Relu", ""],
    ]


def test_an_op_that_nobody_defines_has_outputs_that_nobody_knows(tmp_path: Path) -> None:
    unknown = Operation(name="x", op="Odd", outputs=None)
    assert written(tmp_path / "ops.csv", unknown)[1] == ["x", "Odd", "?"]


def test_names_that_hold_commas_and_quotes_are_read_again(tmp_path: Path) -> None:
    name = 'one, "two"\nthree ü'
    assert written(tmp_path / "ops.csv", operation(name))[1] == [name, "Relu", ""]


def test_lines_end_as_tools_of_a_shell_expect(tmp_path: Path) -> None:
    write_ops_csv(tmp_path / "ops.csv", [operation("x")])
    assert (tmp_path / "ops.csv").read_bytes() == b"name,type,output\nx,Relu,\n"
