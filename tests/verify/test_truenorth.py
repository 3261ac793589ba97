"""The long evidence of TrueNorth's neuron: random networks on a fabric with random numbers and on one without."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.progress import bar
from ranvier.rtl.forms.technology import CHECKED, CHECKED_UP5K, Technology
from ranvier.sim.simulator import Simulator
from ranvier.verify.random_networks import random_inputs, random_network
from tests.in_rtl import equal_in_rtl
from tests.model.run.test_golden import compare

pytestmark = pytest.mark.verify

NETWORKS, PLAIN = 100, 1000


def fabric(random: int) -> FabricConfig:
    """One core without random numbers, three with them and with windows; other widths than `make test` has."""
    lanes, sweep = (8, 4) if random else (4, 1)
    return FabricConfig(
        cores=3 if random else 1, state_bits=24 if random else 14, weight_bits=4, input_bits=6, word_bits=32, spike_depth=4096, levels=24,
        neurons="truenorth", random=random, windows=random,
        core=CoreConfig(lanes=lanes, sweep_lanes=sweep, program_depth=1024, row_depth=128, weight_depth=8192, state_depth=512,
                        drive_depth=512, dynamics_depth=512, readout_depth=1),
        input=InputConfig(sweep_lanes=2, row_depth=8, state_depth=256, drive_depth=256, dynamics_depth=256))


@pytest.mark.parametrize("random", [0, 1])
def test_reference_against_golden(random: int, share: float) -> None:
    for seed in range(round(PLAIN * share)):
        rng = np.random.default_rng([21, random, seed])
        network = random_network(rng, fabric(random), wide=bool(seed % 2))
        steps = int(rng.integers(1, 12))
        compare(network, random_inputs(rng, network, 2, steps), steps, endless=bool(rng.integers(2)), note=f"seed {seed}")


@pytest.mark.whole
@pytest.mark.parametrize(("random", "technology"), [(0, CHECKED_UP5K), (1, CHECKED)], ids=["plain", "random"])
def test_the_rtl_equals_the_model(random: int, technology: Technology, share: float) -> None:
    """Every spike, membrane, counter and clock of 100 networks on each fabric."""
    networks, spikes = max(3, round(NETWORKS * share)), 0
    about = f"{networks} networks of TrueNorth's neurons"
    with Simulator(fabric(random), technology=technology) as compiled, bar(about, networks) as update:
        for seed in range(networks):
            spikes += equal_in_rtl(compiled, fabric(random), 1000 + seed).spikes
            update(seed + 1)
    assert spikes > 10 * networks
