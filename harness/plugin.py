"""The pytest plugin: options, what is collected, and the report at the end.

No domain logic is here: options are read by `options`, stages run by `proof`, shown by `report`.
TensorFlow is imported no earlier than a model is opened.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import __version__
from harness.errors import BrokenModel, RequestError, file_error
from harness.locate import locate
from harness.options import (
    NOWHERE,
    OPTIONS,
    OpSources,
    Option,
    is_url,
    read_op_sources,
    read_settings,
    subjects_of,
)
from harness.subject import Subject, with_distinct_names
from harness.suite.collection import (
    SUITE,
    SUITE_ID,
    SuiteModule,
    file_argument,
    in_order,
    parametrize,
)
from harness.suite.copies import Copies
from harness.suite.run import RUN, Gathering, Run
from harness.suite.scheduling import Scheduling
from harness.wheel import require_tensorflow, startup_noise_kept_back, tensorflow_version

_MANY_MODELS = 5
_SEED = "freezeproof_seed"


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
        group.addoption(option.flag, dest=option.destination, **option.keywords)
        if not option.metavar:
            parser.addini(option.ini, option.help, type="bool", default=False)
        elif option.repeatable:
            parser.addini(option.ini, option.help, type="args", default=[])
        else:
            parser.addini(option.ini, option.help, type="string", default="")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the options; open each model to check the names given; choose what is collected."""
    if config.option.help or config.option.version:
        return

    def given(option: Option) -> Any:
        return _raw(config, option)

    copies = Copies(config, prepare=lambda: _register(read_op_sources(given)))
    try:
        _configure(config, copies, lambda option: copies.localised(option, given(option)))
    except RequestError as error:
        raise pytest.UsageError(copies.said(str(error))) from None
    except OSError as error:
        raise pytest.UsageError(copies.said(file_error(error))) from None


def _configure(config: pytest.Config, copies: Copies, get: Callable[[Option], Any]) -> None:
    settings = read_settings(get)
    if settings.repro_dir is not None:
        # A test that changes the working folder does not move it.
        folder = config.invocation_params.dir / settings.repro_dir
        settings = replace(settings, repro_dir=folder)
    subjects = subjects_of(settings, copies=copies.made)
    if not subjects:
        found = config.hook.pytest_freezeproof_subjects(config=config)
        subjects = with_distinct_names(subject for some in found for subject in some)
    if not subjects:
        return
    require_tensorflow()
    run = Run(settings, subjects, seed=_seed(config))
    is_described = bool(settings.checkpoints) and not hasattr(config, "workerinput")
    if is_described:
        for subject in subjects:
            locate(subject.locate().path)  # before TensorFlow is imported, which takes seconds
    with startup_noise_kept_back():
        _register(settings.ops)
    if is_described:
        with startup_noise_kept_back():
            run.header = [line for subject in subjects for line in _describe(subject)]
    if settings.report_json is not None and not hasattr(config, "workerinput"):
        _check_writable(settings.report_json)
    config.stash[RUN] = run
    _choose_arguments(config)
    from harness.suite import fixtures

    config.pluginmanager.register(fixtures, "freezeproof-fixtures")
    config.pluginmanager.register(Gathering(run), "freezeproof-gathering")
    names = (subject.name for subject in subjects)
    config.pluginmanager.register(Scheduling(names), "freezeproof-scheduling")
    config.pluginmanager.register(copies, "freezeproof-copies")


def _register(ops: OpSources) -> None:
    if ops:
        from harness.models.registering import register_ops

        register_ops(ops.modules, ops.libraries)


def _check_writable(path: Path) -> None:
    """Make the folder of a report now: a long run must not end in a report that has no place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise RequestError(f"--report-json {path}: this is no file that can be written")


def _raw(config: pytest.Config, option: Option) -> Any:
    given = config.getoption(option.destination)
    if given == "" and NOWHERE in option.words:
        return NOWHERE
    if given or not option.is_path or config.inipath is None:
        return given or config.getini(option.ini)
    # As pytest does with paths of its own: an ini file's are relative to the ini file.
    stated = config.getini(option.ini)
    folder = config.inipath.parent
    if option.repeatable:
        return [path if is_url(path) else str(folder / path) for path in stated]
    is_relative = stated and not is_url(stated) and stated not in option.words
    return str(folder / stated) if is_relative else stated


def _seed(config: pytest.Config) -> int:
    given = config.getoption("--hypothesis-seed", None)
    if given is None:
        return 0
    if given == "random":
        # Drawn once: the workers of pytest-xdist are told, which read the command line again.
        handed = getattr(config, "workerinput", {}).get(_SEED)
        given = handed or str(random.SystemRandom().getrandbits(32))
        config.option.hypothesis_seed = given
    try:
        return int(given)
    except ValueError:
        raise RequestError(f"--hypothesis-seed {given}: it should be a number, or random") from None


def _describe(subject: Subject) -> list[str]:
    """Open a model for what its graph says; a broken one is left to the stage `restore`.

    Raises:
        RequestError: a name that the user gives does not exist in the model.
    """
    from harness.inputs.strategies import from_signature
    from harness.known import check_stated
    from harness.models.opening import open_model
    from harness.report.terminal import signature_lines

    request = subject.locate()
    try:
        model = open_model(request)
    except BrokenModel as error:
        said = f"reference {subject.name}: {request.path} cannot be used: {error}"
        return [request.said(said)]
    from_signature(model.signature, domains=request.domains)
    for known in request.known:
        check_stated(known, model.signature)
    return [
        request.said(f"reference {subject.name}: {model.kind.replace('_', ' ')} {model.path}"),
        *signature_lines(
            model.signature.inputs,
            model.signature.outputs,
            inferred=(model.inputs_inferred, model.outputs_inferred),
            cuts=model.cuts,
        ),
    ]


def _choose_arguments(config: pytest.Config) -> None:
    """Collect the suite: alone where --checkpoint is given, beside the folder's tests elsewhere.

    Where the user names files, the suite runs beside them if --checkpoint is given too; where the
    user names items of the suite, those run and no others.
    """
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    asked = bool(config.getoption("freezeproof_checkpoint"))
    arguments = [file_argument(argument) for argument in config.args] if named else config.args
    has_suite = any(argument.startswith(str(SUITE)) for argument in arguments)
    if not named and asked:
        arguments = [str(SUITE)]
    elif not has_suite and (asked or not named):
        arguments = [*arguments, str(SUITE)]
    config.args = arguments


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist the seed."""
    run = node.config.stash.get(RUN, None)
    if run is not None:
        node.workerinput[_SEED] = str(run.seed)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is verified and how."""
    run = config.stash.get(RUN, None)
    if run is None:
        return []
    settings = run.settings
    if not settings.checkpoints:
        return [f"freezeproof {__version__}: {len(run.subjects)} models of this folder"]
    averages = "; moving averages" if settings.moving_averages else ""
    how = (
        f"  {settings.max_examples} examples a stage, seed {run.seed}; outputs: bit for bit, "
        f"deployed: {settings.tolerance}{averages}"
    )
    return [f"freezeproof {__version__}, TensorFlow {tensorflow_version()}", *run.header, how]


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
    if metafunc.definition.getparent(SuiteModule) is not None:
        parametrize(metafunc, metafunc.config.stash[RUN].subjects)


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    """Order the suite model by model."""
    run = config.stash.get(RUN, None)
    if run is not None:
        items[:] = in_order(items, run.subjects)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report."""
    run = session.config.stash.get(RUN, None)
    if run is None or hasattr(session.config, "workerinput"):
        return
    path = run.settings.report_json
    if path is not None:
        from harness.report.json_text import write_report

        try:
            path.write_text(write_report(run.report()), encoding="utf-8")
        except OSError as error:
            run.report_error = f"the report could not be written: {path}: {error.strerror}"
            session.exitstatus = session.exitstatus or pytest.ExitCode.INTERNAL_ERROR


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
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
    writer = config.get_terminal_writer()
    tolerances = {subject.name: str(subject.tolerance) for subject in run.subjects}
    terminalreporter.write_line(
        render(models, width=writer.fullwidth, color=writer.hasmarkup, tolerances=tolerances)
    )
    if run.report_error:
        terminalreporter.write_line(run.report_error)
    elif run.settings.report_json is not None and config.get_verbosity() >= 0:
        terminalreporter.write_line(f"report: {run.settings.report_json}")
