"""Domains as in training."""

from __future__ import annotations

from harness.domain import Choices, Domain, Phase, Range
from harness.inputs.phases import in_training

RATE = Domain(shape=(), values=Phase(inference=1.0, training=0.5), default=1.0, read_from="keep")
IDS = Domain(values=Range(low=0, high=9))


def test_a_phase_is_always_as_in_training() -> None:
    changed = in_training({"rate": RATE, "ids": IDS})
    assert changed == {
        "rate": Domain(shape=(), values=Choices(values=(0.5,)), read_from="keep"),
        "ids": IDS,
    }


def test_without_a_phase_there_is_no_training() -> None:
    assert in_training({"ids": IDS}) is None
    assert in_training({}) is None


def test_the_domains_themselves_stay_as_they_are() -> None:
    domains = {"rate": RATE}
    in_training(domains)
    assert domains == {"rate": RATE}
