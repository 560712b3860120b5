"""What a test does with a stage that failed: keep it, and say how it is seen again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.criteria import Criterion
from harness.errors import FreezeproofError, file_error
from harness.reproduction.folder import Evidence, replay_line, write_reproduction
from harness.reproduction.record import REPLAYED, reproduction_of
from harness.subject import Candidate, Request
from harness.verdict import Stage, StageResult, Status


def keep_failure(
    directory: Path | None,
    request: Request,
    result: StageResult,
    *,
    model: str,
    candidate: Candidate,
    export: Path,
    names: Mapping[str, str],
    evidence: Evidence | None,
    tolerance: Criterion,
    example_seconds: float,
    imports: Iterable[str] = (),
    op_libraries: Iterable[Path] = (),
    command: str = "",
) -> str:
    """Keep a failed stage in `directory` and return the line that replays it.

    The line is "" where there is nothing to keep: the stage compares nothing, or outputs failed
    without any feeds that show a difference. That it could not be kept is no failure of its own.
    """
    if directory is None or result.status is not Status.FAILED or result.stage not in REPLAYED:
        return ""
    if evidence is None and result.stage in {Stage.OUTPUTS, Stage.DEPLOYED}:
        return ""
    try:
        reproduction = reproduction_of(
            request,
            model=model,
            candidate=candidate,
            export=export,
            result=result,
            tolerance=tolerance,
            example_seconds=example_seconds,
            names=names,
            imports=imports,
            op_libraries=op_libraries,
            command=command,
        )
        folder = write_reproduction(directory, reproduction, evidence=evidence, export=export)
    except OSError as error:
        return f"nothing was kept to replay: {file_error(error)}"
    except (FreezeproofError, ValueError) as error:
        return f"nothing was kept to replay: {error}"
    return replay_line(folder)
