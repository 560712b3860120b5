"""The export methods by name: those of this package and those that others register.

A distribution registers a `Method` under the entry point group `freezeproof.exporters`. Names are
listed without importing TensorFlow; the modules behind them are imported when a method is used.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from harness.errors import RequestError, nearest

if TYPE_CHECKING:
    from harness.exporters.method import Method

GROUP = "freezeproof.exporters"

_OWN = {
    "freeze_graph": "harness.exporters.freeze_graph:METHOD",
    "freeze_graph_graphdef": "harness.exporters.freeze_graph_graphdef:BINARY",
    "freeze_graph_graphdef_text": "harness.exporters.freeze_graph_graphdef:TEXT",
    "freeze_graph_saved_model": "harness.exporters.freeze_graph_saved_model:METHOD",
    "convert_variables_to_constants": "harness.exporters.convert_variables_to_constants:METHOD",
    "session_graph": "harness.exporters.session_graph:METHOD",
    "def_protos": "harness.exporters.def_protos:METHOD",
    "constants_v2": "harness.exporters.constants_v2:METHOD",
    "saved_model": "harness.exporters.saved_model:METHOD",
    "direct": "harness.exporters.direct:METHOD",
}


def method_names() -> tuple[str, ...]:
    """Return the names of all registered methods: this package's, then others' by name."""
    return (*_OWN, *sorted(name for name in _registered() if name not in _OWN))


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
    value = _OWN.get(name)
    return EntryPoint(name=name, value=value, group=GROUP) if value else None


def _registered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
