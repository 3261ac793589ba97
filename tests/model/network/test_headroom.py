"""Headroom: the bounds are the true extremes, the proof is tight, and what passes never overflows."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from ranvier.model.errors import RanvierError
from ranvier.model.network.headroom import prove_headroom
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.run.reference import Neuron
from tests.strategies import random_network, seeds


def network(bits: int = 12, weights: Any = ((5, -3), (-8, 7)), **parameters: Any) -> Network:
    """Two inputs, and two neurons that receive the weights once plainly and once times 4 with a delay."""
    matrix = np.array(weights)
    return Network((Population("in", (1, 1, 2), "input", {"v_min": 0, "v_max": 100}),
                    Population("hid", (1, 1, 2), "if", {"v_min": -1000, "v_max": 1000, **parameters})),
                   (Projection.dense("in", "hid", matrix), Projection.dense("in", "hid", matrix, 3, 2)), bits)


def brute_force(net: Network, population: Population) -> tuple[list[int], list[int]]:
    """Largest and smallest sums over all patterns of arriving spikes."""
    rows = np.concatenate([p.matrix * 2**p.exponent for p in net.incoming(population.name)])
    sums = np.array([np.array(bits) @ rows for bits in itertools.product((0, 1), repeat=len(rows))])
    return sums.max(axis=0).tolist(), (-sums.min(axis=0)).tolist()


def test_bounds_are_the_extremes_over_all_spike_patterns() -> None:
    net = network()
    positive, negative = net.arrivals(net.by_name["hid"])
    assert (positive.tolist(), negative.tolist()) == brute_force(net, net.by_name["hid"]) == ([25, 35], [40, 15])
    positive, negative = net.arrivals(net.by_name["in"])
    assert (positive.tolist(), negative.tolist()) == ([255, 255], [0, 0])


def test_bounds_of_random_networks() -> None:
    checked = 0
    for seed in range(60):
        net = random_network(np.random.default_rng(seed), max_neurons=3, max_hidden=2)
        for population in net.populations:
            rows = sum(p.matrix.shape[0] for p in net.incoming(population.name))
            if 0 < rows <= 10:
                positive, negative = net.arrivals(population)
                assert (positive.tolist(), negative.tolist()) == brute_force(net, population), f"seed {seed}"
                checked += 1
    assert checked > 40


@pytest.mark.parametrize(("limits", "fits"), [
    ({"v_max": [1000, 2047 - 35]}, True), ({"v_max": [1000, 2047 - 34]}, False),
    ({"v_min": [-2048 + 40, -1000]}, True), ({"v_min": [-2048 + 39, -1000]}, False),
    ({"v_max": [1000, 2000], "bias": [0, 12]}, True), ({"v_max": [1000, 2000], "bias": [0, 13]}, False),
    ({"v_min": [-2000, 0], "bias": [-8, 0]}, True), ({"v_min": [-2000, 0], "bias": [-9, 0]}, False),
    # A bound on the far side of 0 gives no room back: the decay may have taken the membrane to 0.
    ({"v_min": -1000, "v_max": -900, "v_init": -950, "v_reset": -950, "bias": [0, 2047 - 35]}, True),
    ({"v_min": -1000, "v_max": -900, "v_init": -950, "v_reset": -950, "bias": [0, 2047 - 34]}, False)])
def test_the_bound_is_tight(limits: dict[str, Any], fits: bool) -> None:
    if fits:
        prove_headroom(network(**limits))
    else:
        with pytest.raises(RanvierError, match="population hid: the membrane of neuron [01] could (rise|fall) to"):
            prove_headroom(network(**limits))


def test_error_names_neuron_bound_and_mend() -> None:
    with pytest.raises(RanvierError) as error:
        prove_headroom(network(v_max=[0, 2040]))
    assert str(error.value) == (
        "population hid: the membrane of neuron 1 could rise to 2075, beyond 2047 of 12 state bits; "
        "set its v_max to 2012, or use smaller weights, or use 13 state bits")
    prove_headroom(network(v_max=[0, 2012]))
    prove_headroom(network(13, v_max=[0, 2040]))


def test_mends_that_would_not_help_are_not_offered() -> None:
    whole = Network((Population("in", (1, 1, 1), "input", {"v_min": -5, "v_max": 32767}),), ())
    with pytest.raises(RanvierError, match="set its v_max to 32512, or use fewer input bits, or use 17 state bits$"):
        prove_headroom(whole)
    narrow = Network((Population("in", (1, 1, 1), "input", {"v_min": 0, "v_max": 9}),), (), 12, input_bits=12)
    with pytest.raises(RanvierError, match="12 state bits; use fewer input bits, or use 14 state bits$"):
        prove_headroom(narrow)


@pytest.mark.parametrize("seed", range(40))
def test_offered_mends_are_enough(seed: int) -> None:
    """Bounds that ask for too much, narrowed as the errors say, pass in the end."""
    rng = np.random.default_rng(seed)
    v_min, v_max = rng.integers(-2048, 1, 2), rng.integers(0, 2048, 2)
    bias = rng.integers(-2000, 2000, 2)
    for _ in range(5):
        try:
            prove_headroom(network(v_min=v_min, v_max=v_max, bias=bias))
        except RanvierError as error:
            found = re.search(r"neuron (\d) .* set its (v_min|v_max) to (-?\d+)", str(error))
            assert found, str(error)
            (v_min if found[2] == "v_min" else v_max)[int(found[1])] = int(found[3])
        else:
            return
    raise AssertionError(f"seed {seed}: four mends were not enough")


@given(seeds())
@settings(max_examples=150)
def test_networks_with_headroom_never_overflow(seed: int) -> None:
    """Adversarial spikes from the extremes of the membrane, in the worst and in random orders.

    `Neuron.step` asserts the worst order; the loop below adds the contributions one by one in orders of its own.
    """
    rng = np.random.default_rng(seed)
    net = random_network(rng)
    high, low = (1 << net.state_bits - 1) - 1, -(1 << net.state_bits - 1)
    for population in net.populations:
        neurons = Neuron.all_of(net, population)
        for n in {0, population.size - 1}:
            terms = [w << p.exponent for p in net.incoming(population.name) for w in p.matrix[:, n].tolist()]
            if population.kind == "input":
                terms = [(1 << net.input_bits) - 1]
            chosen = [terms, [w for w in terms if w > 0], [w for w in terms if w < 0],
                      [w for w in terms if rng.random() < 0.5], []]
            own = neurons[n].parameters
            for v, arriving in itertools.product((own["v_min"], own["v_max"], own["v_init"]), chosen):
                result = neurons[n].step((v,), arriving)
                assert own["v_min"] <= result.state[0] <= own["v_max"]
                assert result.count in (0, 1)
                everything = [v, own["bias"], *arriving]
                shuffled = rng.permutation(everything).tolist()
                for order in (sorted(everything), sorted(everything, reverse=True), shuffled):
                    assert all(low <= partial <= high for partial in itertools.accumulate(order))


def test_the_reference_notices_an_overflow() -> None:
    """Without the proof, the extremes do leave the word: the property above can fail."""
    net = network(v_max=[0, 2047 - 34])
    neuron = Neuron.all_of(net, net.by_name["hid"])[1]
    v_max = neuron.parameters["v_max"]
    with pytest.raises(AssertionError, match="a partial sum leaves the state word"):
        neuron.step((v_max,), [7, 28])
    neuron.step((v_max - 1,), [7, 28])
    with pytest.raises(AssertionError, match="a partial sum leaves the state word"):
        neuron.step((v_max,), [7, 28, -100])
