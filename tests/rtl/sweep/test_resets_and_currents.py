"""A fabric with resets in the next tick and synaptic currents against golden model and cycle model: every word, counter and clock."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.mapping.mapper import map_network
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.network.semantics import Semantics
from ranvier.sim.simulator import Simulator
from ranvier.verify.evidence import check_batch

#: Readouts are in their rows' last place, so the next tick's first group comes as soon as it can.
CONFIG = FabricConfig(
    cores=1, state_bits=14, weight_bits=4, input_bits=6, word_bits=4, spike_depth=64, levels=6, delays=3, next_tick=1, currents=1,
    core=CoreConfig(lanes=4, sweep_lanes=2, program_depth=64, row_depth=16, weight_depth=256, state_depth=32, drive_depth=32,
                    dynamics_depth=32, readout_depth=8),
    input=InputConfig(sweep_lanes=2, row_depth=2, state_depth=8, drive_depth=8, dynamics_depth=8))
MOMENTS = [("subtract", "same_tick"), ("subtract", "next_tick"), ("value", "same_tick"), ("value", "next_tick"), ("value", "old_v"),
           ("none", "same_tick")]


def random_network(rng: np.random.Generator) -> Network:
    """An input, two populations that spike, each of any kind, reset, moment and current, and a readout."""
    def neurons(name: str, kinds: tuple[str, ...], spiking: bool) -> Population:
        kind, size = str(rng.choice(kinds)), int(rng.integers(2, 8))
        reset, moment = MOMENTS[rng.integers(len(MOMENTS))] if spiking else ("none", "same_tick")
        current = {"current": str(rng.choice(["after", "before"]))} if kind.startswith("cuba") else {}
        found = {"theta": rng.integers(1, 40, size), "v_min": rng.integers(-300, -50, size), "v_max": rng.integers(50, 300, size),
                 "bias": rng.integers(-3, 4, size), "v_reset": rng.integers(-20, 20, size), "v_init": rng.integers(-9, 9, size)}
        if kind != "if":
            found["k"] = rng.integers(40000, 65537, size)
        if current:
            found |= {"k_i": rng.integers(20000, 65537, size), "i_min": rng.integers(-200, -20, size), "i_max": rng.integers(20, 200, size),
                      "i_init": rng.integers(-9, 9, size)}
        return Population(name, size, kind, found, semantics=Semantics(
            strict=bool(rng.integers(2)), reset=reset, reset_moment=moment, **current))

    spiking = ("if", "lif", "cubalif", "cubalif")
    populations = [Population("in", 6, "input", {"theta": 20}), neurons("a", spiking, True), neurons("b", spiking, True),
                   neurons("out", ("li", "cubali"), False)]
    projections = [Projection.dense(source.name, destination.name, rng.integers(-7, 8, (source.size, destination.size)))
                   for source, destination in zip(populations, populations[1:], strict=False)]
    projections.append(Projection.dense("b", "a", rng.integers(-7, 8, (populations[2].size, populations[1].size)), delay=1))
    return Network(tuple(populations), tuple(projections), state_bits=14, weight_bits=4, input_bits=6)


@pytest.fixture(scope="module")
def fabric() -> Simulator:
    return Simulator(CONFIG)


def test_fabric_and_model_agree(fabric: Simulator, seed: int) -> None:
    rng = np.random.default_rng(seed)
    moments: set[tuple[str, str]] = set()
    flags, currents = 0, 0
    with fabric:
        for number in range(40):
            network = random_network(rng)
            placement = map_network(network, CONFIG)
            fabric.load(placement)
            check = check_batch(placement, fabric, {"in": rng.integers(0, 64, (3, 5, 6))}, 5)
            assert check.mismatch is None, f"seed {seed}, network {number}: {check.mismatch}"
            moments |= {(p.semantics.reset, p.semantics.reset_moment) for p in network.populations if p.spiking}
            flags += sum(int(words["flag"].sum()) for words in check.golden.states.values() if "flag" in words)
            currents += sum(int(np.abs(words["i"]).sum()) for words in check.golden.states.values() if "i" in words)
    assert moments >= set(MOMENTS) and flags > 20 and currents > 1000
