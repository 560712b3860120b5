"""What options state, and the usage errors of those that state nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.criteria import Close, Criterion, Exact
from harness.domain import Domain, Range
from harness.errors import RequestError
from harness.exporters.registry import method_names
from harness.options import (
    OPTIONS,
    OpSources,
    Option,
    Settings,
    is_url,
    parse_max_examples,
    parse_methods,
    parse_seconds,
    parse_tolerance,
    read_settings,
    subjects_of,
)
from harness.subject import Copy, Request


def settings_of(**raw: Any) -> Settings:
    """The settings of a command line that states these options alone."""
    assert raw.keys() <= {option.name for option in OPTIONS}
    return read_settings(lambda option: raw.get(option.name))


def test_no_option_leaves_the_defaults() -> None:
    assert settings_of() == Settings(methods=method_names())


def test_empty_values_of_the_ini_file_leave_the_defaults() -> None:
    empty = {option.name: [] if option.repeatable else "" for option in OPTIONS}
    assert settings_of(**empty) == settings_of()


def test_every_option_is_read() -> None:
    settings = settings_of(
        checkpoint=["a", "b"],
        meta_graph="a.meta",
        frozen=["a.pb"],
        inputs="x, y:1,",
        outputs="z",
        signature="serving",
        tags="serve,gpu",
        op_library=["ops/a.so"],
        export_methods="direct",
        max_examples="7",
        example_timeout="2.5",
        tolerance="exact",
        moving_averages=True,
        fail_on="suspicious",
        report_json="out/report.json",
        repro_dir="out/failed",
        **{"import": ["my_ops", " tensorflow_text.python ", ""]},
    )
    assert settings == Settings(
        checkpoints=(Path("a"), Path("b")),
        meta_graph=Path("a.meta"),
        frozen=(Path("a.pb"),),
        inputs=("x", "y:1"),
        outputs=("z",),
        signature_key="serving",
        tags=("serve", "gpu"),
        ops=OpSources(modules=("my_ops", "tensorflow_text.python"), libraries=(Path("ops/a.so"),)),
        methods=("direct",),
        max_examples=7,
        example_seconds=2.5,
        tolerance=Exact(),
        moving_averages=True,
        fail_on_suspicious=True,
        report_json=Path("out/report.json"),
        repro_dir=Path("out/failed"),
    )


def test_the_input_spec_is_read(tmp_path: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text("[inputs.ids]\nrange = [0, 49]\n[[known_outputs]]\nfeeds = { ids = [3] }\n")
    settings = settings_of(input_spec=str(spec))
    assert settings.domains == {"ids": Domain(values=Range(low=0, high=49))}
    assert [known.feeds for known in settings.known] == [{"ids": (3,)}]


def test_what_the_input_spec_states_is_asked_of_every_model(tmp_path: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text("[inputs.ids]\nrange = [0, 49]\n[[known_outputs]]\nfeeds = { ids = [3] }\n")
    settings = settings_of(input_spec=str(spec), checkpoint=["a", "b"])
    for subject in subjects_of(settings):
        request = subject.locate()
        assert (request.domains, request.known) == (settings.domains, settings.known)


def test_an_input_spec_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"--input-spec .*none\.toml: No such file"):
        settings_of(input_spec=str(tmp_path / "none.toml"))


def test_what_fails_is_kept_unless_nobody_wants_it() -> None:
    assert settings_of().repro_dir == Path(".freezeproof")
    assert settings_of(repro_dir="none").repro_dir is None


def test_what_fails_cannot_be_kept_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(RequestError, match=r"--repro-dir .*file: this is a file"):
        settings_of(repro_dir=str(file))
    assert settings_of(repro_dir=str(tmp_path)).repro_dir == tmp_path


def test_an_option_is_typed_with_dashes_and_kept_apart_from_other_plugins() -> None:
    (option,) = (option for option in OPTIONS if option.name == "max_examples")
    assert option.flag == "--max-examples"
    assert option.ini == option.destination == "freezeproof_max_examples"


def test_option_names_are_unique() -> None:
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)


# ---- values


def test_all_and_none_name_every_method_and_no_method() -> None:
    assert parse_methods("all") == method_names()
    assert parse_methods("none") == ()


def test_methods_are_named_once_and_in_the_order_asked_for() -> None:
    assert parse_methods("direct, freeze_graph,direct") == ("direct", "freeze_graph")


def test_an_unknown_method_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        RequestError, match=r"--export-methods freeze_grph: .*nearest: freeze_graph"
    ):
        parse_methods("direct,freeze_grph")


def test_a_method_like_no_other_is_answered_with_all() -> None:
    with pytest.raises(RequestError, match=r"there are freeze_graph, .*direct"):
        parse_methods("xyz")


@pytest.mark.parametrize(
    ("text", "criterion"),
    [
        ("exact", Exact()),
        ("close:1e-4", Close(rtol=1e-4)),
        ("close:0", Close(rtol=0.0)),
        ("close:0.999", Close(rtol=0.999)),
    ],
)
def test_a_tolerance_is_exact_or_close(text: str, criterion: Criterion) -> None:
    assert parse_tolerance(text) == criterion


@pytest.mark.parametrize(
    "text",
    ["", "close", "close:", "close:x", "close:-1", "close:1", "close:nan", "close:inf", "1e-4"],
)
def test_another_tolerance_is_a_usage_error(text: str) -> None:
    with pytest.raises(RequestError, match=r"should be exact or close:RTOL, as close:1e-4"):
        parse_tolerance(text)


@pytest.mark.parametrize("criterion", [Exact(), Close(rtol=1e-4), Close(rtol=0.25)])
def test_a_tolerance_is_read_as_it_is_told(criterion: Criterion) -> None:
    assert parse_tolerance(str(criterion)) == criterion


@pytest.mark.parametrize("text", ["0", "-3", "many", "1.5", "inf"])
def test_a_number_of_examples_is_from_one(text: str) -> None:
    with pytest.raises(RequestError, match=f"--max-examples {text}: it should be a number from 1"):
        parse_max_examples(text)


@pytest.mark.parametrize("text", ["0", "-3", "long", "inf", "nan"])
def test_a_time_limit_is_a_number_of_seconds(text: str) -> None:
    with pytest.raises(RequestError, match=f"--example-timeout {text}: it should be a number of"):
        parse_seconds(text)


def test_fail_on_takes_one_word() -> None:
    with pytest.raises(RequestError, match="--fail-on warning: the only choice is suspicious"):
        settings_of(fail_on="warning")


@pytest.mark.parametrize("name", ["my-ops", "ops/double.so", "./my_ops", "a,b", ".ops"])
def test_a_module_is_named_as_python_imports_it(name: str) -> None:
    with pytest.raises(RequestError, match="it should be a module's name, as tensorflow_text"):
        settings_of(**{"import": [name]})


@pytest.mark.parametrize("value", ["gs://bucket/run", "s3://b", "hdfs:///x", "a+b.c-1://x"])
def test_a_scheme_makes_a_url(value: str) -> None:
    assert is_url(value)


@pytest.mark.parametrize("value", ["runs/model.ckpt", "C:/runs", "://x", "1s://x", "a/gs://x", ""])
def test_a_path_is_no_url(value: str) -> None:
    assert not is_url(value)


def test_models_are_asked_for_when_all_else_is_read() -> None:
    """What a URL names is copied when it is asked for: not before a typo elsewhere is told."""
    asked: list[str] = []

    def get(option: Option) -> None:
        asked.append(option.name)

    read_settings(get)
    assert asked[-3:] == ["checkpoint", "meta_graph", "frozen"]


# ---- subjects


def test_no_checkpoint_makes_no_subject() -> None:
    assert subjects_of(settings_of()) == ()


def test_a_subject_carries_what_the_options_state() -> None:
    (subject,) = subjects_of(
        settings_of(
            checkpoint=["runs/model.ckpt-7"],
            meta_graph="a.meta",
            inputs="x",
            outputs="y",
            signature="serving",
            tags="serve",
            export_methods="direct",
            max_examples="7",
            example_timeout="2",
            tolerance="close:0.5",
            moving_averages=True,
        )
    )
    assert subject.name == "model.ckpt-7"
    assert subject.locate() == Request(
        path=Path("runs/model.ckpt-7"),
        meta_graph=Path("a.meta"),
        inputs=("x",),
        outputs=("y",),
        signature_key="serving",
        tags=("serve",),
        moving_averages=True,
    )
    assert [candidate.name for candidate in subject.candidates] == ["direct"]
    assert (subject.max_examples, subject.example_seconds) == (7, 2)
    assert subject.tolerance == Close(rtol=0.5)


def test_a_subject_knows_what_was_copied_from_where() -> None:
    copy = Copy(path=Path("/copies/1/model"), folder=Path("/copies/1"), url="gs://bucket/run")
    (subject,) = subjects_of(settings_of(checkpoint=[str(copy.path)]), copies=(copy,))
    assert subject.locate().said(f"of {copy.path}") == "of gs://bucket/run/model"


def test_each_checkpoint_keeps_its_own_path() -> None:
    subjects = subjects_of(settings_of(checkpoint=["a/model", "b/model"]))
    assert [subject.name for subject in subjects] == ["model", "model#2"]
    assert [subject.locate().path for subject in subjects] == [Path("a/model"), Path("b/model")]


def test_files_stand_beside_methods(tmp_path: Path) -> None:
    shipped = tmp_path / "shipped.pb"
    shipped.touch()
    (subject,) = subjects_of(
        settings_of(checkpoint=["model"], export_methods="direct", frozen=[str(shipped)])
    )
    assert [candidate.name for candidate in subject.candidates] == ["direct", "shipped.pb"]


def test_a_file_alone_is_no_subject() -> None:
    with pytest.raises(RequestError, match=r"--frozen needs a reference: .* --checkpoint PATH"):
        subjects_of(settings_of(frozen=["a.pb"]))


def test_no_method_and_no_file_compare_nothing() -> None:
    with pytest.raises(RequestError, match="leaves nothing to compare: add --frozen PATH"):
        subjects_of(settings_of(checkpoint=["model"], export_methods="none"))


def test_a_file_that_does_not_exist_is_answered_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "shipped.pb").touch()
    with pytest.raises(RequestError, match=r"shiped\.pb: no such file; nearest: shipped\.pb"):
        subjects_of(settings_of(checkpoint=["model"], frozen=[str(tmp_path / "shiped.pb")]))


def test_a_file_in_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"none/a\.pb: no such file$"):
        subjects_of(settings_of(checkpoint=["model"], frozen=[str(tmp_path / "none" / "a.pb")]))
