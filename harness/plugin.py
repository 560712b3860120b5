"""The pytest plugin: options, collection of the suite, fixtures, and the report at the end.

No domain logic is here: options are read by `options`, stages run by `proof`, shown by `report`.
TensorFlow is imported no earlier than a model is opened.
"""

from __future__ import annotations

import random
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import __version__
from harness.errors import BrokenModel, FreezeproofError, RequestError
from harness.options import OPTIONS, Option, Settings, read_settings, subjects_of
from harness.subject import Candidate, Subject
from harness.verdict import Report, Stage, StageRecord, StageResult, Status, gather
from harness.wheel import require_tensorflow, tensorflow_version

if TYPE_CHECKING:
    from harness.proof import ForAll, Proof

SUITE = Path(__file__).parent / "suite" / "test_model.py"
SUITE_ID = "freezeproof"
"""Node ids of the suite begin with this, in whichever folder the package is installed."""

PROPERTY = "freezeproof"
_MANY_MODELS = 5
_ORDER = ("is_restored", "can_be_frozen", "is_exported", "is_reloaded", "are_identical",
          "outputs_agree", "was_compared", "is_suspicious")  # fmt: skip


class Run:
    """What one pytest run verifies, and what it found so far."""

    def __init__(self, settings: Settings, subjects: tuple[Subject, ...], *, seed: int) -> None:
        """Nothing is opened yet."""
        self.settings = settings
        self.subjects = subjects
        self.seed = seed
        self.header: list[str] = []
        self.records: list[StageRecord] = []
        self._proofs: dict[str, Proof] = {}
        self._current: str | None = None

    def proof(self, subject: Subject, folder: Callable[[], Path]) -> Proof:
        """Return the proof of a subject; the sessions of the one before are closed."""
        from harness.proof import Proof

        if self._current not in {None, subject.name}:
            self._proofs[str(self._current)].close()
        self._current = subject.name
        if subject.name not in self._proofs:
            self._proofs[subject.name] = Proof(subject.locate(), folder=folder())
        return self._proofs[subject.name]

    def close(self) -> None:
        """Close every session."""
        for proof in self._proofs.values():
            proof.close()

    def report(self) -> Report:
        """Return what was found."""
        return Report(
            freezeproof=__version__,
            tensorflow=tensorflow_version(),
            python=".".join(map(str, sys.version_info[:3])),
            models=gather(self.records),
        )


RUN = pytest.StashKey[Run]()


class Hooks:
    """Hooks that other plugins and conftest files may implement."""

    @pytest.hookspec
    def pytest_freezeproof_subjects(self, config: pytest.Config) -> list[Subject]:  # type: ignore[empty-body]
        """Return models to verify in a run that names none with --checkpoint."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hook by which a conftest adds models."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, on the command line and in the ini file."""
    group = parser.getgroup("freezeproof", "verify frozen TensorFlow graphs (freezeproof)")
    for option in OPTIONS:
        if option.metavar:
            group.addoption(
                option.flag,
                dest=option.destination,
                metavar=option.metavar,
                action="append" if option.repeatable else "store",
                default=None,
                help=option.help,
            )
        else:
            group.addoption(
                option.flag, dest=option.destination, action="store_true", help=option.help
            )
        kind = "args" if option.repeatable else "string" if option.metavar else "bool"
        parser.addini(
            option.ini, option.help, type=kind, default=[] if option.repeatable else None
        )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the options; open each model to check the names given; choose what is collected."""
    if config.option.help or getattr(config.option, "version", False):
        return
    try:
        _configure(config)
    except RequestError as error:
        raise pytest.UsageError(str(error)) from None


def _configure(config: pytest.Config) -> None:
    settings = read_settings(lambda option: _raw(config, option))
    subjects = subjects_of(settings)
    named = bool(config.getoption("freezeproof_checkpoint"))
    if not subjects:
        found = config.hook.pytest_freezeproof_subjects(config=config)
        subjects = tuple(subject for some in found for subject in some)
    if not subjects:
        return
    run = Run(settings, subjects, seed=_seed(config))
    config.stash[RUN] = run
    require_tensorflow()
    if settings.checkpoints and not hasattr(config, "workerinput"):
        run.header = [line for subject in subjects for line in _describe(subject)]
    _choose_arguments(config, named=named)
    config.pluginmanager.register(_Scheduling(subjects), "freezeproof-scheduling")


def _raw(config: pytest.Config, option: Option) -> Any:
    value = config.getoption(option.destination)
    return value if value else config.getini(option.ini)


def _seed(config: pytest.Config) -> int:
    given = config.getoption("--hypothesis-seed", None)
    if given is None:
        return 0
    if given == "random":
        # Drawn once, and sent to the workers of pytest-xdist with the other options.
        given = config.option.hypothesis_seed = str(random.SystemRandom().getrandbits(32))
    return int(given)


def _describe(subject: Subject) -> list[str]:
    """Open a model for what its graph says; a broken one is left to the stage `restore`.

    Raises:
        RequestError: a name that the user gives does not exist in the model.
    """
    from harness.inputs.strategies import from_signature
    from harness.models.opening import open_model
    from harness.report.terminal import signature_lines

    request = subject.locate()
    try:
        model = open_model(request)
    except BrokenModel as error:
        return [f"reference {subject.name}: {request.path} cannot be used: {error}"]
    from_signature(model.signature, domains=subject.domains)
    kind = model.kind.replace("_", " ")
    return [
        f"reference {subject.name}: {kind} {model.path}",
        *signature_lines(
            model.signature.inputs,
            model.signature.outputs,
            inferred=(model.inputs_inferred, model.outputs_inferred),
        ),
    ]


def _choose_arguments(config: pytest.Config, *, named: bool) -> None:
    """Collect the suite: alone where --checkpoint is given, beside the folder's tests elsewhere.

    Where the user names files to run, those are run; ids of the suite are translated to its file.
    """
    given = config.args_source is pytest.Config.ArgsSource.ARGS
    if given:
        config.args = [
            f"{SUITE}{argument.removeprefix(SUITE_ID)}"
            if argument.split("::")[0] == SUITE_ID
            else argument
            for argument in config.args
        ]
    elif named:
        config.args = [str(SUITE)]
    elif str(SUITE) not in config.args:
        config.args = [*config.args, str(SUITE)]


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is verified and how."""
    run = config.stash.get(RUN, None)
    if run is None:
        return []
    settings = run.settings
    if not settings.checkpoints:
        return [f"freezeproof {__version__}: {len(run.subjects)} models of this folder"]
    return [
        f"freezeproof {__version__}, TensorFlow {tensorflow_version()}",
        *run.header,
        f"  {settings.max_examples} examples a stage, seed {run.seed}; outputs: bit for bit, "
        f"deployed: {settings.tolerance}; moving averages: "
        f"{'yes' if settings.moving_averages else 'no'}",
    ]


class SuiteModule(pytest.Module):
    """The suite's module under a short id, whatever functions the user's ini lets pytest collect."""

    def funcnamefilter(self, name: str) -> bool:
        """Accept the suite's own names, but for a test that has to be asked for."""
        asked = self.config.stash[RUN].settings.fail_on_suspicious
        return name.startswith("test_") and (asked or name != "test_nothing_is_suspicious")


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Give the suite's module its short id."""
    if module_path == SUITE and RUN in parent.config.stash:
        module: pytest.Module = SuiteModule.from_parent(parent, path=module_path, nodeid=SUITE_ID)
        return module
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one item of the suite a model, and where it takes one, a candidate."""
    if metafunc.module.__name__ != "harness.suite.test_model":
        return
    run = metafunc.config.stash[RUN]
    subjects = run.subjects
    if "candidate" in metafunc.fixturenames:
        pairs = [(subject, candidate) for subject in subjects for candidate in subject.candidates]
        ids = [f"{subject.name}-{candidate.name}" for subject, candidate in pairs]
        metafunc.parametrize(("subject", "candidate"), pairs, ids=ids)
    else:
        metafunc.parametrize("subject", subjects, ids=[subject.name for subject in subjects])


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    """Order the suite model by model and candidate by candidate, so that few sessions are open."""
    run = config.stash.get(RUN, None)
    if run is None:
        return
    rank = {subject.name: index for index, subject in enumerate(run.subjects)}
    suite = [item for item in items if isinstance(item.parent, SuiteModule)]
    others = [item for item in items if not isinstance(item.parent, SuiteModule)]
    items[:] = others + sorted(suite, key=lambda item: _position(item, rank))


def _position(item: pytest.Item, rank: dict[str, int]) -> tuple[int, int, int, int]:
    params = item.callspec.params  # type: ignore[attr-defined]
    subject = params["subject"]
    stage = next(i for i, mark in enumerate(_ORDER) if mark in item.name.partition("[")[0])
    if "candidate" not in params:
        return rank[subject.name], (0 if stage < 2 else 2), 0, stage
    return rank[subject.name], 1, subject.candidates.index(params["candidate"]), stage


class _Scheduling:
    """Keep all items of a model on one worker of pytest-xdist: it is restored there once."""

    def __init__(self, subjects: tuple[Subject, ...]) -> None:
        self._names = sorted((subject.name for subject in subjects), key=len, reverse=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        if config.getoption("dist") != "load":
            return None  # the user chose another way
        from xdist.scheduler import LoadScopeScheduling

        scope_of = self._scope_of

        class ByModel(LoadScopeScheduling):  # type: ignore[misc]
            def _split_scope(self, nodeid: str) -> str:
                return scope_of(nodeid)

        return ByModel(config, log)

    def _scope_of(self, nodeid: str) -> str:
        if not nodeid.startswith(f"{SUITE_ID}::"):
            return nodeid.partition("::")[0]  # by file: fixtures of a module are built once
        parameters = nodeid.partition("[")[2].removesuffix("]")
        names = (n for n in self._names if parameters == n or parameters.startswith(f"{n}-"))
        return f"{SUITE_ID}[{next(names, parameters)}]"


@pytest.fixture(scope="session")
def _freezeproof_run(request: pytest.FixtureRequest) -> Iterator[Run]:
    run = request.config.stash[RUN]
    yield run
    run.close()


@pytest.fixture
def proof(
    subject: Subject, _freezeproof_run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Proof:
    """The stages of the model under test, each run once."""
    return _freezeproof_run.proof(subject, lambda: tmp_path_factory.mktemp("freezeproof"))


@pytest.fixture
def for_all(
    subject: Subject, candidate: Candidate, _freezeproof_run: Run, request: pytest.FixtureRequest
) -> Iterator[ForAll]:
    """Examples of feeds for the model under test, the same for every stage and candidate."""
    from harness.suite.examples import for_all_examples

    progress = _progress(request, f"{subject.name}-{candidate.name}", subject.max_examples)
    yield for_all_examples(
        domains=subject.domains,
        max_examples=subject.max_examples,
        seed=_freezeproof_run.seed,
        progress=progress,
    )
    progress.close()


@pytest.fixture
def settle(
    request: pytest.FixtureRequest, subject: Subject, _freezeproof_run: Run
) -> Callable[[StageResult], None]:
    """Record the result of a stage, and end the test as it ended."""
    candidate = request.node.callspec.params.get("candidate")

    def settle_result(result: StageResult) -> None:
        record = StageRecord(
            model=subject.name,
            result=result,
            candidate=candidate.name if candidate else None,
            method=candidate.method if candidate else None,
            facts=_freezeproof_run.proof(subject, Path).facts() if candidate is None else None,
        )
        request.node.user_properties.append((PROPERTY, record.to_json()))
        if result.status is Status.FAILED:
            pytest.fail(f"{result.stage}: {result.reason}\n{_again(request)}", pytrace=False)
        if result.status is not Status.PASSED:
            pytest.skip(f"{result.status}: {result.reason}")

    return settle_result


def _again(request: pytest.FixtureRequest) -> str:
    """Return the command that runs this item alone."""
    config = request.config
    arguments = [a for a in config.invocation_params.args if not str(a).startswith(SUITE_ID)]
    nodeid = request.node.nodeid
    return f"reproduce with: pytest {shlex.join([*map(str, arguments), nodeid])}"


def _progress(request: pytest.FixtureRequest, label: str, total: int) -> Any:
    from harness.report.progress import Progress

    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(request.config, "workerinput"):
        return Progress(label, total, rewrite=None, write_line=lambda text: None)
    started = False

    def rewrite(text: str) -> None:
        nonlocal started
        if not started:
            reporter.ensure_newline()
            started = True
        reporter.rewrite(text, erase=True)

    return Progress(
        label,
        total,
        rewrite=rewrite if reporter.isatty else None,
        write_line=lambda text: reporter.write_line(text),
    )




@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Gather the records of the tests, here or sent by the workers."""
    if RUN in session.config.stash:
        session.config.pluginmanager.register(
            _Gathering(session.config.stash[RUN]), "freezeproof-gathering"
        )


class _Gathering:
    """Takes the records off the test reports."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == PROPERTY:
                self._run.records.append(StageRecord.from_json(str(value)))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report."""
    run = session.config.stash.get(RUN, None)
    if run is None or hasattr(session.config, "workerinput"):
        return
    path = run.settings.report_json
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(run.report().to_json(), encoding="utf-8")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    run = config.stash.get(RUN, None)
    if run is None or not run.records:
        return
    from harness.report.terminal import render, render_brief

    models = run.report().models
    terminalreporter.section("freezeproof")
    if len(models) > _MANY_MODELS:
        # Over many models the tables of those that agree would bury the others.
        terminalreporter.write_line("\n".join(render_brief(models)))
        models = tuple(model for model in models if model.stage is not None)
    writer = terminalreporter._tw
    text = render(models, width=writer.fullwidth, color=writer.hasmarkup)
    terminalreporter.write_line(text)
    if run.settings.report_json is not None:
        terminalreporter.write_line(f"report: {run.settings.report_json}")
