"""The steps of an export, in order: what is shown while they run."""

from __future__ import annotations

import enum
from collections.abc import Callable


class Step(enum.Enum):
    """One step, by what it does."""

    BUILD = "building the graph"
    READ = "reading graph and checkpoint"
    CHECKPOINT = "writing the checkpoint"
    FREEZE = "freezing"
    SAVED_MODEL = "writing the SavedModel"
    VERIFY = "verifying"
    MANIFEST = "writing the manifest"
    MOVE_ASIDE = "moving the old export aside"
    MOVE_IN = "moving the new export into its place"
    CLEAN = "removing the old export"


Show = Callable[[Step], None]
"""Called when a step begins."""


def show_nothing(step: Step) -> None:
    """Show nothing."""
    del step
