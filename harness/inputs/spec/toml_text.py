"""Keys and values as TOML text, for the input-spec file and for what is said of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST = 60


def key_text(name: str) -> str:
    """Return a key: as it is where TOML takes it so, else in quotes."""
    return name if _BARE.fullmatch(name) else value_text(name)


def value_text(value: Any) -> str:
    """Return a value on one line. Bytes are the string that they encode, or their hex digits."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = _decoded(value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key_text(key)} = {value_text(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, str):
        # The escapes of JSON are those of TOML, which wants DEL escaped too.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _decoded(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"hex": value.hex()}


def shortened(value: Any) -> str:
    """Return a value as it stands in the file, cut where it is long."""
    text = value_text(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
