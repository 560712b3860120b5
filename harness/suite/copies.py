"""What options name by URLs, copied to this machine: once in a run, and removed at its end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RequestError
from harness.options import Option, is_url
from harness.subject import Copy, said
from harness.wheel import require_tensorflow, startup_noise_kept_back

_HANDED = "freezeproof_copies"


class Copies:
    """A plugin that copies what URLs name, and hands the copies to the workers of pytest-xdist."""

    def __init__(self, config: pytest.Config, *, prepare: Callable[[], None]) -> None:
        """Copy nothing yet; `prepare` is called first, for file systems that packages bring."""
        self._config = config
        self._prepare = prepare
        self._folder: Path | None = None
        self._made: dict[str, Copy] = {}
        for key, parts in getattr(config, "workerinput", {}).get(_HANDED, {}).items():
            copy = Copy(path=Path(parts[0]), folder=Path(parts[1]), url=parts[2])
            if copy.folder.is_dir():  # a worker may be on another machine
                self._made[key] = copy

    @property
    def made(self) -> tuple[Copy, ...]:
        """The copies that stand for URLs so far."""
        return tuple(self._made.values())

    def said(self, text: str) -> str:
        """Return `text` with URLs in the place of what was copied from them."""
        return said(text, self.made)

    def localised(self, option: Option, value: Any) -> Any:
        """Return the value of an option with paths of copies in the place of URLs.

        Raises:
            RequestError: nothing is behind a URL, or the option takes none.
        """
        if option.is_path and isinstance(value, str):
            return self._local(option, value)
        if option.is_path and isinstance(value, list):
            return [self._local(option, each) for each in value]
        return value

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Hand the copies to a worker of pytest-xdist, which may be on this machine."""
        node.workerinput[_HANDED] = {
            key: [str(copy.path), str(copy.folder), copy.url] for key, copy in self._made.items()
        }

    def _local(self, option: Option, value: str) -> str:
        if not is_url(value):
            return value
        if not option.url:
            raise RequestError(f"{option.flag} {value}: it should be a file of this machine")
        key = f"{option.url} {value}"
        if key not in self._made:
            self._made[key] = self._fetched(option, value)
        return str(self._made[key].path)

    def _fetched(self, option: Option, url: str) -> Copy:
        require_tensorflow()
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"freezeproof: copying {url}")  # which may take its time
        with startup_noise_kept_back():
            from harness.models import remote

            self._prepare()
            fetch = remote.fetch_model if option.url == "model" else remote.fetch_file
            return fetch(url, self._new_folder(), option=option.flag)

    def _new_folder(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="freezeproof-"))
            self._config.add_cleanup(self._remove)
        # By itself, since two URLs may name different files of one name.
        return Path(tempfile.mkdtemp(dir=self._folder))

    def _remove(self) -> None:
        shutil.rmtree(str(self._folder), ignore_errors=True)
