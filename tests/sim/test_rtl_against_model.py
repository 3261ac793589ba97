"""The compiled fabric against the model: equal where it should be, and a difference is found where one is made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ranvier.mapping.mapper import map_network
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.image import control_address, memory_image
from ranvier.model.fabric.layout import Control, Counter, Memory
from ranvier.model.network.network import Network
from ranvier.rtl.forms.technology import CHECKED, CHECKED_UP5K
from ranvier.sim.simulator import Simulator
from ranvier.verify.campaign import draw_case
from ranvier.verify.evidence import check_batch, one_flipped_bit
from ranvier.verify.random_networks import random_inputs, random_network

DEEP = {"program_depth": 1024, "row_depth": 128, "weight_depth": 8192, "state_depth": 512, "drive_depth": 512,
        "dynamics_depth": 512, "readout_depth": 128}


def fabric(cores: int, lanes: int, sweep_lanes: int, input_lanes: int, word_bits: int) -> FabricConfig:
    """A fabric whose memories hold any of the tests' networks."""
    return FabricConfig(
        cores=cores, core=CoreConfig(lanes=lanes, sweep_lanes=sweep_lanes, **DEEP), word_bits=word_bits, spike_depth=4096,
        levels=24,
        input=InputConfig(sweep_lanes=input_lanes, row_depth=8, state_depth=256, drive_depth=256, dynamics_depth=256))


#: One core against four against sixteen, 8 against 64 lanes; and one in the form that an iCE40 UP5K gets, with the models of its SPRAMs.
FABRICS = {"1x64": fabric(1, 64, 8, 16, 32), "4x8": fabric(4, 8, 2, 4, 32), "16x8": fabric(16, 8, 4, 2, 128),
           "1x16 UP5K": fabric(1, 16, 1, 1, 16).replace(core={"state_depth": 4096, "drive_depth": 4096, "dynamics_depth": 4096,
                                                             "readout_depth": 1024}, input={"state_depth": 2048}, queue_depth=3)}
#: The first has the form of an ECP5, with checked memories; the others that of the simulation.
TECHNOLOGIES = {"1x64": CHECKED, "1x16 UP5K": CHECKED_UP5K}


@pytest.fixture(scope="module", params=list(FABRICS))
def simulator(request: pytest.FixtureRequest) -> Iterator[tuple[FabricConfig, Simulator]]:
    """Each fabric, compiled once."""
    config = FABRICS[request.param]
    with Simulator(config, technology=TECHNOLOGIES.get(request.param)) as made:
        yield config, made


def network_and_inputs(seed: int) -> tuple[Network, dict[str, np.ndarray]]:
    """A network that fits all of the fabrics; the same for each."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, FABRICS["1x64"], max_neurons=150, seed=seed)
    return network, random_inputs(rng, network, 3, 4)


@pytest.mark.parametrize("seed", range(6))
def test_the_mapping_does_not_matter(simulator: tuple[FabricConfig, Simulator], seed: int) -> None:
    """The same network on every fabric gives the model's spikes and membranes: so it gives the same on all of them."""
    config, made = simulator
    network, inputs = network_and_inputs(seed)
    placement = map_network(network, config)
    made.load(placement)
    check = check_batch(placement, made, inputs, 4)
    assert check.mismatch is None, f"seed {seed}: {check.mismatch}"
    assert check.recording.words.shape[0] > 0


@pytest.mark.parametrize("seed", range(100, 112))
def test_random_networks(simulator: tuple[FabricConfig, Simulator], seed: int) -> None:
    config, made = simulator
    placement, inputs, steps, endless = draw_case(seed, config)
    made.load(placement)
    check = check_batch(placement, made, inputs, steps, endless=endless)
    assert check.mismatch is None, f"seed {seed}: {check.mismatch}"


def test_pictures_alone_take_the_predicted_clocks(simulator: tuple[FabricConfig, Simulator]) -> None:
    """Runs of one window each, back on a fabric at rest, instead of a stream."""
    config, made = simulator
    network, inputs = network_and_inputs(7)
    placement = map_network(network, config)
    made.load(placement)
    for item in range(3):
        check = check_batch(placement, made, {name: values[item:item + 1] for name, values in inputs.items()}, 4)
        assert check.mismatch is None, str(check.mismatch)


def test_memories_read_back_what_was_written(simulator: tuple[FabricConfig, Simulator]) -> None:
    config, made = simulator
    network, _ = network_and_inputs(3)
    placement = map_network(network, config)
    made.load(placement)
    image = {int(a): int(v) for a, v in memory_image(placement).writes}
    assert made.read(list(image)).tolist() == list(image.values())
    assert len(made.read_memory(0, Memory.STATE)) == config.core.state_depth


def test_readouts_are_in_their_memory(simulator: tuple[FabricConfig, Simulator]) -> None:
    """The host can read a window's answer from the bank of its parity while the next window runs."""
    config, made = simulator
    network, inputs = network_and_inputs(4)
    placement = map_network(network, config)
    made.load(placement)
    recording = made.run(inputs, 4)
    expected = recording.window_readouts(placement)
    s, lanes = config.state_bits, config.core.sweep_lanes
    for unit, rows in enumerate(placement.units[:-1]):
        memory = made.read_memory(unit, Memory.READOUT)
        for row in (row for row in rows if not row.spiking):
            for window in (1, 2):
                words = memory[(window & 1) * len(memory) // 2 + row.state_base:][:row.groups]
                lanes_of = [word >> n * s & (1 << s) - 1 for word in words for n in range(lanes)][:row.neurons]
                signed = [value - (1 << s) if value >> s - 1 else value for value in lanes_of]
                assert signed == expected[row.part.population][window, row.start:row.stop].tolist()


def test_a_flipped_bit_is_found_and_named(simulator: tuple[FabricConfig, Simulator]) -> None:
    config, made = simulator
    for seed in range(20, 40):
        network, inputs = network_and_inputs(seed)
        placement = map_network(network, config)
        row = placement.units[0][-1]
        if network.parameter(placement.population(row), "k")[row.start] == 0:
            continue        # a full leak forgets the flipped bit before it shows
        made.load(placement)
        made.write(one_flipped_bit(placement))
        check = check_batch(placement, made, inputs, 4)
        mismatch = check.mismatch
        if mismatch is None or mismatch.what != "membrane":
            continue        # a clamp, a reset or a rounding leak may hide it
        assert mismatch.population == row.part.population
        assert mismatch.neuron == row.start
        assert mismatch.tick == row.level
        assert mismatch.expected != mismatch.found
        assert row.part.population in str(mismatch) and f"expected {mismatch.expected}, found {mismatch.found}" in str(mismatch)
        return
    raise AssertionError("no network showed the flipped bit")


def test_late_inputs_are_waited_for_and_not_counted(simulator: tuple[FabricConfig, Simulator]) -> None:
    config, made = simulator
    network, inputs = network_and_inputs(2)
    placement = map_network(network, config)
    made.load(placement)
    recording = made.run(inputs, 1)     # windows shorter than it takes to write the input values
    assert recording.waits > 0
    registers = made.read([control_address(config, Control.CLOCKS), control_address(config, Control.COMMAND)])
    assert registers.tolist() == [recording.clocks, 0]
    assert recording.counters[0, Counter.STATE_READS] == sum(row.groups for row in placement.units[0]) * 3
