"""An export that is killed, at each step and at any time: what is then in its place, and beside it.

Each is killed in a process of its own, forked from one that has imported TensorFlow and opened no
session.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from harness.errors import RequestError
from harness.exporting.building import Rebuilding
from harness.exporting.exporting import How, export_own_graph, export_rebuilt
from harness.exporting.layout import IMAGE_TENSOR
from harness.exporting.manifest import Verified, digests_of, read_manifest
from harness.exporting.steps import Step, show_nothing
from harness.subject import Request

STEPS = tuple(Step)
EACH_STEP = pytest.mark.parametrize("step", STEPS, ids=[step.name for step in STEPS])
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows kills in another way")


class Mean:
    """The mean colour of a picture, times a matrix."""

    def preprocess(self, pictures: Any) -> Any:
        return tf.reduce_mean(pictures, axis=(1, 2))

    def predict(self, colours: Any) -> Any:
        weights = tf.compat.v1.get_variable("weights", (3, 2))
        return tf.matmul(colours, weights)

    def postprocess(self, scores: Any) -> dict[str, Any]:
        return {"scores": tf.identity(scores)}


def save(folder: Path, value: float) -> Path:
    """A checkpoint whose own graph has the input `colours` and the output `scores`."""
    folder.mkdir()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        colours = tf.compat.v1.placeholder(tf.float32, (None, 3), name="colours")
        initial = tf.compat.v1.constant_initializer(value)
        weights = tf.compat.v1.get_variable("weights", (3, 2), initializer=initial)
        tf.matmul(colours, weights, name="scores")
        session.run(tf.compat.v1.global_variables_initializer())
        return Path(tf.compat.v1.train.Saver().save(session, str(folder / "model.ckpt")))


def export(checkpoint: Path, output: Path, *, show: Callable[[Step], None] = show_nothing) -> None:
    """Export with every step that there is."""
    export_rebuilt(
        Rebuilding(input_type=IMAGE_TENSOR, model=Mean()),
        Request(path=checkpoint),
        output,
        how=How(show=show, verify=lambda _: Verified(verdict="equivalent", proved=True)),
    )


def export_until(step: Step, checkpoint: Path, output: Path) -> None:
    """Export, and die when the step begins."""

    def show(each: Step) -> None:
        if each is step:
            os.kill(os.getpid(), signal.SIGKILL)

    export(checkpoint, output, show=show)


def source_of(output: Path) -> str | None:
    """What the export at `output` was made from; None where none is; a part of one is no answer."""
    if not output.exists():
        return None
    manifest = read_manifest(output)
    assert digests_of(output) == manifest.files
    return str(Path(manifest.source.path).parent.name)


def interrupt(_: Step) -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["harness.exporting.exporting"])
    return context


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("training") / "first", 1.0)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("training") / "second", 2.0)


@pytest.fixture
def exported(first: Path, tmp_path: Path) -> Path:
    """An old export, with nothing beside it."""
    export(first, tmp_path / "exported")
    return tmp_path / "exported"


def ended(process: ForkServerProcess) -> int | None:
    process.join(60)
    return process.exitcode


def killed(processes: ForkServerContext, step: Step, checkpoint: Path, output: Path) -> None:
    """Kill an export at a step, and make sure that it came so far."""
    process = processes.Process(target=export_until, args=(step, checkpoint, output))
    process.start()
    assert ended(process) == -signal.SIGKILL


@EACH_STEP
def test_killed_at_any_step_the_old_export_or_none_or_the_new_one_is_there(
    step: Step, processes: ForkServerContext, first: Path, second: Path, tmp_path: Path
) -> None:
    output = tmp_path / "exported"
    export(first, output)

    killed(processes, step, second, output)

    is_moved_aside = STEPS.index(step) > STEPS.index(Step.MOVE_ASIDE)
    is_moved_in = STEPS.index(step) > STEPS.index(Step.MOVE_IN)
    expected = "second" if is_moved_in else None if is_moved_aside else "first"
    assert source_of(output) == expected


@EACH_STEP
def test_killed_at_any_step_none_or_the_first_export_is_there(
    step: Step, processes: ForkServerContext, first: Path, tmp_path: Path
) -> None:
    output = tmp_path / "exported"

    killed(processes, step, first, output)

    is_moved_in = STEPS.index(step) > STEPS.index(Step.MOVE_IN)
    assert source_of(output) == ("first" if is_moved_in else None)


@EACH_STEP
def test_the_export_after_a_killed_one_leaves_nothing_else(
    step: Step, processes: ForkServerContext, first: Path, second: Path, tmp_path: Path
) -> None:
    output = tmp_path / "exported"
    export(first, output)
    killed(processes, step, second, output)

    export(second, output)

    assert source_of(output) == "second"
    assert [entry.name for entry in tmp_path.iterdir()] == ["exported"]


def test_an_export_that_was_moved_aside_is_put_back_by_the_next_that_ends(
    processes: ForkServerContext, first: Path, second: Path, tmp_path: Path
) -> None:
    output = tmp_path / "exported"
    export(first, output)
    killed(processes, Step.MOVE_IN, second, output)
    assert not output.exists()

    with pytest.raises(KeyboardInterrupt):
        export(second, output, show=interrupt)

    assert source_of(output) == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["exported"]


@EACH_STEP
def test_interrupted_at_any_step_an_export_leaves_nothing_beside(
    step: Step, first: Path, second: Path, tmp_path: Path
) -> None:
    output = tmp_path / "exported"
    export(first, output)

    def show(each: Step) -> None:
        if each is step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(second, output, show=show)

    is_moved_in = STEPS.index(step) > STEPS.index(Step.MOVE_IN)
    assert source_of(output) == ("second" if is_moved_in else "first")
    assert [entry.name for entry in tmp_path.iterdir()] == ["exported"]


def export_without_room(step: Step, checkpoint: Path, output: Path) -> None:
    """Export, with no room left for any file from the beginning of a step on."""

    def show(each: Step) -> None:
        if each is step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    with pytest.raises(RequestError) as caught:
        export(checkpoint, output, show=show)
    reason = f"it cannot be written: {os.strerror(errno.EFBIG)}"
    assert str(caught.value).startswith(f"--output-dir {output}: {reason}")


@pytest.mark.parametrize(
    "step", [Step.BUILD, Step.CHECKPOINT, Step.FREEZE, Step.SAVED_MODEL, Step.MANIFEST]
)
def test_without_room_an_export_says_so_and_leaves_nothing_beside(
    step: Step, processes: ForkServerContext, first: Path, second: Path, tmp_path: Path
) -> None:
    output = tmp_path / "exported"
    export(first, output)
    process = processes.Process(target=export_without_room, args=(step, second, output))

    process.start()

    assert ended(process) == 0
    assert source_of(output) == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["exported"]


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_time_the_old_export_or_none_or_the_new_one_is_there(
    seed: int, processes: ForkServerContext, first: Path, second: Path, tmp_path: Path
) -> None:
    output = tmp_path / "exported"
    started = time.monotonic()
    export(first, output)
    seconds = time.monotonic() - started
    process = processes.Process(target=export, args=(second, output))

    process.start()
    while process.is_alive() and not list(tmp_path.glob(".exported.exporting-*")):
        time.sleep(0.001)
    time.sleep(random.Random(seed).uniform(0, seconds))
    process.kill()

    assert ended(process) in {0, -signal.SIGKILL}
    assert source_of(output) in {"first", None, "second"}
    export(second, output)
    assert source_of(output) == "second"
    assert [entry.name for entry in tmp_path.iterdir()] == ["exported"]


def test_of_exports_at_the_same_time_one_is_there(
    processes: ForkServerContext, first: Path, second: Path, tmp_path: Path
) -> None:
    output = tmp_path / "exported"
    both = [processes.Process(target=export, args=(each, output)) for each in (first, second)]

    for process in both:
        process.start()

    assert 0 in [ended(process) for process in both]
    assert source_of(output) in {"first", "second"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["exported"]


def test_an_export_leaves_alone_what_another_is_writing(
    first: Path, second: Path, tmp_path: Path
) -> None:
    output = tmp_path / "exported"

    def show(step: Step) -> None:
        if step is Step.FREEZE:
            export(second, output)

    export(first, output, show=show)

    assert source_of(output) == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["exported"]


def export_until_signal(number: int, step: Step, checkpoint: Path, output: Path) -> None:
    """Export, and be asked to end when a step begins."""

    def show(each: Step) -> None:
        if each is step:
            os.kill(os.getpid(), number)
            raise AssertionError("it goes on")

    export(checkpoint, output, show=show)


@pytest.mark.parametrize("step", [Step.FREEZE, Step.MOVE_IN], ids=["FREEZE", "MOVE_IN"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_to_end_leaves_the_old_export_and_nothing_beside(
    name: str, step: Step, processes: ForkServerContext, exported: Path, second: Path
) -> None:
    number = signal.Signals[name]
    process = processes.Process(target=export_until_signal, args=(number, step, second, exported))

    process.start()

    assert ended(process) == 128 + number
    assert source_of(exported) == "first"
    assert [entry.name for entry in exported.parent.iterdir()] == ["exported"]


def test_an_export_leaves_signals_as_they_were(first: Path, tmp_path: Path) -> None:
    seen: list[object] = []

    def handle(number: int, _: object) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        export(
            first,
            tmp_path / "exported",
            show=lambda step: os.kill(os.getpid(), signal.SIGTERM) if step is Step.READ else None,
        )
        assert signal.getsignal(signal.SIGTERM) is handle
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_an_export_in_a_thread_needs_no_signals(first: Path, tmp_path: Path) -> None:
    output = tmp_path / "exported"
    thread = threading.Thread(target=export, args=(first, output))

    thread.start()
    thread.join()

    assert source_of(output) == "first"


@contextmanager
def verifying(checkpoint: Path, output: Path, marks: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command, and the pytest that it started; both are ended with the block."""
    (marks / "pids").mkdir(parents=True)
    (marks / "sitecustomize.py").write_text(
        f"import os, pathlib; pathlib.Path({str(marks / 'pids')!r}, str(os.getpid())).touch()"
    )
    command = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "export", f"--checkpoint={checkpoint}",
         f"--output-dir={output}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(marks)},
    )  # fmt: skip
    try:
        while command.poll() is None and len(list((marks / "pids").iterdir())) < 2:
            time.sleep(0.01)
        assert command.poll() is None
        yield command
    finally:
        with suppress(ProcessLookupError):
            os.killpg(command.pid, signal.SIGKILL)
        command.wait()


def is_running(pid: str) -> bool:
    if Path("/proc/self").exists():  # which tells what has ended, and nobody has asked how
        with suppress(OSError):
            return bool(Path("/proc", pid, "cmdline").read_bytes())
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


def all_end(pids: Sequence[str]) -> bool:
    """Whether processes end within seconds: one that is killed is there for a moment still."""
    for _ in range(100):
        if not any(map(is_running, pids)):
            return True
        time.sleep(0.1)
    return False


def test_a_command_that_is_killed_while_it_verifies_leaves_the_old_export(
    first: Path, second: Path, tmp_path: Path
) -> None:
    output = tmp_path / "place" / "exported"
    request = Request(path=first)
    export_own_graph(request, output)

    with verifying(second, output, tmp_path / "marks") as command:
        command.kill()
        assert command.wait() == -signal.SIGKILL
        assert source_of(output) == "first"

    export_own_graph(request, output)
    assert source_of(output) == "first"
    assert not list(output.parent.glob(".exported.exporting-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_command_that_is_asked_to_end_while_it_verifies_leaves_nothing_beside(
    number: int, first: Path, second: Path, tmp_path: Path
) -> None:
    output = tmp_path / "place" / "exported"
    export_own_graph(Request(path=first), output)

    with verifying(second, output, tmp_path / "marks") as command:
        command.send_signal(number)
        assert command.wait() == 128 + number
        running = [path.name for path in (tmp_path / "marks" / "pids").iterdir()]
        assert all_end(running)

    assert source_of(output) == "first"
    assert [entry.name for entry in output.parent.iterdir()] == ["exported"]
