"""How loading grows with the graph, in time and in memory: no worse than linear?

Each step is measured in a process of its own, on three training graphs: one of 10,000 nodes with
200 variables, one with ten times the nodes, and one with ten times the variables too. "Growth" is
how many times more a step takes, over how many times more nodes there are: 1.0 is linear. A graph
of 10,000 nodes fits into the processor's cache, so that even TensorFlow's own `import_meta_graph`
may grow by 1.4: each step is held against what that grows by. A quadratic step would show 10.

The process has done the step before, on a tiny graph, so that no part of TensorFlow is loaded for
the first time. Times are medians of three runs; memory is the peak of the first, above what was
held before the graph was. Peaks are read from Linux's /proc.

    python benchmarks/loading.py [--graphs FOLDER] [--steps STEP ...]

With a folder, the graphs are kept there for the next time.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import math
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tensorflow as tf

from benchmarks.training_graph import INPUT, OUTPUT, build
from fixtures.cache import build_once
from fixtures.catalogue import Fixture
from harness.errors import RequestError
from harness.exporters.direct import export
from harness.models.candidate import open_candidate
from harness.models.checkpoint import read_meta_graph
from harness.models.model import Model
from harness.models.opening import open_model
from harness.models.restorable import check_restorable
from harness.proof import Proof
from harness.runtime import Mode, Runner
from harness.subject import Request
from harness.verdict import Status

RUNS = 3


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a training graph is; `variables` are those on the path to the output."""

    nodes: int
    variables: int

    def __str__(self) -> str:
        return f"{self.nodes:,} nodes with {self.variables:,} variables"


TINY = Size(nodes=500, variables=6)
SMALL = Size(nodes=10_000, variables=200)
LARGE = (Size(nodes=100_000, variables=200), Size(nodes=100_000, variables=2_000))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one step takes: the median time, the peak of the first run's memory."""

    seconds: float
    processor: float
    """Seconds too, but those of the processor: what else the machine does is not in them."""
    mebibytes: float


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How many times faster than TensorFlow's own import a quantity may grow.

    It is judged from `least` on the small graph on: what is less drowns in the noise.
    """

    quantity: str
    most: float
    least: float


LIMITS = (
    Limit(quantity="seconds", most=math.inf, least=0.0),
    Limit(quantity="processor", most=1.3, least=0.05),
    Limit(quantity="mebibytes", most=1.15, least=10.0),
)

Action = Callable[[], object]


def _parse(prefix: Path, _: Path) -> Action:
    return lambda: read_meta_graph(_meta(prefix))


def _open(prefix: Path, _: Path) -> Action:
    return lambda: _opened(prefix)


def _open_without_names(prefix: Path, _: Path) -> Action:
    return lambda: open_model(Request(path=prefix))


def _open_misspelt(prefix: Path, _: Path) -> Action:
    misspelt = Request(path=prefix, inputs=(INPUT,), outputs=("network/layer_00002/kernel/raed",))

    def action() -> None:
        with contextlib.suppress(RequestError):
            open_model(misspelt)
            raise AssertionError("the misspelt name was found")

    return action


def _check(prefix: Path, _: Path) -> Action:
    model = _opened(prefix)
    return lambda: check_restorable(model)


def _run(prefix: Path, _: Path) -> Action:
    model = _opened(prefix)

    def action() -> Runner:
        runner = Runner(model, mode=Mode.STRICT)
        runner.open()
        return runner

    return action


def _stage(prefix: Path, folder: Path) -> Action:
    def action() -> Proof:
        proof = Proof(_request(prefix), folder=folder)
        assert proof.restore().status is Status.PASSED
        return proof

    return action


def _export(prefix: Path, folder: Path) -> Action:
    model = _opened(prefix)
    return lambda: export(model, folder)


def _reload(prefix: Path, folder: Path) -> Action:
    model = _opened(prefix)
    path = export(model, folder).path
    return lambda: open_candidate(path, signature=model.signature)


def _import(prefix: Path, _: Path) -> Action:
    def action() -> tf.Graph:
        with tf.Graph().as_default() as graph:
            tf.compat.v1.train.import_meta_graph(str(_meta(prefix)))
        return graph

    return action


OPEN, MISSPELT, THEIRS = "open_model", "open_model, misspelt name", "tf import_meta_graph"
STEPS: dict[str, Callable[[Path, Path], Action]] = {
    THEIRS: _import,
    "parse .meta": _parse,
    OPEN: _open,
    "open_model, no names": _open_without_names,
    MISSPELT: _open_misspelt,
    "check_restorable": _check,
    "Runner.open": _run,
    "stage restore": _stage,
    "export direct": _export,
    "open_candidate": _reload,
}


def _meta(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}.meta")


def _request(prefix: Path) -> Request:
    return Request(path=prefix, inputs=(INPUT,), outputs=(OUTPUT,))


def _opened(prefix: Path) -> Model:
    return open_model(_request(prefix))


def measure(step: str, prefix: Path, tiny: Path) -> Measured:
    """Run one step on the graph at `prefix`, after one on the `tiny` graph."""
    with tempfile.TemporaryDirectory() as scratch:
        STEPS[step](tiny, Path(scratch))()
        gc.collect()
        before = _mebibytes("VmRSS")
        action = STEPS[step](prefix, Path(scratch))
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
        times = [_timed(action)]
        peak = _mebibytes("VmHWM")
        times.extend(_timed(action) for _ in range(1, RUNS))
    seconds, processor = map(statistics.median, zip(*times, strict=True))
    return Measured(seconds=seconds, processor=processor, mebibytes=peak - before)


def _timed(action: Action) -> tuple[float, float]:
    gc.collect()
    start, processor_start = time.perf_counter(), time.process_time()
    result = action()
    taken = time.perf_counter() - start, time.process_time() - processor_start
    del result
    return taken


def _mebibytes(field: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


def in_fresh_process(step: str, prefix: Path, tiny: Path) -> Measured:
    """Return what `measure` finds in a process that has done nothing else."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as process:
        return process.submit(measure, step, prefix, tiny).result()


Found = Mapping[Size, Measured]


def growth(quantity: str, found: Found, size: Size) -> float:
    """Return how many times more the step takes than on the small graph, over the nodes' ratio."""
    taken = getattr(found[size], quantity) / getattr(found[SMALL], quantity)
    return float(taken * SMALL.nodes / size.nodes)


def print_rows(step: str, found: Found) -> None:
    """Print a line for each size."""
    for size, measured in found.items():
        print(f"{step:26}{size.nodes:>8,}{size.variables:>10,}", end="")
        for limit in LIMITS:
            value = getattr(measured, limit.quantity)
            print(f"{value:>11.3f}{value / size.nodes * 1000:>9.4f}", end="")
            print(f"{growth(limit.quantity, found, size):>8.2f}", end="")
        print(flush=True)


def too_fast(step: str, found: Found, theirs: Found) -> Iterator[str]:
    """Yield a line for each size on which the step takes more than it may."""
    for limit, size in itertools.product(LIMITS, LARGE):
        grown = growth(limit.quantity, found, size)
        most = limit.most * max(1.0, growth(limit.quantity, theirs, size))
        if grown > most and getattr(found[SMALL], limit.quantity) >= limit.least:
            yield f"{step}, {size}: {limit.quantity} grows by {grown:.2f}, at most {most:.2f}"


def main() -> int:
    """Print the table; exit with 1 where something grows faster than the graph."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--graphs", type=Path, help="folder in which the graphs are kept")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), metavar="STEP")
    options = parser.parse_args()
    print(f"{'step':26}{'nodes':>8}{'variables':>10}", end="")
    print(*(f"{limit.quantity:>11}{'/1,000':>9}{'growth':>8}" for limit in LIMITS), sep="")
    table: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as scratch:
        graphs = options.graphs or Path(scratch)
        tiny, *sizes = (built(size, graphs) for size in (TINY, SMALL, *LARGE))
        for step in dict.fromkeys((THEIRS, *options.steps)):
            measured = (in_fresh_process(step, prefix, tiny) for prefix in sizes)
            table[step] = dict(zip((SMALL, *LARGE), measured, strict=True))
            print_rows(step, table[step])
    faults = [
        line
        for step, found in table.items()
        if step != THEIRS
        for line in too_fast(step, found, table[THEIRS])
    ]
    if {OPEN, MISSPELT} <= table.keys():
        faults += [
            f"{MISSPELT}, {size}: an error takes longer than {OPEN} does"
            for size in LARGE
            if table[MISSPELT][size].processor > table[OPEN][size].processor
        ]
    for line in faults:
        print(line)
    return int(bool(faults))


def built(size: Size, folder: Path) -> Path:
    """Return the prefix of the graph of that size in `folder`, built unless it is there."""
    graph = Fixture(
        name=f"{size.nodes}-nodes-{size.variables}-variables",
        build=partial(build, nodes=size.nodes, variables=size.variables),
        inputs=(INPUT,),
        outputs=(OUTPUT,),
    )
    return build_once(graph, folder)


if __name__ == "__main__":
    sys.exit(main())
