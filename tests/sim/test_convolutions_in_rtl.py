"""Convolutions in the compiled fabric, in the forms of an ECP5 and of an iCE40: every word, membrane, counter and clock as in the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ranvier.mapping.mapper import map_network
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.rtl.forms.technology import CHECKED, CHECKED_UP5K, Technology
from ranvier.sim.simulator import Simulator
from ranvier.verify.evidence import check_batch


def fabric(cores: int, sweep_lanes: int, word_bits: int, **more: Any) -> FabricConfig:
    return FabricConfig(
        cores=cores, word_bits=word_bits, spike_depth=4096, levels=16, delays=3, state_bits=20, windows=1,
        core=CoreConfig(lanes=8, sweep_lanes=sweep_lanes, program_depth=4096, row_depth=1024, weight_depth=16384, state_depth=4096,
                        drive_depth=2048, dynamics_depth=2048, readout_depth=256),
        input=InputConfig(sweep_lanes=2, row_depth=8, state_depth=1024, drive_depth=1024, dynamics_depth=1024), **more)


FABRICS: dict[str, tuple[FabricConfig, Technology]] = {
    "planes ECP5": (fabric(2, 2, 16, spike_bits=2, next_tick=1, currents=1), CHECKED),
    "UP5K": (fabric(1, 1, 8, queue_depth=3), CHECKED_UP5K),
}


@pytest.fixture(scope="module", params=list(FABRICS))
def simulator(request: pytest.FixtureRequest) -> Iterator[tuple[FabricConfig, Simulator]]:
    """Each fabric, compiled once."""
    config, technology = FABRICS[request.param]
    with Simulator(config, technology=technology) as made:
        yield config, made


def drawn(rng: np.random.Generator, spike_bits: int) -> Network:
    """Input, two convolutions with borders, strides and channels of all kinds, an all-to-all layer, and one back into an image."""
    height, width, channels = (int(n) for n in rng.integers(1, (9, 9, 4)))
    source = Population("in", (height, width, channels), "input", theta=int(rng.integers(1, 200)))
    populations, projections = [source], []
    for name in ("a", "b"):
        before = populations[-1]
        while True:
            (kh, kw), dilation = rng.integers(1, 4, 2), rng.integers(1, 3, 2)
            extent = dilation * (np.array([kh, kw]) - 1) + 1
            groups = int(rng.choice([1, before.shape[2]]))
            channels = int(rng.integers(9, 14)) if rng.random() < 0.2 and groups == 1 else groups * int(rng.integers(1, 4))
            made = Projection.conv(before.name, name, rng.integers(-8, 8, (kh, kw, before.shape[2] // groups, channels)),
                                   stride=tuple(rng.integers(1, 4, 2).tolist()), dilation=tuple(dilation.tolist()), groups=groups,
                                   padding=tuple(int(rng.integers(0, extent[side // 2])) for side in range(4)),  # type: ignore[arg-type]
                                   exponent=int(rng.integers(0, 2)), delay=int(rng.integers(0, 2)))
            height, width = made.output_size(before)
            if min(height, width) >= 1:
                break
        theta = rng.integers(1, 20, channels if rng.random() < 0.8 else height * width * channels)
        populations.append(Population(name, (height, width, channels), "if", theta=theta))
        projections.append(made)
    populations += [Population("d", 4, "lif", theta=9, k=50000), Population("out", 3, "li")]
    size = populations[2].size
    projections += [Projection.dense("b", "d", rng.integers(-8, 8, (size, 4))),
                    Projection.dense("d", "b", rng.integers(-3, 3, (4, size)), delay=1),
                    Projection.dense("b", "out", rng.integers(-8, 8, (size, 3)))]
    return Network(tuple(populations), tuple(projections), spike_bits=spike_bits, state_bits=20)


@pytest.mark.parametrize("seed", range(10))
def test_convolutions(simulator: tuple[FabricConfig, Simulator], seed: int) -> None:
    config, made = simulator
    rng = np.random.default_rng(seed)
    network = drawn(rng, config.spike_bits)
    placement = map_network(network, config)
    made.load(placement)
    check = check_batch(placement, made, {"in": rng.integers(0, 256, (2, network.by_name["in"].size))}, 5)
    assert check.mismatch is None, f"seed {seed}: {check.mismatch}"


def test_a_loop_is_run_and_left(simulator: tuple[FabricConfig, Simulator]) -> None:
    """Two images with loops behind one another on a core, in several windows."""
    config, made = simulator
    network = Network((Population("in", (7, 5, 2), "input", theta=90), Population("a", (7, 5, 3), "if", theta=3),
                       Population("b", (4, 3, 2), "if", theta=4)),
                      (Projection.conv("in", "a", np.arange(54).reshape(3, 3, 2, 3) % 13 - 5, padding=1),
                       Projection.conv("a", "b", np.arange(54).reshape(3, 3, 3, 2) % 11 - 4, padding=1, stride=2)),
                      spike_bits=config.spike_bits, state_bits=20)
    placement = map_network(network, config)
    assert sum(loop.passes for loops in placement.loops for loop in loops) == 7 + 4
    made.load(placement)
    values = np.random.default_rng(0).integers(0, 256, (3, 70))
    check = check_batch(placement, made, {"in": values}, 4)
    assert check.mismatch is None, str(check.mismatch)
    assert check.golden.spikes["b"].any() and check.recording.words.shape[0] > 0
