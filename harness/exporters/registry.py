"""The export methods by name: those of this package and those that others register.

A distribution registers a `Method` under the entry point group `freezeproof.exporters`. Names are
listed without importing TensorFlow, and so are the summaries of this package's methods; the modules
behind them are imported when a method is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from harness.errors import RequestError, nearest

if TYPE_CHECKING:
    from harness.exporters.method import Method

GROUP = "freezeproof.exporters"


@dataclass(frozen=True, kw_only=True)
class _Own:
    """A method of this package: where it is, and its summary, told without importing it."""

    value: str
    summary: str


_OWN = {
    "freeze_graph": _Own(
        value="harness.exporters.freeze_graph:METHOD",
        summary="tools.freeze_graph on .meta and checkpoint",
    ),
    "freeze_graph_graphdef": _Own(
        value="harness.exporters.freeze_graph_graphdef:BINARY",
        summary="tools.freeze_graph on a binary GraphDef and checkpoint",
    ),
    "freeze_graph_graphdef_text": _Own(
        value="harness.exporters.freeze_graph_graphdef:TEXT",
        summary="tools.freeze_graph on a text GraphDef and checkpoint",
    ),
    "freeze_graph_saved_model": _Own(
        value="harness.exporters.freeze_graph_saved_model:METHOD",
        summary="tools.freeze_graph on a SavedModel",
    ),
    "convert_variables_to_constants": _Own(
        value="harness.exporters.convert_variables_to_constants:METHOD",
        summary="graph_util.convert_variables_to_constants on a session",
    ),
    "session_graph": _Own(
        value="harness.exporters.session_graph:METHOD",
        summary="convert_variables_to_constants_from_session_graph on a session",
    ),
    "def_protos": _Own(
        value="harness.exporters.def_protos:METHOD",
        summary="freeze_graph_with_def_protos with GraphDef and SaverDef",
    ),
    "constants_v2": _Own(
        value="harness.exporters.constants_v2:METHOD",
        summary="convert_variables_to_constants_v2 on a wrapped function",
    ),
    "saved_model": _Own(
        value="harness.exporters.saved_model:METHOD",
        summary="a SavedModel, written and read again",
    ),
    "direct": _Own(
        value="harness.exporters.direct:METHOD",
        summary="our own rewriting of the GraphDef, with no session",
    ),
}


def method_names() -> tuple[str, ...]:
    """Return the names of all registered methods: this package's, then others' by name."""
    return (*_OWN, *sorted(name for name in _registered() if name not in _OWN))


def method_summaries() -> dict[str, str]:
    """Return what each method does, by name; those of other distributions are imported for it."""
    own = {name: method.summary for name, method in _OWN.items()}
    return {name: own.get(name) or _summary_of_another(name) for name in method_names()}


def _summary_of_another(name: str) -> str:
    try:
        return load_method(name).summary
    except RequestError as error:
        return str(error).partition(": ")[2]


def load_method(name: str) -> Method:
    """Return the method called `name`.

    Raises:
        RequestError: there is none, or the distribution that registered it cannot be imported.
    """
    from harness.exporters.method import Method

    point = _own(name) or _registered().get(name)
    if point is None:
        raise unknown_method(name)
    try:
        method = point.load()
    except Exception as error:  # code of another distribution: anything may come out of it
        raise RequestError(
            f"--export-methods {name}: {point.value} cannot be loaded: {error}"
        ) from error
    if not isinstance(method, Method):
        raise RequestError(
            f"--export-methods {name}: {point.value} is a {type(method).__name__}, "
            f"not a harness.exporters.method.Method"
        )
    return method


def unknown_method(name: str) -> RequestError:
    """Return the error for a name that no method has."""
    known = method_names()
    hint = nearest(name, known) or f"; there are {', '.join(known)}"
    return RequestError(f"--export-methods {name}: no such method{hint}")


def _own(name: str) -> EntryPoint | None:
    own = _OWN.get(name)
    return EntryPoint(name=name, value=own.value, group=GROUP) if own else None


def _registered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
