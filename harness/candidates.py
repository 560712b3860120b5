"""The candidates of one reference: what was exported, and what was read of it so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial

from harness.correspondence import Correspondence, NormalModel, form_of
from harness.criteria import Array
from harness.diagnosis import evidence
from harness.divergence.side_by_side import Side
from harness.errors import BrokenModel, RequestError
from harness.exporters.method import Export
from harness.memo import Feeds, digest
from harness.models.candidate import identity, open_candidate, open_outline
from harness.models.model import Model
from harness.models.proto_file import making_sense_of
from harness.reproduction.folder import Evidence
from harness.runners import REFERENCE, Runners
from harness.runtime import Mode, Runner
from harness.subject import Candidate

Keyed = Callable[..., Mapping[str, Array]]


class Candidates:
    """What stands on disk for each candidate, and each as a model, as an outline and as a session.

    The outline lacks the large constants, which stay in the file: a graph of gigabytes is matched
    in seconds, and imported in minutes.
    """

    def __init__(self, reference: Callable[[], Model], runners: Runners) -> None:
        """Read nothing yet; `reference` gives the model that they are held against."""
        self._open_reference = reference
        self._runners = runners
        self._exports: dict[str, Export] = {}
        self._models: dict[str, Model] = {}
        self._identities: dict[str, str] = {}
        self._outlines: dict[str, Model] = {}
        self._correspondences: dict[str, Correspondence] = {}

    def add(self, candidate: Candidate, export: Export) -> None:
        """Keep where the candidate stands on disk."""
        self._exports[candidate.name] = export

    def exported(self, candidate: Candidate) -> Export | None:
        """Return the candidate on disk; None where there is none."""
        return self._exports.get(candidate.name)

    def reloaded(self, candidate: Candidate) -> Model:
        """Read the candidate, and open a session if it can be run and no other is the same graph.

        Raises:
            BrokenModel: it cannot be read or imported, or lacks an input or output.
        """
        export = self._exports[candidate.name]
        signature = self._open_reference().signature
        try:
            model = open_candidate(export.path, signature=signature, names=export.names)
        except RequestError as error:
            raise BrokenModel(str(error)) from error
        self._models[candidate.name] = model
        self._identities[candidate.name] = identity(model)
        runner = self.runner(candidate, Mode.STRICT)
        if not runner.was_opened and not self.is_left_with_variables(candidate):
            runner.open()
        return model

    def is_left_with_variables(self, candidate: Candidate) -> bool:
        """Say whether it was reloaded, and an exporter left variables in it without values."""
        model = self._models.get(candidate.name)
        return model is not None and bool(model.variables) and model.checkpoint_prefix is None

    def outline(self, candidate: Candidate) -> Model:
        """Return the candidate without its large constants.

        Raises:
            BrokenModel, RequestError, OSError: it cannot be read, or lacks an input or output.
        """
        if candidate.name not in self._outlines:
            export = self._exports[candidate.name]
            self._outlines[candidate.name] = open_outline(
                export.path, signature=self._open_reference().signature, names=export.names
            )
        return self._outlines[candidate.name]

    def correspondence(self, candidate: Candidate) -> Correspondence:
        """Return how the candidate corresponds to the reference.

        Raises:
            BrokenModel, RequestError, OSError: as `outline`, or no sense can be made of a graph.
        """
        if candidate.name not in self._correspondences:
            outline = self.outline(candidate)
            reference = self._reference
            with making_sense_of(outline.path):
                self._correspondences[candidate.name] = Correspondence(
                    reference, NormalModel(model=outline, form=form_of(outline))
                )
        return self._correspondences[candidate.name]

    @cached_property
    def _reference(self) -> NormalModel:
        model = self._open_reference()
        with making_sense_of(model.path):
            return NormalModel(model=model, form=form_of(model))

    def runner(self, candidate: Candidate, mode: Mode) -> Runner:
        """Return what runs a candidate that was reloaded; those of one graph share it."""
        name = candidate.name
        return self._runners.runner(self._identities[name], self._models[name], mode)

    def run(self, candidate: Candidate, mode: Mode) -> Keyed:
        """Return what gives a candidate's outputs by the reference's names, and remembers them."""
        model = self._models[candidate.name]
        memo = self._runners.memo(self._identities[candidate.name], model, mode)
        signature = self._open_reference().signature
        inputs = dict(zip(signature.input_names, model.signature.input_names, strict=True))
        outputs = dict(zip(model.signature.output_names, signature.output_names, strict=True))

        # Candidates that are one graph share what it computed, but not if they name it otherwise.
        naming = repr(inputs).encode()

        def run(feeds: Feeds, *, key: bytes) -> Mapping[str, Array]:
            renamed = memo({inputs[name]: value for name, value in feeds.items()}, key=key + naming)
            return {outputs[name]: value for name, value in renamed.items()}

        return run

    def evidence(self, candidate: Candidate, mode: Mode, feeds: Feeds) -> Evidence:
        """Return the feeds with what both sides make of them."""
        reference = self._runners.runner(REFERENCE, self._open_reference(), mode)
        return evidence(feeds, reference, partial(self.run(candidate, mode), key=digest(feeds)))

    def sides(self, candidate: Candidate, mode: Mode) -> tuple[Side, Side]:
        """Return reference and candidate, each with what runs it."""
        reference = self._open_reference()
        return (
            Side(reference, self._runners.runner(REFERENCE, reference, mode)),
            Side(self._models[candidate.name], self.runner(candidate, mode)),
        )

    def close(self, candidate: Candidate) -> None:
        """Close the candidate's sessions; what they computed is remembered."""
        self._runners.close(self._identities[candidate.name])
