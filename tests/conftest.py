"""For all tests: no deadline for an example of a law, and the engine model compiled before anybody waits for it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import hypothesis

if TYPE_CHECKING:
    import pytest

hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts its background jobs so, and what is ignored stays ignored in every process that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the model once, where each worker and each process of a test would do it at the same time."""
    if session.config.getoption("numprocesses", None) and not hasattr(session.config, "workerinput"):
        from tenbin_planner.model import simulation, stepwise  # noqa: PLC0415 - heavy, and needed here alone
        from tenbin_spec import catalogue  # noqa: PLC0415

        simulation.warm_up()
        stepwise.warm_up(next(iter(catalogue.profiles().values())))
