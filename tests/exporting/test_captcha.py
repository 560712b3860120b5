"""The captcha network, exported from its training run: each input type, with averages and without.

It trains with dropout, batch statistics and moving averages. The export has none of these, and
computes what the checkpoint of training computes in an inference graph.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from PIL import Image

from fixtures.captchas import digits
from fixtures.models.captcha_cnn import CaptchaModel, training_prefix
from fixtures.training import SEED
from harness.exporters.registry import method_names
from harness.exporting import export_inference_graph
from harness.exporting.layout import ENCODED_IMAGES, IMAGE_TENSOR, INPUT_TYPES, TF_EXAMPLE
from harness.report.json_text import read_report
from harness.subject import free_name
from harness.verdict import ModelReport, Verdict

Array = npt.NDArray[Any]
AVERAGE = "/ExponentialMovingAverage"
OUTPUTS = ("classes", "probabilities", "logits")
AVERAGES = pytest.mark.parametrize("averages", [False, True], ids=["raw", "averages"])

WITHOUT_META = "the tool does not restore resource variables without a .meta (IndexError)"
NOT_APPLICABLE = {
    "resource": {
        "freeze_graph_graphdef": WITHOUT_META,
        "freeze_graph_graphdef_text": WITHOUT_META,
    },
    "ref": {},
}
"""All methods that cannot serve the model, by the kind of its variables, and why."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One export."""

    input_type: str
    averages: bool
    kind: str = "resource"

    def __str__(self) -> str:
        return f"{self.input_type}-{'averages' if self.averages else 'raw'}-{self.kind}"


CASES = (
    *(
        Case(input_type=each, averages=averages)
        for each in INPUT_TYPES
        for averages in (False, True)
    ),
    *(Case(input_type=each, averages=True, kind="ref") for each in INPUT_TYPES),
)
EACH_CASE = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.fixture(scope="session")
def trained(built: Callable[[str], Path]) -> Path:
    """The checkpoint of an inference graph that the fixture made itself, with averages."""
    return built("captcha_cnn-resource")


@pytest.fixture(scope="session")
def exports(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Case, Path]:
    folder = tmp_path_factory.mktemp("exports")
    found = {}
    for case in CASES:
        export_inference_graph(
            case.input_type,
            CaptchaModel(is_training=False, use_resource=case.kind == "resource"),
            training_prefix(trained),
            folder / str(case),
            use_moving_averages=case.averages,
            additional_output_tensor_names=["logits"],
        )
        found[case] = folder / str(case)
    return found


@pytest.fixture(scope="session")
def reports(
    exports: dict[Case, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[Case, ModelReport]:
    """What a run of pytest on `DIR/model.ckpt` finds, of all exports in one process."""
    folder = tmp_path_factory.mktemp("verified")
    (folder / "pytest.ini").write_text("[pytest]\n")
    report = folder / "report.json"
    checkpoints = [f"--checkpoint={export}/model.ckpt" for export in exports.values()]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *checkpoints,
         "--max-examples=5", f"--report-json={report}"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    taken: set[str] = set()
    models = {model.name: model for model in read_report(report.read_text()).models}
    return {case: models[free_name("model.ckpt", taken)] for case in exports}


@pytest.fixture(scope="session")
def pictures() -> Array:
    """Captchas that were not trained on."""
    return digits(500, SEED + 1)[0]


@pytest.fixture(scope="session")
def labels() -> Array:
    return digits(500, SEED + 1)[1]


@EACH_CASE
def test_every_method_that_applies_is_proved(
    case: Case, exports: dict[Case, Path], reports: dict[Case, ModelReport]
) -> None:
    report = reports[case]
    assert report.facts.reference == str(exports[case] / "model.ckpt")
    assert [spec.name for spec in report.facts.inputs] == [case.input_type]
    assert {spec.name for spec in report.facts.outputs} == set(OUTPUTS)
    assert (report.verdict, report.warnings) == (Verdict.EQUIVALENT, ())

    candidates = {candidate.name: candidate for candidate in report.candidates}
    assert list(candidates) == list(method_names())
    refused = {
        name: candidate.message
        for name, candidate in candidates.items()
        if candidate.verdict is Verdict.UNSUPPORTED
    }
    assert refused == NOT_APPLICABLE[case.kind]
    assert all(candidate.is_proved for name, candidate in candidates.items() if name not in refused)


@EACH_CASE
def test_nothing_of_training_is_left(case: Case, exports: dict[Case, Path]) -> None:
    nodes = {node.name: node for node in frozen(exports[case]).node}
    assert nodes[case.input_type].op == "Placeholder"
    assert set(OUTPUTS) <= set(nodes)
    assert not [node.name for node in nodes.values() if "Random" in node.op]
    norms = [node for node in nodes.values() if node.op.startswith("FusedBatchNorm")]
    assert len(norms) == 3
    assert not any(node.attr["is_training"].b for node in norms)


@EACH_CASE
def test_the_checkpoint_holds_what_training_left(
    case: Case, exports: dict[Case, Path], trained: Path
) -> None:
    """Each variable under its own name; the average where asked for, and where there is one."""
    training = tf.train.load_checkpoint(str(training_prefix(trained)))
    exported = tf.train.load_checkpoint(str(exports[case] / "model.ckpt"))
    names = sorted(exported.get_variable_to_shape_map())
    assert len(names) == 17
    assert not [name for name in names if name.endswith(AVERAGE)]
    averaged = [name for name in names if training.has_tensor(name + AVERAGE)]
    assert len(averaged) == 11  # all but the moving mean and variance of three layers
    for name in names:
        source = name + AVERAGE if case.averages and name in averaged else name
        np.testing.assert_array_equal(
            exported.get_tensor(name), training.get_tensor(source), strict=True
        )
        if name in averaged:
            assert (training.get_tensor(name) != training.get_tensor(name + AVERAGE)).any()


@AVERAGES
def test_pixels_png_files_and_examples_give_the_same_bits(
    averages: bool, exports: dict[Case, Path], pictures: Array
) -> None:
    some = pictures[:64]
    pixels, *others = (
        run(exports[Case(input_type=each, averages=averages)], FEEDS[each](some))
        for each in INPUT_TYPES
    )
    assert len(others) == 2
    assert len(set(pixels["classes"])) == 10  # what is compared are not sixty-four zeros
    for other in others:
        for name in OUTPUTS:
            np.testing.assert_array_equal(other[name], pixels[name], strict=True)


@pytest.mark.parametrize("input_type", INPUT_TYPES)
def test_averages_make_a_difference(
    input_type: str, exports: dict[Case, Path], pictures: Array
) -> None:
    feed = FEEDS[input_type](pictures[:64])
    raw, averaged = (
        run(exports[Case(input_type=input_type, averages=averages)], feed)["logits"]
        for averages in (False, True)
    )
    assert np.abs(raw - averaged).max(axis=1).min() > 1e-3  # of each picture


@EACH_CASE
def test_variables_are_of_the_kind_that_the_model_makes(
    case: Case, exports: dict[Case, Path]
) -> None:
    meta_graph = tf.compat.v1.MetaGraphDef.FromString(
        (exports[case] / "model.ckpt.meta").read_bytes()
    )
    ops = [node.op for node in meta_graph.graph_def.node]
    kind, other = ("VarHandleOp", "VariableV2")[:: 1 if case.kind == "resource" else -1]
    assert (ops.count(kind), ops.count(other)) == (17, 0)


def test_kinds_of_variables_make_no_difference(exports: dict[Case, Path], pictures: Array) -> None:
    resource, ref = (
        run(exports[Case(input_type=IMAGE_TENSOR, averages=True, kind=kind)], pictures[:64])
        for kind in ("resource", "ref")
    )
    for name in OUTPUTS:
        np.testing.assert_array_equal(resource[name], ref[name], strict=True)


@EACH_CASE
def test_checkpoint_and_frozen_graph_read_500_captchas_alike(
    case: Case, exports: dict[Case, Path], pictures: Array, labels: Array
) -> None:
    feed = FEEDS[case.input_type](pictures)
    classes = run(exports[case], feed)["classes"]
    of_checkpoint = run_checkpoint(exports[case] / "model.ckpt", case.input_type, feed)
    np.testing.assert_array_equal(classes, of_checkpoint, strict=True)
    assert classes.shape == labels.shape == (500,)
    assert np.mean(classes == labels) > 0.9


def test_the_graph_that_training_made_itself_reads_them_alike_too(
    trained: Path, exports: dict[Case, Path], pictures: Array
) -> None:
    """Nothing of it was made by the exporter: its graph, its restoring of the averages."""
    expected = run_checkpoint(trained, IMAGE_TENSOR, pictures)
    for input_type in INPUT_TYPES:
        case = Case(input_type=input_type, averages=True)
        found = run(exports[case], FEEDS[input_type](pictures))["classes"]
        np.testing.assert_array_equal(found, expected, strict=True)


def png(picture: Array) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def example(picture: Array) -> bytes:
    encoded = tf.train.Feature(bytes_list=tf.train.BytesList(value=[png(picture)]))
    features = tf.train.Features(feature={"image/encoded": encoded})
    serialized: bytes = tf.train.Example(features=features).SerializeToString()
    return serialized


FEEDS: Mapping[str, Callable[[Array], Array]] = {
    IMAGE_TENSOR: lambda pictures: pictures,
    ENCODED_IMAGES: lambda pictures: np.array([png(each) for each in pictures], object),
    TF_EXAMPLE: lambda pictures: np.array([example(each) for each in pictures], object),
}


def frozen(export: Path) -> Any:
    return tf.compat.v1.GraphDef.FromString((export / "frozen_inference_graph.pb").read_bytes())


def run(export: Path, feed: Array) -> dict[str, Array]:
    """What the frozen graph gives; its one placeholder is fed."""
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        tf.import_graph_def(frozen(export), name="")
        (placeholder,) = (op for op in graph.get_operations() if op.type == "Placeholder")
        fetched = {name: f"{name}:0" for name in OUTPUTS}
        found: dict[str, Array] = session.run(fetched, {placeholder.outputs[0]: feed})
        return found


def run_checkpoint(prefix: Path, name: str, feed: Array) -> Array:
    """The classes that TensorFlow's own saver and session give, with no code of ours."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.train.import_meta_graph(f"{prefix}.meta").restore(session, str(prefix))
        return np.asarray(session.run("classes:0", {f"{name}:0": feed}))
