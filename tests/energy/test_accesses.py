"""Counts of memory accesses: the model's are those of the enables in simulated RTL."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.fabric.accesses import Accesses, count_accesses
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.layout import Memory, memory_map
from ranvier.model.fabric.run import run_model
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.sim.probe import Probed, probe_run
from ranvier.verify.random_networks import random_inputs, random_network

#: What `tailor` cuts down to a network's size.
SMALL = FabricConfig(
    cores=2, core=CoreConfig(lanes=4, sweep_lanes=2), input=InputConfig(sweep_lanes=2), word_bits=8, delays=3, reads_back=0)


def small_network() -> Network:
    """Two layers, a delay, a recurrence and an exponent."""
    rng = np.random.default_rng(3)

    def weights(rows: int, columns: int) -> np.ndarray:
        return rng.integers(-7, 8, (rows, columns))
    return Network(
        (Population("pixels", 9, "input", theta=255), Population("hidden", 7, "lif", theta=20), Population("out", 3, "li")),
        (Projection.dense("pixels", "hidden", weights(9, 7)), Projection.dense("hidden", "hidden", weights(7, 7), delay=2),
         Projection.dense("hidden", "out", weights(7, 3), exponent=1)))


def counted(network: Network, config: FabricConfig, inputs: dict[str, np.ndarray], steps: int) -> tuple[Accesses, Probed]:
    """The model's counts of a run, and those of the RTL."""
    placement = map_network(network, config)
    windows = len(next(iter(inputs.values())))
    run = run_model(placement, inputs, steps)
    return count_accesses(placement, run.cycles, steps, windows), probe_run(placement, inputs, steps)


def check(model: Accesses, rtl: Probed, config: FabricConfig) -> None:
    """Every count is equal, and ports that nobody gates are enabled in every clock."""
    assert {(a.unit, a.memory): (a.reads, a.writes) for a in model.memories} == {
        where: (rtl.reads[where], rtl.writes[where]) for where in rtl.reads}
    assert (model.hops, model.busy) == (rtl.hops, rtl.busy)
    for (unit, memory), clocks in rtl.enabled.items():
        assert memory == Memory.PROGRAM or clocks == rtl.observed, f"unit {unit}: {memory.name}"
    assert {a.unit for a in model.memories} == set(range(config.nodes))


def test_the_model_counts_what_the_rtl_does() -> None:
    """Reads and writes of every memory of every unit, hops, and busy clocks; two windows of three steps."""
    network = small_network()
    config = tailor(network, SMALL)
    inputs = {"pixels": np.random.default_rng(4).integers(0, 256, (2, 9), dtype=np.uint8)}
    model, rtl = counted(network, config, inputs, 3)
    check(model, rtl, config)
    found = {memory: sum(a.reads + a.writes for a in model.memories if a.memory == memory) for memory in Memory}
    assert all(found[memory] for memory in Memory if memory != Memory.COUNTERS), "a memory took no part"


def test_values_of_each_step_are_written_each_step() -> None:
    """The host's writes follow the banks."""
    network = small_network()
    placement = map_network(network, tailor(network, SMALL))
    inputs = {"pixels": np.full((2, 3, 9), 200, np.uint8)}
    run = run_model(placement, inputs, 3)
    held, each = (count_accesses(placement, run.cycles, 3, 2, per_step=flag) for flag in (False, True))

    def writes(found: Accesses) -> int:
        return next(a.writes for a in found.memories if a.memory == Memory.INPUTS)
    assert writes(each) == 3 * writes(held) > 0


def test_words_are_as_wide_as_their_memories() -> None:
    """An access says how wide its word is, and how deep its memory."""
    network = small_network()
    config = tailor(network, SMALL)
    placement = map_network(network, config)
    run = run_model(placement, {"pixels": np.zeros((1, 9), np.uint8)}, 2)
    for access in count_accesses(placement, run.cycles, 2, 1).memories:
        layout = memory_map(config, config.unit(access.unit))[access.memory]
        assert (access.bits, access.depth) == (layout.bits, layout.depth)


@pytest.mark.verify
def test_random_networks_are_counted_as_the_rtl_does_it(share: float) -> None:
    """Convolutions with loops, counts of several bits, currents and resets in the next tick, on fabrics of their size."""
    rich = SMALL.replace(word_bits=32, spike_bits=2, windows=1, currents=1, next_tick=1, levels=16, delays=15)
    roomy = rich.replace(
        core={"program_depth": 4096, "row_depth": 512, "weight_depth": 1 << 14, "state_depth": 512, "drive_depth": 512,
              "dynamics_depth": 512, "readout_depth": 128},
        input={"row_depth": 8, "state_depth": 256, "drive_depth": 256, "dynamics_depth": 256}, spike_depth=4096)
    for seed in range(max(2, round(12 * share))):
        rng = np.random.default_rng(seed)
        network = random_network(rng, roomy, max_neurons=12, max_hidden=2, seed=seed)
        config = tailor(network, rich)
        inputs = random_inputs(rng, network, 2, 3)
        held = {name: values[:, 0] if values.ndim == 3 else values for name, values in inputs.items()}
        check(*counted(network, config, held, 3), config)
