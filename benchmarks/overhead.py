"""How much longer the stage `outputs` takes than a bare loop over the same session calls.

The stage draws feeds, runs reference and candidate, and compares bits. The bare loop runs the same
two sessions on the same feeds, drawn beforehand, and does nothing with what comes back. Both are
timed in turn, in one process, and the ratio is that of the fastest rounds: the machine's noise
only ever adds time.

    python benchmarks/overhead.py [--examples 200] [--poets FOLDER]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fixtures.catalogue import find
from harness.models.candidate import open_candidate
from harness.models.opening import open_model
from harness.proof import Proof
from harness.runtime import Mode, Runner
from harness.signature import Signature
from harness.subject import Candidate, Request
from harness.suite.examples import for_all_examples
from harness.verdict import Status

Feeds = Mapping[str, npt.NDArray[np.generic]]
ROUNDS = 5
LIMITS = {"captcha CNN": 2.0, "poets mobilenet": 1.25}


def ratio(request: Request, candidate: Candidate, *, examples: int, folder: Path) -> float:
    """Return the time of the stage over the time of the bare loop."""
    model = open_model(request)
    feeds = _drawn(model.signature, examples)
    bare, staged = [], []
    for number in range(ROUNDS):
        bare.append(_timed(lambda: _bare_loop(request, candidate, feeds)))
        staged.append(
            _timed(lambda: _stage(request, candidate, examples, folder / str(number)))  # noqa: B023
        )
    print(f"  stage {min(staged):.3f} s, bare loop {min(bare):.3f} s, {len(feeds)} examples")
    return min(staged) / min(bare)


def _drawn(signature: Signature, examples: int) -> list[Feeds]:
    found: list[Feeds] = []
    for_all_examples(max_examples=examples, seed=0)(signature, {}, found.append)
    return found


Prepared = tuple[Callable[[], None], Callable[[], None]]


def _timed(prepare: Callable[[], Prepared]) -> float:
    """Time the action alone: sessions are opened before, and closed after."""
    action, close = prepare()
    start = time.perf_counter()
    action()
    seconds = time.perf_counter() - start
    close()
    return seconds


def _bare_loop(request: Request, candidate: Candidate, feeds: list[Feeds]) -> Prepared:
    model = open_model(request)
    assert candidate.path is not None
    other = open_candidate(candidate.path, signature=model.signature)
    runners = [Runner(model, mode=Mode.STRICT), Runner(other, mode=Mode.STRICT)]
    for runner in runners:
        runner.open()
        runner(feeds[0])

    def action() -> None:
        for example in feeds:
            for runner in runners:
                runner(example)

    def close() -> None:
        for runner in runners:
            runner.close()

    return action, close


def _stage(request: Request, candidate: Candidate, examples: int, folder: Path) -> Prepared:
    proof = Proof(request, folder=folder)
    assert proof.reload(candidate).status is Status.PASSED
    for_all = for_all_examples(max_examples=examples, seed=0)

    def action() -> None:
        result = proof.outputs(candidate, for_all)
        assert result.status is Status.PASSED, result.reason
        assert result.examples == examples

    return action, proof.close


def main() -> int:
    """Print the ratios; exit with 1 where one is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument(
        "--poets",
        type=Path,
        help="folder with retrained_graph.pb and optimized_graph.pb, a pair of mobilenets",
    )
    options = parser.parse_args()
    too_slow = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, (request, candidate) in _subjects(folder, options.poets).items():
            print(f"{name}:")
            found = ratio(request, candidate, examples=options.examples, folder=folder / name)
            print(f"  ratio {found:.2f}, at most {LIMITS[name]}")
            too_slow |= found > LIMITS[name]
    return int(too_slow)


def _subjects(folder: Path, poets: Path | None) -> dict[str, tuple[Request, Candidate]]:
    captcha = find("captcha_cnn-resource")
    trained = folder / "captcha"
    trained.mkdir()
    request = Request(path=captcha.build(trained), inputs=captcha.inputs, outputs=captcha.outputs)
    proof = Proof(request, folder=folder / "export")
    direct = Candidate(name="direct", method="direct")
    assert proof.export(direct).status is Status.PASSED
    frozen = folder / "export" / "direct" / "frozen.pb"
    subjects = {
        "captcha CNN": (request, Candidate(name="frozen", method="file", path=frozen)),
    }
    if poets is not None:
        subjects["poets mobilenet"] = (
            Request(path=poets / "retrained_graph.pb"),
            Candidate(name="optimized", method="file", path=poets / "optimized_graph.pb"),
        )
    return subjects


if __name__ == "__main__":
    sys.exit(main())
