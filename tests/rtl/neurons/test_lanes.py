"""The pipelines of the neurons with every combination of options, against the model's step."""

from __future__ import annotations

from pathlib import Path

from ranvier.sim.bench import run_bench
from ranvier.sim.neuron_blocks import NEURONS


def test_every_option_steps_as_the_model_does(simulator: str, seed: int, tmp_path: Path) -> None:
    assert run_bench("neurons", "neuron_lanes", simulator, folder=tmp_path, seed=seed) == len(NEURONS)
