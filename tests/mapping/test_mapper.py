"""The mapper: everything is placed once, balanced, and what does not fit is said."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier import simulate
from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import LEAST_CORE, LEAST_FABRIC, LEAST_INPUT, CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.image import memory_image
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.verify.random_networks import random_network

BOUNDS = {"v_min": -8000, "v_max": 8000}
SMALL = FabricConfig(cores=2, core=CoreConfig(lanes=8, sweep_lanes=2), input=InputConfig(sweep_lanes=2), word_bits=8, spike_depth=512,
                     levels=16)


def dense(*sizes: int) -> Network:
    """Input, integrate-and-fire layers, readout, with weights of 1."""
    kinds = ["input", *["if"] * (len(sizes) - 2), "li"]
    populations = tuple(Population(f"p{n}", (1, 1, size), kind, BOUNDS) for n, (size, kind) in enumerate(zip(sizes, kinds, strict=True)))
    projections = tuple(Projection.dense(f"p{n}", f"p{n + 1}", np.ones((a, b), int))
                        for n, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)))
    return Network(populations, projections)


def test_every_neuron_is_in_one_row() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        network = random_network(rng, SMALL, max_neurons=30)
        placement = map_network(network, tailor(network, SMALL))
        for population in network.populations:
            rows = [row for unit in placement.units for row in unit if row.part.population == population.name]
            covered = sorted(n for row in rows for n in range(row.start, row.stop))
            assert covered == list(range(population.size)), f"seed {seed}, {population.name}"
            assert all(row.part.unit == SMALL.cores for row in rows) == (population.kind == "input")


def test_every_synapse_is_scanned_once() -> None:
    for seed in range(60):
        network = random_network(np.random.default_rng(seed), SMALL, max_neurons=30)
        placement = map_network(network, tailor(network, SMALL))
        for unit in placement.units[:-1]:
            for row in unit:
                scanned = [(s.projection, n) for s in row.segments if s.source for n in range(s.source.start, s.source.stop)]
                wanted = [(n, i) for n, p in enumerate(network.projections) if p.destination == row.part.population
                          for i in range(network.by_name[p.source].size)]
                assert sorted(scanned) == sorted(wanted), f"seed {seed}"
                assert [s.row_last for s in row.segments] == [False] * (len(row.segments) - 1) + [True]


def test_weight_and_spike_memory_do_not_overlap() -> None:
    for seed in range(60):
        network = random_network(np.random.default_rng(seed), SMALL, max_neurons=30)
        placement = map_network(network, tailor(network, SMALL))
        for unit in placement.units[:-1]:
            used = [a for row in unit for s in row.segments if s.source
                    for a in range(s.weight_base, s.weight_base + s.source.stop - s.source.start)]
            assert len(used) == len(set(used)), f"seed {seed}"
        words = [a for name, parts in placement.parts.items() if network.by_name[name].spiking for part in parts
                 for a in range(part.base, part.base + (part.words << part.slots_log2))]
        assert len(words) == len(set(words)), f"seed {seed}"
        for projection in network.projections:
            for part in placement.parts[projection.source]:
                assert placement.schedule.delay(projection) < 1 << part.slots_log2


def test_rows_are_shared_out_evenly() -> None:
    placement = map_network(dense(200, 128, 10), FabricConfig())
    assert [sum(row.part.population == "p1" for row in unit) for unit in placement.units] == [1, 1, 0]
    one = map_network(dense(200, 128, 10), FabricConfig(cores=1))
    assert len(one.units[0]) == 3


def test_tailored_memories_are_just_large_enough() -> None:
    for seed in range(20):
        network = random_network(np.random.default_rng(seed), SMALL, max_neurons=30)
        config = tailor(network, SMALL)
        memory_image(map_network(network, config))
        for unit, least in (("core", LEAST_CORE), ("input", LEAST_INPUT)):
            for name in (name for name, depth in least.items() if getattr(getattr(config, unit), name) > depth):
                less = config.replace(**{unit: {name: getattr(getattr(config, unit), name) - 1}})
                with pytest.raises(RanvierError, match=rf"{unit}: {name} is \d+; the network needs \d+|weight memories are full"):
                    map_network(network, less)
        for name in (name for name, depth in LEAST_FABRIC.items() if getattr(config, name) > depth):
            with pytest.raises(RanvierError, match=rf"fabric: {name} is \d+; the network.* needs? \d+"):
                map_network(network, config.replace(**{name: getattr(config, name) - 1}))


def test_equal_neurons_share_one_word() -> None:
    """Also where the last group is not full, unless a lane without a neuron would move."""
    populations = (Population("in", (1, 1, 7), "input", {**BOUNDS, "theta": 9, "v_init": 4}),
                   Population("rests", (1, 1, 5), "if", {**BOUNDS, "theta": 9}),
                   Population("moves", (1, 1, 5), "if", {**BOUNDS, "theta": 9, "bias": 1}))
    network = Network(populations, (Projection.dense("in", "rests", np.ones((7, 5), int)),
                                    Projection.dense("rests", "moves", np.ones((5, 5), int))))
    config = tailor(network, SMALL.replace(cores=1))
    assert (config.input.drive_depth, config.input.dynamics_depth) == (1, 1)
    assert (config.core.drive_depth, config.core.dynamics_depth) == (1 + 3, 1)


def test_readouts_have_the_first_groups() -> None:
    placement = map_network(dense(40, 30, 5), tailor(dense(40, 30, 5), SMALL))
    assert placement.config.core.readout_depth == 3
    assert [row.state_base for unit in placement.units for row in unit if not row.spiking] == [0]


@pytest.mark.parametrize(("changes", "message"), [
    ({"core": {"weight_depth": 64}},
     r"weight memories are full .* needs 200 words.* needs 528 words \(135 kbit\), the fabric has 2 x 64 \(33 kbit\): use a larger"),
    ({"spike_depth": 4}, "spike_depth is 4; .* need 12"),
    ({"levels": 2}, "levels is 2; .* needs 3"),
    ({"state_bits": 20}, "state_bits is 20, the network was made for 16: convert it again with --state-bits 20, or"),
    ({"weight_bits": 8}, "weight_bits is 8, the network was made for 4: convert it again with --weight-bits 8, or"),
    ({"input": {"state_depth": 2}}, "input: state_depth is 2; the network needs 13"),
])
def test_what_does_not_fit_is_said(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        map_network(dense(200, 128, 10), FabricConfig().replace(**changes))


def test_parameters_that_do_not_fit_are_said() -> None:
    network = Network((Population("in", (1, 1, 4), "input", BOUNDS),
                       Population("h", (1, 1, 64), "if", {**BOUNDS, "theta": np.arange(1, 65)}),
                       Population("out", (1, 1, 64), "if", {**BOUNDS, "theta": np.arange(2, 66)})),
                      (Projection.dense("in", "h", np.ones((4, 64), int)), Projection.dense("h", "out", np.ones((64, 64), int))))
    with pytest.raises(RanvierError, match="core: drive_depth is 8; the network needs 16: use a larger one or more cores"):
        map_network(network, FabricConfig(cores=1).replace(core={"drive_depth": 8}))


def test_headroom_is_proved_before_anything_is_placed() -> None:
    network = Network((Population("in", (1, 1, 4), "input", BOUNDS), Population("out", (1, 1, 2), "li", v_max=32767)),
                      (Projection.dense("in", "out", np.ones((4, 2), int)),))
    with pytest.raises(RanvierError, match="population out: the membrane of neuron 0 could rise"):
        map_network(network, FabricConfig())


@pytest.mark.parametrize(("changes", "message"), [
    ({"cores": 17}, "cores is 17"), ({"core": {"lanes": 12}}, "lanes is 12; it must be a power of two"),
    ({"core": {"sweep_lanes": 3}}, "sweep_lanes is 3"),
    ({"word_bits": 32}, "word_bits is 32; 3 ring nodes with 16 sweep lanes need at least 48"),
    ({"rounding": "up"}, "rounding is 'up'"), ({"state_bits": 11}, "state_bits is 11"), ({"weight_bits": 3}, "weight_bits is 3")])
def test_fabrics_that_cannot_be(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        FabricConfig().replace(**changes)


def test_a_configuration_survives_json() -> None:
    config = SMALL.replace(cores=3, core={"lanes": 16}, input={"sweep_lanes": 1})
    assert FabricConfig.from_json(config.to_json()) == config
    assert config.digest != SMALL.digest
    with pytest.raises(RanvierError, match="fields must be"):
        FabricConfig.from_json({**config.to_json(), "colour": 1})


def test_families_that_cannot_share_a_fabric_run_in_the_model() -> None:
    network = Network([Population("in", 4, "input", theta=1), Population("a", 4, "lif", theta=40, k=60000),
                       Population("b", 4, "izhikevich", a=0.02, b=0.2, c=-65.0, d=8.0, dt=0.5)],
                      [Projection.dense("in", "a", np.full((4, 4), 20)), Projection.dense("a", "b", np.full((4, 4), 7))],
                      weight_bits=8, state_bits=16)
    assert simulate(network, np.ones((1, 5, 4), int), 5).spikes["a"].any()
    for config in (FabricConfig(state_bits=16, weight_bits=8), FabricConfig(state_bits=16, weight_bits=8, neurons="izhikevich")):
        with pytest.raises(RanvierError, match="it mixes integrate and izhikevich neurons, and the cores of a fabric compute one family"):
            map_network(network, config)
