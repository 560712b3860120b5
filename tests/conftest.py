"""Settings of the harness's own tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A slow machine is no fault of the code under test.
settings.register_profile(
    "freezeproof-tests", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("freezeproof-tests")
