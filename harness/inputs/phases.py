"""Feeds as they are in training: what the outputs show then is no proof, but worth a warning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.domain import Choices, Domain, Phase


def in_training(domains: Mapping[str, Domain]) -> dict[str, Domain] | None:
    """Return the domains with every phase as in training; None where no input is a phase."""
    changed = {
        name: replace(
            domain, values=Choices(values=(domain.values.training,)), landmarks=(), default=None
        )
        for name, domain in domains.items()
        if isinstance(domain.values, Phase)
    }
    return {**domains, **changed} if changed else None


def fed_in_training(domains: Mapping[str, Domain]) -> str:
    """Return what the phases are in training: "is_training = True, keep_prob = 0.5"."""
    phases = {name: d.values for name, d in domains.items() if isinstance(d.values, Phase)}
    return ", ".join(f"{name} = {phase.training}" for name, phase in phases.items())
