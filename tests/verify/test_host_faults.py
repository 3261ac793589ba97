"""Faults under the driver, a few sessions; `make verify` has more."""

from __future__ import annotations

from ranvier.verify.host_faults import run_host_faults


def test_the_driver_gives_the_model_s_results_or_one_error() -> None:
    tally = run_host_faults(6, seed=3)
    assert tally.failures == []
    assert tally.recovered > 0
    assert sum(tally.injected.values()) > 5
