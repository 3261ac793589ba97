"""Fabrics of Izhikevich's and of Hodgkin and Huxley's neurons against the model: every spike, state word, counter and clock."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.neurons.axon_bound import step_bounds, step_errors
from ranvier.rtl.forms.technology import CHECKED
from ranvier.sim.simulator import Simulator
from tests.in_rtl import equal_in_rtl

# Compiling and running both takes minutes.
pytestmark = [pytest.mark.verify, pytest.mark.whole]

NETWORKS, STATES = 200, 10_000_000
CONFIG = FabricConfig(
    cores=1, state_bits=18, weight_bits=4, input_bits=6, word_bits=8, spike_depth=2048, levels=24,
    core=CoreConfig(lanes=4, sweep_lanes=1, program_depth=1024, row_depth=128, weight_depth=8192, state_depth=512, drive_depth=512,
                    dynamics_depth=512, readout_depth=512),
    input=InputConfig(sweep_lanes=2, row_depth=4, state_depth=128, drive_depth=128, dynamics_depth=128))


@pytest.mark.parametrize("neurons", ["izhikevich", "hodgkin_huxley"])
def test_the_rtl_equals_the_model(neurons: str) -> None:
    config = CONFIG.replace(neurons=neurons)
    spikes = clamps = 0
    with Simulator(config, technology=CHECKED) as compiled:
        for seed in range(NETWORKS):
            equal = equal_in_rtl(compiled, config, seed)
            spikes, clamps = spikes + equal.spikes, clamps + equal.clamps
    assert spikes > 500 and clamps > 500, f"{spikes} spikes and {clamps} clamps on cores"


def test_no_step_of_ten_million_leaves_its_bound() -> None:
    """The bound of `axon_bound`, which is a sum of worst cases, against random states."""
    bounds, rng, chunk = step_bounds(18), np.random.default_rng(6), 250_000
    for _ in range(STATES // chunk):
        for name, error in step_errors(rng, chunk, 18).items():
            assert error <= bounds[name], f"{name}: {error:.3g} of {bounds[name]:.3g}"
