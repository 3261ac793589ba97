"""The cycle model by itself: its counters against sums that need no model, and what order and company may not change."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.cycles import Cycles, predict_cycles
from ranvier.model.fabric.layout import Counter, Op
from ranvier.model.fabric.placement import Placement
from ranvier.model.run.golden import GoldenRun, run_golden
from ranvier.verify.random_networks import random_inputs, random_network

SMALL = FabricConfig(cores=2, core=CoreConfig(lanes=8, sweep_lanes=2), input=InputConfig(sweep_lanes=2), word_bits=8, spike_depth=512,
                     levels=16)
SAMPLES, STEPS = 4, 5


def predicted(seed: int, *, stream: bool = True) -> tuple[Placement, GoldenRun, Cycles]:
    rng = np.random.default_rng(seed)
    network = random_network(rng, SMALL, max_neurons=30)
    placement = map_network(network, tailor(network, SMALL))
    golden = run_golden(network, random_inputs(rng, network, SAMPLES, STEPS), STEPS, blocks=placement.blocks, record=True)
    return placement, golden, predict_cycles(placement, golden.popcounts, golden.clamps, STEPS, stream=stream)


@pytest.mark.parametrize("seed", range(12))
def test_counters_are_the_sums_that_they_say(seed: int) -> None:
    placement, golden, cycles = predicted(seed)
    network = placement.network
    spikes = sum(int(golden.spikes[p.name].sum()) for p in network.populations if p.spiking)
    assert int(cycles.counters[:, Counter.SPIKES].sum()) == spikes
    synops = words = 0
    for unit in placement.units[:-1]:
        for row in unit:
            for segment in row.segments:
                if segment.op != Op.SCAN or segment.source is None:
                    continue
                source, delay = segment.source, network.projections[segment.projection].delay
                given = golden.spikes[source.population][:, :STEPS - delay or None] if delay < STEPS else np.zeros((0, 1, 0))
                read = int(given[..., source.start:source.stop].sum())
                words += read
                synops += read * row.neurons
    assert int(cycles.counters[:, Counter.WEIGHT_WORDS].sum()) == words
    assert int(cycles.counters[:, Counter.SYNOPS].sum()) == synops
    assert np.array_equal(cycles.counters[:, Counter.STATE_READS], cycles.counters[:, Counter.STATE_WRITES])


@pytest.mark.parametrize("seed", range(6))
def test_a_sample_alone_does_the_same_work(seed: int) -> None:
    placement, golden, stream = predicted(seed)
    alone = predict_cycles(placement, golden.popcounts, golden.clamps, STEPS, stream=False)
    same = [Counter.WEIGHT_WORDS, Counter.SYNOPS, Counter.SPIKES, Counter.CLAMPS]
    assert np.array_equal(alone.counters[:, same], stream.counters[:, same])
    assert alone.clocks.shape == (SAMPLES, placement.schedule.ticks(STEPS, 1)) and (alone.clocks > 0).all()
    one = predict_cycles(placement, {n: v[1:2] for n, v in golden.popcounts.items()}, {n: v[1:2] for n, v in golden.clamps.items()}, STEPS)
    assert np.array_equal(one.clocks[0], alone.clocks[1]), "a sample's clocks hang on its company"


def test_more_spikes_never_take_fewer_clocks() -> None:
    placement, golden, cycles = predicted(2)
    silent = {name: np.zeros_like(found) for name, found in golden.popcounts.items()}
    least = predict_cycles(placement, silent, golden.clamps, STEPS)
    assert (least.clocks <= cycles.clocks).all() and least.clocks.sum() < cycles.clocks.sum()
