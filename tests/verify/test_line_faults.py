"""Faults on the line of the compiled device, a few of each kind; `make verify` has ten thousand."""

from __future__ import annotations

from ranvier.verify.line_faults import run_line_faults


def test_the_device_executes_whole_commands_or_nothing() -> None:
    tally = run_line_faults(300, seed=7, noise_bytes=5_000)
    assert tally.failures == []
    assert tally.executed > 20
    assert tally.dropped > 100
    assert len(tally.injected) >= 16
    assert tally.words_compared > 0
