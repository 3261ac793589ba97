"""The memory image: a reader of its own gets the network back from nothing but the writes."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.image import (
    address,
    control_address,
    memory_image,
    pack_inputs,
    run_registers,
    split_address,
    unpack_lanes,
)
from ranvier.model.fabric.layout import CHUNK_BITS, Control, Memory, Op, drive_fields, dynamics_fields, memory_map, row_word, segment_word
from ranvier.model.fabric.placement import Placement
from ranvier.verify.random_networks import random_network

SMALL = FabricConfig(cores=2, core=CoreConfig(lanes=8, sweep_lanes=2), input=InputConfig(sweep_lanes=2), word_bits=8, spike_depth=512,
                     levels=16)


def placed(seed: int) -> Placement:
    network = random_network(np.random.default_rng(seed), SMALL, max_neurons=30)
    return map_network(network, tailor(network, SMALL))


def memories(placement: Placement) -> dict[tuple[int, Memory], dict[int, int]]:
    """Words of each memory of each unit, put together from the writes."""
    config = placement.config
    found: dict[tuple[int, Memory], dict[int, int]] = defaultdict(dict)
    for where, what in memory_image(placement).writes.tolist():
        unit, number, offset = split_address(where)
        layout = memory_map(config, "core" if unit < config.cores else "input")[Memory(number)]
        word, chunk = divmod(offset, layout.chunk_step)
        assert chunk < layout.chunks and word < layout.depth, f"unit {unit}, {layout.memory.name}: offset {offset}"
        words = found[unit, layout.memory]
        words[word] = words.get(word, 0) | what << chunk * CHUNK_BITS
        assert words[word] < 1 << layout.bits, f"unit {unit}, {layout.memory.name}, word {word}: a bit beyond its width"
    return found


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


@pytest.mark.parametrize("seed", range(20))
def test_weights_come_back_from_the_program(seed: int) -> None:
    placement = placed(seed)
    config, network = placement.config, placement.network
    found = [np.full(p.matrix.shape, 1 << 20) for p in network.projections]
    image = memories(placement)
    for unit, rows in enumerate(placement.units[:-1]):
        program = [segment_word(config).unpack(word) for _, word in sorted(image[unit, Memory.PROGRAM].items())]
        assert program[-1]["op"] == Op.END and all(word["op"] != Op.END for word in program[:-1])
        segments = [(row, segment) for row in rows for segment in row.segments]
        assert len(segments) == len(program) - 1
        for word, (row, segment) in zip(program, segments, strict=False):
            assert word["op"] == segment.op and word["neurons"] == row.neurons and rows[word["row"]] is row
            if segment.source is None:
                continue
            for n, source in enumerate(range(segment.source.start, segment.source.stop)):
                lanes = image[unit, Memory.WEIGHTS][word["weight_base"] + n]
                for lane in range(config.core.lanes):
                    weight = signed(lanes >> lane * config.weight_bits, config.weight_bits)
                    if lane < row.neurons:
                        found[segment.projection][source, row.start + lane] = weight
                    else:
                        assert weight == 0, "a lane without a neuron has a weight"
    for projection, weights in zip(network.projections, found, strict=True):
        assert np.array_equal(weights, projection.matrix)


@pytest.mark.parametrize("seed", range(20))
def test_parameters_come_back_from_the_rows(seed: int) -> None:
    placement = placed(seed)
    config, network = placement.config, placement.network
    image = memories(placement)
    for unit, rows in enumerate(placement.units):
        kind = "core" if unit < config.cores else "input"
        lanes = (config.core if kind == "core" else config.input).sweep_lanes
        for number, row in enumerate(rows):
            word = row_word(config, kind).unpack(image[unit, Memory.ROWS][number])
            population = placement.population(row)
            for memory, base, fields in ((Memory.DRIVE, "drive", drive_fields(config, kind)),
                                         (Memory.DYNAMICS, "dynamics", dynamics_fields(config, kind))):
                for n in range(row.neurons):
                    group, lane = divmod(n, lanes)
                    packed = image[unit, memory][word[f"{base}_base"] + group * word[f"{base}_step"]]
                    for f in fields:
                        # A column holds its parameter for every lane.
                        shift = sum(other.bits for other in fields[:fields.index(f)]) * lanes + lane * f.bits
                        value = packed >> shift & (1 << f.bits) - 1
                        expected = int(network.parameter(population, f.name)[row.start + n])
                        assert (signed(value, f.bits) if f.signed else value) == expected, f"seed {seed}, {population.name}, {f.name}"


def test_input_values_and_lanes_come_back() -> None:
    placement = placed(3)
    config = placement.config
    rng = np.random.default_rng(0)
    values = {p.name: rng.integers(0, 1 << config.input_bits, (5, p.size)) for p in placement.network.inputs}
    lanes, layout = config.input.sweep_lanes, memory_map(config, "input")[Memory.INPUTS]
    for sample, bank in enumerate(pack_inputs(placement, values).tolist()):
        words: dict[int, int] = defaultdict(int)
        for where, what in bank:
            unit, memory, offset = split_address(where)
            assert (unit, memory) == (config.cores, Memory.INPUTS)
            words[offset // layout.chunk_step] |= what << offset % layout.chunk_step * CHUNK_BITS
        for row in placement.units[-1]:
            for n in range(row.neurons):
                group, lane = divmod(n, lanes)
                found = words[row.state_base + group] >> lane * config.input_bits & (1 << config.input_bits) - 1
                assert found == values[row.part.population][sample, n]
    membranes = rng.integers(-(1 << 11), 1 << 11, (7, 3))
    packed = [sum((int(v) & 0xFFF) << 12 * n for n, v in enumerate(row)) for row in membranes]
    data = np.array([[word & 0xFFFFFFFF, word >> 32] for word in packed], np.uint32)
    assert np.array_equal(unpack_lanes(data, 3, 12), membranes)


def test_addresses_come_apart_again() -> None:
    assert split_address(address(17, Memory.WEIGHTS, 12345)) == (17, Memory.WEIGHTS, 12345)
    assert split_address(control_address(SMALL, Control.PERIOD)) == (SMALL.nodes, 0, Control.PERIOD)


def test_a_run_s_registers_and_bounds() -> None:
    placement = placed(5)
    plan = placement.schedule
    registers = {split_address(where)[2]: what for where, what in run_registers(placement, 7, 3, per_step=True).tolist()}
    assert registers == {Control.TICKS: plan.ticks(7, 3), Control.STEPS: 7, Control.TOTAL: 21, Control.PERIOD: plan.period,
                         Control.PER_STEP: 1}
    assert dict(run_registers(placement, 7, 1, endless=True).tolist())[control_address(placement.config, Control.STEPS)] == 0
    for steps, windows in ((0, 1), (1 << 16, 1), (1, 0), (1, 1 << 24), (65535, 1 << 23)):
        with pytest.raises(RanvierError, match=r"^run: "):
            run_registers(placement, steps, windows)
