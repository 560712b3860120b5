"""The options, and what is made of them. Each can stand in the ini file as `freezeproof_NAME`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from harness.criteria import Close, Criterion, Exact
from harness.domain import Domain, KnownOutputs
from harness.errors import RequestError, nearest
from harness.exporters.registry import method_names, unknown_method
from harness.locate import is_checkpoint, locate, locate_candidate
from harness.subject import (
    DEFAULT_EXAMPLE_SECONDS,
    DEFAULT_EXAMPLES,
    DEFAULT_TOLERANCE,
    Copy,
    Request,
    Subject,
    candidates_of,
    subject_name,
    with_distinct_names,
)

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_OP_SOURCES = ("import", "op_library")
NOWHERE = "none"
REPORT_COPY, STAGED = "--freezeproof-report-copy", "--freezeproof-staged"
"""Options of `suite.handing_over`, for commands that run pytest; importing that imports pytest."""
HANDING_OVER = "harness.suite.handing_over"
DEFAULT_REPRO_DIR = Path(".freezeproof")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One command-line option: `--some-name` is kept as `some_name`.

    `url` says what a URL may name in the place of a path; `words` are values that are no paths.
    """

    name: str
    help: str
    metavar: str = ""
    repeatable: bool = False
    is_path: bool = False
    url: Literal["", "model", "file"] = ""
    words: tuple[str, ...] = ()

    @property
    def keywords(self) -> dict[str, Any]:
        """What argparse, and pytest's parser, take of it beside the flag and the destination."""
        if not self.metavar:
            return {"action": "store_true", "help": self.help}
        action = "append" if self.repeatable else "store"
        return {"action": action, "metavar": self.metavar, "help": self.help}

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def ini(self) -> str:
        """The option's name in the ini file."""
        return f"freezeproof_{self.name}"

    @property
    def destination(self) -> str:
        """The attribute that keeps the parsed value; other plugins have options of short names."""
        return f"freezeproof_{self.name}"


OPTIONS = (
    Option(
        name="checkpoint",
        metavar="PATH",
        is_path=True,
        url="model",
        repeatable=True,
        help="verify this model: a checkpoint prefix, any file of one, a folder with one, "
        "a SavedModel folder, a .pb; or a URL of one, gs://… and the like (repeatable)",
    ),
    Option(
        name="meta_graph",
        metavar="FILE",
        is_path=True,
        url="file",
        help="the .meta, where it is not beside PATH",
    ),
    Option(
        name="frozen",
        metavar="PATH",
        is_path=True,
        url="model",
        repeatable=True,
        help="a .pb or SavedModel that claims to be the same model (repeatable)",
    ),
    Option(
        name="inputs",
        metavar="NAMES",
        help="comma-separated input tensors; any tensor: the graph is cut there",
    ),
    Option(name="outputs", metavar="NAMES", help="comma-separated output nodes or tensors"),
    Option(name="signature", metavar="KEY", help="which signature of a SavedModel"),
    Option(name="tags", metavar="TAGS", help="comma-separated tags of a SavedModel's graph"),
    Option(
        name="import",
        metavar="MODULE",
        repeatable=True,
        help="a Python module that registers ops which the model needs (repeatable)",
    ),
    Option(
        name="op_library",
        metavar="FILE",
        is_path=True,
        repeatable=True,
        help="a compiled library of such ops, for tf.load_op_library (repeatable)",
    ),
    Option(
        name="export_methods",
        metavar="NAMES",
        help="comma-separated export methods; all (default), or none to compare --frozen alone",
    ),
    Option(
        name="max_examples",
        metavar="N",
        help=f"examples of a stage (default {DEFAULT_EXAMPLES})",
    ),
    Option(
        name="example_timeout",
        metavar="SECONDS",
        help=f"an example that runs longer is not compared (default {DEFAULT_EXAMPLE_SECONDS:g})",
    ),
    Option(
        name="tolerance",
        metavar="exact|close:RTOL",
        help=f"of the stage `deployed`, relative to an output's largest magnitude "
        f"(default {DEFAULT_TOLERANCE})",
    ),
    Option(
        name="input_spec",
        metavar="FILE",
        is_path=True,
        help="TOML file that states what inputs accept",
    ),
    Option(
        name="moving_averages",
        help="take each variable's moving average where the checkpoint has one",
    ),
    Option(
        name="fail_on", metavar="suspicious", help="fail where a model agrees but a warning stands"
    ),
    Option(name="report_json", metavar="FILE", is_path=True, help="write the report as JSON"),
    Option(
        name="repro_dir",
        metavar="DIR",
        is_path=True,
        words=(NOWHERE,),
        help=f"where what failed is kept, for freezeproof replay (default {DEFAULT_REPRO_DIR}/); "
        f"{NOWHERE} to keep nothing",
    ),
)


@dataclass(frozen=True, kw_only=True)
class OpSources:
    """Where ops come from that TensorFlow does not bring itself."""

    modules: tuple[str, ...] = ()
    libraries: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return bool(self.modules or self.libraries)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of one run, checked as far as they can be without TensorFlow."""

    checkpoints: tuple[Path, ...] = ()
    meta_graph: Path | None = None
    frozen: tuple[Path, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    signature_key: str | None = None
    tags: tuple[str, ...] = ()
    ops: OpSources = field(default_factory=OpSources)
    methods: tuple[str, ...] = ()
    max_examples: int = DEFAULT_EXAMPLES
    example_seconds: float = DEFAULT_EXAMPLE_SECONDS
    tolerance: Criterion = DEFAULT_TOLERANCE
    domains: Mapping[str, Domain] = field(default_factory=dict)
    known: tuple[KnownOutputs, ...] = ()
    moving_averages: bool = False
    fail_on_suspicious: bool = False
    report_json: Path | None = None
    repro_dir: Path | None = DEFAULT_REPRO_DIR


def read_settings(get: Callable[[Option], Any]) -> Settings:
    """Return the settings that the options state; `get` gives the raw value of one, or None.

    Raises:
        RequestError: a value is none of those that its option takes.
    """
    raw = {option.name: get(option) for option in OPTIONS if not option.url}
    settings = Settings(
        inputs=parse_names(raw["inputs"]),
        outputs=parse_names(raw["outputs"]),
        signature_key=raw["signature"] or None,
        tags=parse_names(raw["tags"]),
        ops=read_op_sources(get),
        methods=parse_methods(raw["export_methods"] or "all"),
        max_examples=parse_max_examples(raw["max_examples"] or str(DEFAULT_EXAMPLES)),
        example_seconds=parse_seconds(raw["example_timeout"] or str(DEFAULT_EXAMPLE_SECONDS)),
        tolerance=parse_tolerance(raw["tolerance"] or str(DEFAULT_TOLERANCE)),
        **_stated(raw["input_spec"]),
        moving_averages=bool(raw["moving_averages"]),
        fail_on_suspicious=_fail_on(raw["fail_on"]),
        report_json=Path(raw["report_json"]) if raw["report_json"] else None,
        repro_dir=_repro_dir(raw["repro_dir"]),
    )
    # Last: what a URL names is copied when it is asked for, and that may take its time.
    models = {option.name: get(option) for option in OPTIONS if option.url}
    return replace(
        settings,
        checkpoints=_paths(models["checkpoint"]),
        meta_graph=Path(models["meta_graph"]) if models["meta_graph"] else None,
        frozen=_paths(models["frozen"]),
    )


def read_op_sources(get: Callable[[Option], Any]) -> OpSources:
    """Return where ops come from: all that has to be known before anything remote is reached.

    Raises:
        RequestError: something is no module's name.
    """
    raw = {option.name: get(option) for option in OPTIONS if option.name in _OP_SOURCES}
    modules = tuple(name.strip() for name in raw["import"] or () if name.strip())
    for name in modules:
        if not all(part.isidentifier() for part in name.split(".")):
            raise RequestError(
                f"--import {name}: it should be a module's name, as tensorflow_text; a compiled "
                f"library goes with --op-library"
            )
    return OpSources(modules=modules, libraries=_paths(raw["op_library"]))


def is_url(value: str) -> bool:
    """Say whether a value is a URL, and no path of this machine."""
    return bool(_URL.match(value))


def subjects_of(settings: Settings, *, copies: tuple[Copy, ...] = ()) -> tuple[Subject, ...]:
    """Return a subject for each `--checkpoint`; `copies` are those of what is remote.

    Raises:
        RequestError: nothing is compared, or `--frozen` names nothing to compare it with.
    """
    if settings.frozen and not settings.checkpoints:
        raise RequestError("--frozen needs a reference: give it with --checkpoint PATH")
    if settings.checkpoints and not settings.methods and not settings.frozen:
        raise RequestError("--export-methods none leaves nothing to compare: add --frozen PATH")
    for path in settings.frozen:
        if not path.exists() and not is_checkpoint(path):
            siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            raise RequestError(f"--frozen {path}: no such file{nearest(path.name, siblings)}")
        locate_candidate(path)
    return with_distinct_names(_subject(path, settings, copies) for path in settings.checkpoints)


def _subject(path: Path, settings: Settings, copies: tuple[Copy, ...]) -> Subject:
    request = Request(
        path=path,
        meta_graph=settings.meta_graph,
        inputs=settings.inputs,
        outputs=settings.outputs,
        signature_key=settings.signature_key,
        tags=settings.tags,
        moving_averages=settings.moving_averages,
        domains=settings.domains,
        known=settings.known,
        copies=copies,
    )
    return Subject(
        name=subject_name(_located(path)),
        locate=lambda: request,
        candidates=candidates_of(settings.methods, settings.frozen),
        max_examples=settings.max_examples,
        example_seconds=settings.example_seconds,
        tolerance=settings.tolerance,
    )


def _located(path: Path) -> Path:
    """Return the prefix, folder or file that `path` stands for: the model's name is taken from it.

    A path that stands for nothing is left to whoever opens it.
    """
    try:
        return locate(path).path
    except RequestError:
        return path


def parse_methods(text: str) -> tuple[str, ...]:
    """Return the methods that `all`, `none` or a comma-separated list names.

    Raises:
        RequestError: a name is no method's.
    """
    known = method_names()
    if text == "all":
        return known
    if text == "none":
        return ()
    names = parse_names(text)
    for name in names:
        if name not in known:
            raise unknown_method(name)
    return tuple(dict.fromkeys(names))


def parse_tolerance(text: str) -> Criterion:
    """Return the criterion that `exact` or `close:RTOL` states.

    Raises:
        RequestError: the text is neither.
    """
    if text == "exact":
        return Exact()
    head, _, number = text.partition(":")
    try:
        rtol = float(number) if head == "close" else math.nan
    except ValueError:
        rtol = math.nan
    if not 0 <= rtol < 1:
        raise RequestError(f"--tolerance {text}: it should be exact or close:RTOL, as close:1e-4")
    return Close(rtol=rtol)


def parse_max_examples(text: str) -> int:
    """Return the number of examples that the text states.

    Raises:
        RequestError: it is no positive number.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise RequestError(f"--max-examples {text}: it should be a number from 1")
    return number


def parse_seconds(text: str) -> float:
    """Return the number of seconds that the text states.

    Raises:
        RequestError: it is no positive number.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise RequestError(f"--example-timeout {text}: it should be a number of seconds, as 2.5")
    return seconds


def _fail_on(value: str | None) -> bool:
    if value not in {None, "", "suspicious"}:
        raise RequestError(f"--fail-on {value}: the only choice is suspicious")
    return value == "suspicious"


def _repro_dir(value: str | None) -> Path | None:
    if value == NOWHERE:
        return None
    folder = Path(value) if value else DEFAULT_REPRO_DIR
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"--repro-dir {folder}: this is a file, and should be a folder")
    return folder


def _stated(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    from harness.inputs.spec import read_input_spec

    spec = read_input_spec(Path(path))
    return {"domains": spec.domains, "known": spec.known}


def _paths(value: list[str] | None) -> tuple[Path, ...]:
    return tuple(Path(path) for path in value or ())


def parse_names(text: str | None) -> tuple[str, ...]:
    """Return the names of a comma-separated list."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
