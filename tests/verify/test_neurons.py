"""The pipelines of the neurons with every combination of options, longer than in `make test`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranvier.sim.bench import run_bench
from ranvier.sim.neuron_blocks import NEURONS

pytestmark = [pytest.mark.verify, pytest.mark.whole]

SEEDS = 10


def test_every_option_steps_as_the_model_does(tmp_path: Path) -> None:
    """40,000 steps of each combination of options."""
    for seed in range(2, 2 + SEEDS):
        assert run_bench("neurons", "neuron_lanes", "verilator", folder=tmp_path / str(seed), seed=seed) == len(NEURONS)
