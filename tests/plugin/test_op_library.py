"""A model with an op that TensorFlow does not have: named without its library, verified with it.

Runs that load the library are processes of their own: no process forgets an op.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from fixtures.training import fresh_session, save_initialised

Verify = Callable[..., pytest.RunResult]
Run = Callable[..., pytest.RunResult]


def become_custom(graph_def: GraphDef) -> None:
    """Let the nodes `double…` be of an op that TensorFlow does not have."""
    for node in graph_def.node:
        if node.name.startswith("double"):
            node.op = "FreezeproofDouble"
            node.attr.clear()


@pytest.fixture
def custom(tmp_path: Path) -> Path:
    """A checkpoint with a variable and the op FreezeproofDouble on the path to the output."""
    with fresh_session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None, 3], name="x")
        weights = tf.compat.v1.get_variable("weights", [3, 2])
        doubled = tf.identity(tf.matmul(x, weights), name="double")
        tf.nn.softmax(doubled, name="output")
        prefix = save_initialised(session, tmp_path)
    meta_file = prefix.with_name(f"{prefix.name}.meta")
    meta = MetaGraphDef.FromString(meta_file.read_bytes())
    become_custom(meta.graph_def)
    meta_file.write_bytes(meta.SerializeToString())
    return prefix


@pytest.fixture
def run(pytester: pytest.Pytester, custom: Path) -> Run:
    """Run `pytest --checkpoint=PREFIX` on the model in a process of its own, with few examples."""

    def in_a_process(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest_subprocess(
            f"--checkpoint={custom}",
            "--export-methods=direct,convert_variables_to_constants,saved_model",
            "--max-examples=5",
            "--report-json=report.json",
            *arguments,
        )

    return in_a_process


def verdicts() -> dict[str, str]:
    (model,) = json.loads(Path("report.json").read_text())["models"]
    return {candidate["name"]: candidate["verdict"] for candidate in model["candidates"]}


ALL_EQUIVALENT = {
    "direct": "equivalent",
    "convert_variables_to_constants": "equivalent",
    "saved_model": "equivalent",
}


def test_without_its_library_the_op_its_node_and_the_remedy_are_named(
    verify: Verify, custom: Path
) -> None:
    result = verify("--report-json=report.json", checkpoint=custom)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    message = (
        "this TensorFlow does not know the op FreezeproofDouble, which the path to the outputs "
        "needs (node double): register it with --import MODULE, where a Python package brings it, "
        "or with --op-library FILE.so"
    )
    result.stdout.fnmatch_lines([f"restore: {message}"])
    (model,) = json.loads(Path("report.json").read_text())["models"]
    assert (model["verdict"], model["stage"], model["message"]) == ("broken", "restore", message)


def test_an_unknown_op_off_the_path_does_no_harm(verify: Verify, custom: Path) -> None:
    verify("--outputs=MatMul", checkpoint=custom).assert_outcomes(passed=9)


def test_with_its_library_the_model_is_verified(run: Run, double_library: Path) -> None:
    # A relative path, and one that a bare name would not be looked up by.
    shutil.copy(double_library, "double.so")

    result = run("--op-library=double.so")

    assert result.ret == pytest.ExitCode.OK, result.stdout.str() + result.stderr.str()
    assert verdicts() == ALL_EQUIVALENT


def test_a_module_registers_ops_in_the_workers_too(
    pytester: pytest.Pytester, run: Run, double_library: Path
) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(
        double_op=f"import tensorflow as tf\ntf.load_op_library({str(double_library)!r})\n"
    )

    # pytest's own --import-mode begins alike.
    result = run("--import", "double_op", "--import-mode=importlib", "-n1")

    assert result.ret == pytest.ExitCode.OK, result.stdout.str() + result.stderr.str()
    assert verdicts() == ALL_EQUIVALENT


def test_both_options_may_stand_in_the_ini_file(
    pytester: pytest.Pytester, custom: Path, double_library: Path
) -> None:
    (pytester.path / "libraries").mkdir()
    shutil.copy(double_library, pytester.path / "libraries" / "double.so")
    (pytester.path / "my_ops.py").write_text(
        "import pathlib\npathlib.Path('imported').touch()\n", encoding="utf-8"
    )
    pytester.makeini(
        f"""
        [pytest]
        freezeproof_checkpoint = {custom}
        freezeproof_export_methods = direct
        freezeproof_max_examples = 5
        freezeproof_op_library = libraries/double.so
        freezeproof_import = my_ops
        """
    )

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(passed=9)
    assert (pytester.path / "imported").exists()


def test_a_saved_model_with_an_unknown_op_fails_in_reload(verify: Verify, tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        inputs = tf.compat.v1.placeholder(tf.float32, [None, 4], name="inputs")
        tf.identity(tf.identity(inputs, name="double"), name="prediction")
    meta = MetaGraphDef(graph_def=graph.as_graph_def())
    become_custom(meta.graph_def)
    meta.meta_info_def.tags.append("serve")
    folder = tmp_path / "shipped"
    folder.mkdir()
    saved_model = SavedModel(saved_model_schema_version=1, meta_graphs=[meta])
    (folder / "saved_model.pb").write_bytes(saved_model.SerializeToString())

    result = verify(f"--frozen={folder}", methods="none")

    result.stdout.fnmatch_lines(
        [
            "reload: this TensorFlow does not know the op FreezeproofDouble, which shipped needs "
            "(node double): register it with --import MODULE*"
        ]
    )


def test_an_output_of_an_unknown_op_is_a_broken_model(verify: Verify, custom: Path) -> None:
    result = verify("--outputs=double", checkpoint=custom)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["restore: this TensorFlow does not know the op FreezeproofDouble, which --outputs double*"]
    )
