"""Placements: what follows from them by arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.parameters import drive_words, dynamics_words, initial_words
from ranvier.model.fabric.placement import Part
from ranvier.model.fixed import decay
from ranvier.verify.random_networks import random_network

SMALL = FabricConfig(cores=2, core=CoreConfig(lanes=8, sweep_lanes=2), input=InputConfig(sweep_lanes=2), word_bits=8, spike_depth=512,
                     levels=16)


@pytest.mark.parametrize(("neurons", "words"), [(1, 1), (8, 1), (9, 2), (64, 8)])
def test_a_part_s_spike_words(neurons: int, words: int) -> None:
    assert Part("p", 0, 3, 3 + neurons, base=0, slots_log2=1, first_word=0, word_bits=8).words == words


@pytest.mark.parametrize("seed", range(20))
def test_blocks_are_the_spike_words_of_a_population_in_order(seed: int) -> None:
    network = random_network(np.random.default_rng(seed), SMALL, max_neurons=30)
    placement = map_network(network, tailor(network, SMALL))
    for population in network.populations:
        first = placement.blocks[population.name]
        assert len(first) == sum(part.words for part in placement.parts[population.name])
        starts = sorted(first.tolist())
        assert starts[0] == 0 and all(0 < b - a <= SMALL.word_bits for a, b in zip(starts, [*starts[1:], population.size], strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_equal_rows_are_stored_once_and_every_row_has_a_place(seed: int) -> None:
    network = random_network(np.random.default_rng(seed), SMALL, max_neurons=30)
    placement = map_network(network, tailor(network, SMALL))
    for unit, rows in enumerate(placement.units):
        for found in (drive_words(placement, unit), dynamics_words(placement, unit)):
            assert len(found.places) == len(rows)
            for (base, step), row in zip(found.places, rows, strict=True):
                assert base + (row.groups - 1) * step < len(found.words)
            runs = [found.words[base:base + (row.groups if step else 1)] for (base, step), row in zip(found.places, rows, strict=True)]
            assert sum(len(run) for run in set(runs)) == len(found.words)
        assert len(initial_words(placement, unit)) == sum(row.groups for row in rows)


@pytest.mark.parametrize("seed", range(20))
def test_a_lane_without_a_neuron_rests(seed: int) -> None:
    """It is swept like any other, gets no input, and must never spike, move or be clamped."""
    network = random_network(np.random.default_rng(seed), SMALL, max_neurons=30)
    config = tailor(network, SMALL)
    placement = map_network(network, config)
    s, padded = config.state_bits, 0
    for unit, rows in enumerate(placement.units):
        lanes = (config.core if unit < config.cores else config.input).sweep_lanes
        found = {"drive": drive_words(placement, unit), "dynamics": dynamics_words(placement, unit)}
        fields = {"drive": ("theta", "bias", "v_init"), "dynamics": (*(("k",) if unit < config.cores else ()), "v_reset", "v_min", "v_max")}
        for number, row in enumerate(rows):
            values: dict[str, int] = {"k": 1 << 16}
            lane = (row.neurons - 1) % lanes + 1
            if lane == lanes:
                continue
            padded += 1
            for memory, words in found.items():
                base, step = words.places[number]
                packed = words.words[base + (row.groups - 1) * step]
                for name in fields[memory]:
                    bits = 17 if name == "k" else s
                    value = packed >> lane * bits & (1 << bits) - 1
                    values[name] = value - (1 << bits) if name != "k" and value >> bits - 1 else value
                    packed >>= bits * lanes
            u = decay(values["v_init"], values["k"], network.rounding) + values["bias"]
            assert u == values["v_init"] < values["theta"] or not row.spiking and u == values["v_init"], f"seed {seed}"
            assert values["v_min"] <= u <= values["v_max"], f"seed {seed}"
    assert padded or seed
