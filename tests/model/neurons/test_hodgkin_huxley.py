"""Hodgkin and Huxley's axon: reference and golden model agree; the integers follow the floats, within a bound in each step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import FabricConfig
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.neurons.axon_bound import step_bounds, step_errors
from ranvier.model.neurons.hodgkin_huxley import STEP_MS
from ranvier.model.neurons.squid_axon import run_axon
from ranvier.model.run.golden import run_golden
from ranvier.verify.random_networks import random_inputs, random_network
from tests.model.run.test_golden import compare


def one(size: int = 1, state_bits: int = 18, **values: Any) -> Network:
    return Network((Population("axon", size, "hodgkin_huxley", **values),), (), state_bits=state_bits)


@pytest.mark.parametrize("seed", range(12))
def test_golden_equals_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    config = FabricConfig(neurons="hodgkin_huxley", state_bits=int(rng.choice([16, 18, 21, 24])), levels=24)
    network = random_network(rng, config)
    compare(network, random_inputs(rng, network, 2, 8), 8, note=f"seed {seed}")


def test_integers_follow_runge_kutta() -> None:
    """100 ms of steps of 0 to 40 uA/cm2: as many spikes, each in the mean at most 0.1 ms away; `make verify` has noise and 300 ms."""
    amplitudes, steps = np.array([0.0, 5, 8, 12, 20, 30, 40]), 10_000
    plain = run_axon({}, np.broadcast_to(amplitudes, (steps, len(amplitudes))), STEP_MS)
    run = run_golden(one(len(amplitudes), current=amplitudes), {}, steps, record=True)
    counts = plain.spikes.sum(axis=0)
    np.testing.assert_array_equal(run.spikes["axon"][0].sum(axis=0), counts)
    assert counts[0] == 0 and counts[-1] > 8
    for n in np.flatnonzero(counts):
        found, expected = (np.flatnonzero(spikes[:, n]) for spikes in (run.spikes["axon"][0], plain.spikes))
        assert np.abs(found - expected).mean() * STEP_MS <= 0.1, f"{amplitudes[n]} uA/cm2"


def test_it_rests_where_the_equations_do() -> None:
    """Nothing of the drift that a step without the residue would have."""
    run = run_golden(one(), {}, 5000, record=True)
    assert np.abs(run.membranes["axon"][0] / 1024 + 65).max() < 0.02


@pytest.mark.parametrize("state_bits", [16, 18, 24])
def test_a_step_stays_within_its_bound(state_bits: int) -> None:
    """`make verify` has ten million states."""
    errors, bounds = step_errors(np.random.default_rng(state_bits), 50_000, state_bits), step_bounds(state_bits)
    for name, bound in bounds.items():
        assert bound / 50 < errors[name] <= bound, f"{name}: {errors[name]:.3g} of {bound:.3g}"


@pytest.mark.parametrize(("values", "bits", "message"), [
    ({"e_na": 130}, 18, "population axon: e_na of neuron 0 is 130 mV; it must be -128 to 127 mV"),
    ({"v_0": -200}, 18, "population axon: v_0 of neuron 0 is -200 mV; it must be -128 to 127 mV"),
    ({"dt": 0.05}, 18, "population axon: dt of neuron 0 is 0.05 ms; it must be 0.01 to 0.01 ms"),
    ({"capacity": 0.5}, 18, "population axon: the conductances are 156.3 mS/cm2 in all, which a step of 0.01 ms makes 3.13 times"),
    ({"current": 500}, 18, "population axon: current of neuron 0 is 500; with dt 0.01 ms and its capacity it must be -200 to 200"),
    ({}, 12, "population axon: state_bits is 12; kind hodgkin_huxley needs 16 to 24"),
])
def test_bad_input_is_one_line(values: dict[str, Any], bits: int, message: str) -> None:
    with pytest.raises(RanvierError) as error:
        one(1, bits, **values)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)
