"""What can go wrong, sorted by whose it is to mend.

`RequestError` is the command's: an option that names nothing. `BrokenModel` is the model's: the
files cannot be used. `Unsupported` is nobody's: a method that cannot serve this model. The plugin
turns them into a usage error, a failed item and a skip with a reason; none is shown as a traceback.
"""

from __future__ import annotations

import difflib
import heapq
import re
from collections.abc import Collection, Iterable, Sequence

_COMPARABLE = 500
"""So many names difflib compares in a tenth of a second, however long they are."""
_FUNCTION = re.compile(r"\{\{function_node [^}]*\}\}\s*")
_NODE = re.compile(
    r"^\s*\[\[(?:\{\{function_node [^}]*\}\}\s*)?(?:\{\{node ([^}]+)\}\}|([^\[\]{}]+))\]\]",
    re.MULTILINE,
)


class FreezeproofError(Exception):
    """Base of every error that this package raises on purpose."""


class RequestError(FreezeproofError):
    """The command asks for something that does not exist; the message says what does."""


class BrokenModel(FreezeproofError):
    """The model's files cannot be used; the message names the file, node or variable."""


class Unsupported(FreezeproofError):
    """A method cannot serve this model; the message is the reason that the report prints."""


class Rejected(FreezeproofError):
    """A graph refuses its feeds; `kind` is the class of the error ("InvalidArgumentError").

    `nodes` are those that the error names: where it arose first, then the calls that lead there.
    """

    def __init__(self, kind: str, message: str, *, nodes: Sequence[str] = ()) -> None:
        """Keep the error's class apart from its text: both sides must agree on the class."""
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.nodes = tuple(nodes)

    def again(self) -> Rejected:
        """Return the same error, to be raised once more: the first gathers tracebacks."""
        return Rejected(self.kind, self.message, nodes=self.nodes)


class TimedOut(FreezeproofError):
    """An example ran longer than `seconds`: nothing is known of these feeds.

    No `Rejected`: whether it happens depends on the machine, and on what else runs there.
    """

    def __init__(self, seconds: float) -> None:
        """Keep the limit."""
        super().__init__(f"it ran longer than {seconds:g} s")
        self.seconds = seconds

    def again(self) -> TimedOut:
        """Return the same error, to be raised once more: the first gathers tracebacks."""
        return TimedOut(self.seconds)


def file_error(error: OSError) -> str:
    """Return "PATH: Permission denied", for an error of the operating system."""
    what = error.strerror or str(error)
    return what if error.filename is None else f"{error.filename}: {what}"


def nearest(name: str, choices: Iterable[str], *, limit: int = 3) -> str:
    """Return "; nearest: a, b" for the names in `choices` that resemble `name`, or ""."""
    listed = sorted(set(choices))
    folded = {choice.lower(): choice for choice in listed}
    likely = _likely(name.lower(), folded)
    close = difflib.get_close_matches(name.lower(), likely, n=limit, cutoff=0.5)
    if not close:
        # A name typed without its scope ("Softmax" for "cls_fc/Softmax") is far by edit distance.
        close = [lower for lower in folded if lower.rsplit("/", 1)[-1] == name.lower()][:limit]
    return f"; nearest: {', '.join(folded[match] for match in close)}" if close else ""


def _likely(name: str, choices: Collection[str]) -> Collection[str]:
    """Return the few of many choices that hold most pairs of letters of `name`.

    Of those that hold as many, the closest in length.
    """
    if len(choices) <= _COMPARABLE:
        return choices
    pairs = {name[index : index + 2] for index in range(len(name) - 1)}

    def likeness(choice: str) -> tuple[int, int]:
        return sum(map(choice.__contains__, pairs)), -abs(len(choice) - len(name))

    return heapq.nlargest(_COMPARABLE, choices, key=likeness)


def first_line(error: BaseException) -> str:
    """Return what an error of TensorFlow says, without the graph's own traceback."""
    text = getattr(error, "message", None) or str(error)
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    # TensorFlow 2 puts "Graph execution error:" and the node's traceback, with source lines, first;
    # they end in "Node: 'name'".
    named = [index for index, line in enumerate(lines) if line.startswith("Node: ")]
    # Of functions it gives the names that tracing made up, once or twice.
    for line in (_FUNCTION.sub("", line) for line in lines[named[-1] + 1 if named else 0 :]):
        if line and not line.startswith(
            ("Graph execution error", "Detected at node", 'File "', "Traceback")
        ):
            return line if len(line) <= 300 else f"{line[:299]}…"
    return type(error).__name__


def failing_nodes(error: BaseException) -> tuple[str, ...]:
    """Return the nodes that an error of TensorFlow names: where it arose, then what called that.

    It ends in lines like "[[{{node embedding_lookup}}]]" and "[[PartitionedCall]]".
    """
    text = getattr(error, "message", None) or str(error)
    return tuple(dict.fromkeys(inner or outer for inner, outer in _NODE.findall(str(text))))


def listed(names: Sequence[str], *, limit: int = 3) -> str:
    """Return "a, b, c and 4 more"."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{', '.join(names[:limit])}{more}"
