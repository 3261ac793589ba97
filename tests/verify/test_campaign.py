"""The campaign's fabrics cover what they say; its cases are the same each time; and it sees what acts."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.cycles import predict_cycles
from ranvier.model.network.levels import schedule
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.run.golden import run_golden
from ranvier.model.run.reference import run_reference
from ranvier.sim.simulator import Simulator
from ranvier.verify.acted import FEATURES, acted
from ranvier.verify.campaign import draw_case, run_campaign
from ranvier.verify.evidence import check_batch
from ranvier.verify.fabrics import CHOICES, MOST_FABRICS, CampaignFabric, covering_choices, covering_fabrics, forms_to_draw, is_possible
from ranvier.verify.random_networks import random_inputs, random_network


def test_every_pair_of_build_parameters_is_there() -> None:
    assert 1 < len(covering_choices()) <= MOST_FABRICS
    seen = {pair for choice in covering_choices() for pair in combinations(choice.items(), 2)}
    rng = np.random.default_rng(0)
    for a, b in combinations(CHOICES, 2):
        for x, y in product(CHOICES[a], CHOICES[b]):
            if ((a, x), (b, y)) in seen:
                continue
            # A pair may be missing only where no fabric can have it.
            for _ in range(200):
                choice = {name: values[rng.integers(len(values))] for name, values in CHOICES.items()} | {a: x, b: y}
                assert not is_possible(choice), f"{a}={x} with {b}={y} is not covered"


def test_tailored_fabrics_have_no_word_too_many() -> None:
    fabrics = covering_fabrics()
    assert {fabric.form for fabric in fabrics} == set(forms_to_draw())
    tailored = [fabric for fabric in fabrics if fabric.network is not None]
    assert len(tailored) >= 5
    for fabric in tailored:
        assert fabric.network is not None
        assert tailor(fabric.network, fabric.config).replace(doubling=fabric.config.doubling) == fabric.config
        # Other weights fill it as well.
        placement = map_network(draw_case(3, fabric.config, fabric.network)[0].network, fabric.config)
        assert placement.config == fabric.config


def test_a_seed_is_a_case() -> None:
    config = covering_fabrics()[0].config
    first, inputs, steps, endless = draw_case(7, config)
    again, same_inputs, same_steps, same_endless = draw_case(7, config)
    assert (steps, endless) == (same_steps, same_endless)
    assert [p.name for p in first.network.populations] == [p.name for p in again.network.populations]
    for name, values in inputs.items():
        np.testing.assert_array_equal(values, same_inputs[name])
    for p, q in zip(first.network.projections, again.network.projections, strict=True):
        np.testing.assert_array_equal(p.weights, q.weights)


@pytest.mark.parametrize("seed", range(40))
def test_wide_networks_in_golden_model_and_reference(seed: int) -> None:
    """Windows of up to 60 steps, rings, long delays, high exponents, no inputs, no readouts."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, max_neurons=6, wide=True)
    steps, batch = int(rng.integers(1, 61)), 1 if not network.inputs else 2
    inputs = random_inputs(rng, network, batch, steps)
    endless = bool(rng.integers(2))
    golden = run_golden(network, inputs, steps, record=True, endless=endless)
    for item in range(batch):
        plain = run_reference(network, {name: values[item] for name, values in inputs.items()}, steps, endless=endless)
        for population in network.populations:
            np.testing.assert_array_equal(golden.membranes[population.name][item], plain.membranes[population.name], f"seed {seed}")
            np.testing.assert_array_equal(golden.spikes[population.name][item], plain.spikes[population.name], f"seed {seed}")


def test_wide_networks_have_everything() -> None:
    networks = [random_network(np.random.default_rng(seed), max_neurons=4, wide=True) for seed in range(400)]
    assert {schedule(network).period for network in networks} >= set(range(1, 16))
    assert {p.delay for network in networks for p in network.projections} == set(range(16))
    assert {p.exponent for network in networks for p in network.projections} == set(range(16))
    assert any(not network.inputs for network in networks)
    assert any(not network.readouts for network in networks)
    assert any(len(network.populations) == 1 for network in networks)


def _smallest(form: str) -> CampaignFabric:
    return min((f for f in covering_fabrics() if f.form == form), key=lambda f: f.config.cores * f.config.core.lanes)


@pytest.mark.parametrize("endless", [False, True])
def test_networks_without_inputs_and_of_readouts_only(endless: bool) -> None:
    """They step by themselves, in RTL as in the model."""
    fabric = _smallest("ECP5")
    bits = fabric.config.state_bits
    bounds = {"v_min": -900, "v_max": 900}
    clock = Population("clock", (1, 1, 3), "if", {"bias": 1, "theta": 3, "v_min": -9, "v_max": 9})
    networks = [((clock, Population("sum", (1, 1, 2), "li", bounds)), (Projection.dense("clock", "sum", np.ones((3, 2), int)),)),
                ((Population("alone", (1, 1, 2), "li", {"bias": 2, **bounds}),), ()), ((clock,), ())]
    with Simulator(fabric.config, technology=fabric.technology) as simulator:
        for populations, projections in networks:
            network = Network(populations, projections, bits, fabric.config.weight_bits, fabric.config.input_bits,
                              rounding=fabric.config.rounding)
            placement = map_network(network, fabric.config)
            simulator.load(placement)
            check = check_batch(placement, simulator, {}, 5, endless=endless)
            assert check.mismatch is None, str(check.mismatch)
            assert (len(check.recording.words) > 0) == (populations[0] is clock)


def test_a_campaign_of_one_fabric() -> None:
    """The smallest in the form of an ECP5: `make verify` has all of them."""
    fabric = _smallest("ECP5")
    outcome = run_campaign(6, [fabric], seed=1000)
    assert outcome.mismatches == ()
    assert (outcome.networks, outcome.fabrics) == (6, 1)
    assert outcome.words_read_back > 6 * 16
    told = outcome.to_json()
    assert tuple(told["acted"]) == FEATURES
    assert told["acted"]["form ECP5"] >= 3 and told["acted"]["form UP5K"] == 0
    assert told["acted"]["clamp"] >= 3


def _chain(delay: int, exponent: int, weight: int) -> Network:
    neuron = {"theta": 1, "v_min": -100, "v_max": 100}
    return Network((Population("in", (1, 1, 3), "input", neuron), Population("out", (1, 1, 2), "li", {"v_min": -9000, "v_max": 9000})),
                   (Projection.dense("in", "out", np.full((3, 2), weight), delay, exponent),), 16, 4, 1)


def _acted(network: Network, value: int, steps: int, config: FabricConfig | None = None) -> set[str]:
    config = config or FabricConfig(input_bits=1)
    placement = map_network(network, config)
    inputs = {"in": np.full((1, 3), value)}
    golden = run_golden(network, inputs, steps, blocks=placement.blocks, record=True)
    cycles = predict_cycles(placement, golden.popcounts, golden.clamps, steps)
    return set(acted(CampaignFabric(config, "simulation", {}), placement, inputs, steps, golden, cycles, endless=False))


def test_a_delay_acts_only_if_its_spikes_arrive_and_count() -> None:
    assert "delay 6" in _acted(_chain(6, 5, 3), 1, steps=8)
    assert "exponent 5" in _acted(_chain(6, 5, 3), 1, steps=8)
    # The window ends before; no spike is sent; the weight is nothing; the bound hides what arrives.
    assert "delay 6" not in _acted(_chain(6, 5, 3), 1, steps=6)
    assert "delay 6" not in _acted(_chain(6, 5, 3), 0, steps=8)
    assert "delay 6" not in _acted(_chain(6, 5, 0), 1, steps=8)
    network = _chain(6, 0, -3)
    held = Population("out", (1, 1, 2), "li", {"v_min": 0, "v_max": 0})
    assert "delay 6" not in _acted(Network((network.populations[0], held), network.projections, 16, 4, 1), 1, steps=8)


def test_a_queue_is_full_only_where_its_length_counts() -> None:
    network = Network((Population("in", (1, 1, 48), "input", {"theta": 1, "v_min": -1, "v_max": 1}),
                       Population("out", (1, 1, 2), "li", {"v_min": -9000, "v_max": 9000})),
                      (Projection.dense("in", "out", np.ones((48, 2), int)),), 16, 4, 1)
    config = FabricConfig().replace(cores=1, input_bits=1, queue_depth=2, word_bits=8, core={"sweep_lanes": 1}, input={"sweep_lanes": 4})
    placement = map_network(network, config)

    def full(values: np.ndarray) -> bool:
        inputs = {"in": values.reshape(1, 48)}
        golden = run_golden(network, inputs, 2, blocks=placement.blocks, record=True)
        cycles = predict_cycles(placement, golden.popcounts, golden.clamps, 2)
        return "queue of 2 full" in acted(CampaignFabric(config, "simulation", {}), placement, inputs, 2, golden, cycles, endless=False)

    # While the first word's eight spikes are worked on, others of one spike each could be read ahead.
    burst = np.zeros((6, 8), int)
    burst[0], burst[1:, 0] = 1, 1
    assert full(burst)
    assert not full(np.ones((6, 8), int))    # each word keeps the core busy for eight clocks
