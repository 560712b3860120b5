"""The operations of a graph as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from harness.inspection.facts import Operation
from harness.signature import format_shape

HEADER = ("name", "type", "output")


def write_ops_csv(path: Path, operations: Iterable[Operation]) -> None:
    """Write a line an operation: its name, its op, and dtype and shape of each of its outputs.

    Outputs are told as "float32 [?, 10]; int32 [?]", and by "?" where nobody defines the op.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(HEADER)
        rows.writerows((each.name, each.op, _outputs(each)) for each in operations)


def _outputs(operation: Operation) -> str:
    if operation.outputs is None:
        return "?"
    return "; ".join(f"{spec.dtype} {format_shape(spec.shape)}" for spec in operation.outputs)
