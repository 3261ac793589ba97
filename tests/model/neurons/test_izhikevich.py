"""Izhikevich's neuron: reference and golden model agree, quantities become integers, and integers follow the floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ranvier.files.network import load_network, save_network
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import FabricConfig
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.network.semantics import Semantics
from ranvier.model.neurons.izhikevich import float_izhikevich
from ranvier.model.run.golden import run_golden
from ranvier.verify.random_networks import random_inputs, random_network
from tests.model.run.test_golden import compare

CELLS: dict[str, dict[str, float]] = {
    "regular spiking": {}, "intrinsically bursting": {"c": -55, "d": 4}, "chattering": {"c": -50, "d": 2},
    "fast spiking": {"a": 0.1, "d": 2}, "low-threshold spiking": {"b": 0.25, "d": 2}, "resonator": {"a": 0.1, "b": 0.26, "d": 2},
}


def one(state_bits: int = 18, **values: Any) -> Network:
    return Network((Population("cell", 1, "izhikevich", **values),), (), state_bits=state_bits)


@pytest.mark.parametrize("seed", range(30))
def test_golden_equals_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    config = FabricConfig(neurons="izhikevich", state_bits=int(rng.choice([12, 16, 18, 21, 24])), spike_bits=int(rng.choice([1, 2])),
                          word_bits=128, next_tick=int(rng.integers(2)), currents=int(rng.integers(2)), levels=24)
    network = random_network(rng, config)
    compare(network, random_inputs(rng, network, 2, 8), 8, note=f"seed {seed}")


@pytest.mark.parametrize("cell", list(CELLS))
def test_integers_follow_the_floats(cell: str) -> None:
    """The same number of spikes in 300 ms of each cell of the paper's figure, each in the mean at most 0.75 ms away.

    A spike is seen at the end of a step, so that the least difference can be a whole one, and the cell goes on from there.
    """
    network = one(18, dt=0.1, current=10, **CELLS[cell])
    population = network.populations[0]
    meant = {name: float(value[0]) for name, value in population.family.meant(network.parameters(population), 18).items()}
    spikes = np.flatnonzero(run_golden(network, {}, 3000, record=True).spikes["cell"][0, :, 0])
    found = np.flatnonzero(float_izhikevich(meant, 3000, np.zeros(3000))[2])
    assert len(spikes) == len(found) >= 7
    assert np.abs(spikes - found).mean() * 0.1 <= 0.75


def test_a_synaptic_sum_is_a_current_of_its_weight() -> None:
    source = Population("in", 1, "input", theta=1, semantics=Semantics(reset="value"))
    cell = Population("cell", 1, "izhikevich", weight=0.5)
    network = Network((source, cell), (Projection.dense("in", "cell", [[20]]),), state_bits=18, weight_bits=8)
    driven = run_golden(network, {"in": np.ones((1, 1), np.uint8)}, 100, record=True)
    steady = run_golden(one(current=10), {}, 100, record=True)
    np.testing.assert_array_equal(driven.membranes["cell"], steady.membranes["cell"])
    assert driven.spikes["cell"].sum() > 2


def test_the_report_says_what_integers_cost() -> None:
    population = Population("cell", (1, 1, 2), "izhikevich", a=np.array([0.02, 0.1]), dt=0.1)
    costs = {cost.name: cost for cost in population.costs(18)}
    assert costs["dt"].asked == 0.1 and costs["dt"].got == 3277 * 2 / 65536
    assert 0 < abs(costs["a"].error) < 2e-4 and costs["a"].unit == "1/ms"
    assert costs["c"].error == 0


def test_a_file_holds_the_integers(tmp_path: Any) -> None:
    network = Network((Population("cell", 3, "izhikevich", a=[0.02, 0.03, 0.1], current=10),), (), state_bits=18)
    save_network(network, tmp_path / "n.ranvier")
    again = load_network(tmp_path / "n.ranvier")
    before, after = (n.parameters(n.populations[0]) for n in (network, again))
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(("values", "bits", "message"), [
    ({"c": -130}, 18, "population cell: c of neuron 0 is -130 mV; it must be -128 to 127 mV"),
    ({"dt": 5}, 18, "population cell: dt of neuron 0 is 5 ms; it must be 0.001 to 1.9999 ms"),
    ({"a": 1.5, "dt": 1}, 18, "population cell: dt is 1 ms and a is 1.5 / ms; a times dt must lie between -1 and 1"),
    ({"b": float("nan")}, 18, "population cell: b must be finite numbers"),
    ({"e": 1}, 18, "population cell: unknown parameter 'e'; it has a, b, c, d, dt"),
    ({}, 32, "population cell: state_bits is 32; kind izhikevich needs 12 to 24"),
    ({"semantics": Semantics(reset_moment="next_tick")}, 18, "population cell: reset_moment is 'next_tick'; kind izhikevich resets in the"),
])
def test_bad_input_is_one_line(values: dict[str, Any], bits: int, message: str) -> None:
    with pytest.raises(RanvierError) as error:
        one(bits, **values)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_a_fabric_of_too_wide_words_is_refused() -> None:
    with pytest.raises(RanvierError, match="fabric: state_bits is 32; izhikevich neurons need 12 to 24"):
        FabricConfig(neurons="izhikevich", state_bits=32)
