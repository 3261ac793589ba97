"""Population code: its fields, its spikes and its decoder."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.encoders import activations, decode_population, population, population_quantum
from ranvier.model.errors import RanvierError


def test_fields_are_bohtes() -> None:
    m, beta = 6, 1.5
    for value in (0.0, 0.3, 1.0):
        for i in range(1, m + 1):
            centre, sigma = (2 * i - 3) / 2 / (m - 2), 1 / beta / (m - 2)
            assert activations(value, m)[i - 1] == pytest.approx(math.exp(-(value - centre) ** 2 / (2 * sigma**2)), abs=1e-15)


def test_the_nearest_neuron_spikes_first() -> None:
    # Centres of 6 neurons: -0.125, 0.125, 0.375, 0.625, 0.875, 1.125.
    spikes = population([0.375], 11, 6)[:, 0]
    assert spikes.shape == (11, 6)
    assert spikes[0].tolist() == [False, False, True, False, False, False]
    times = np.where(spikes.any(axis=0), spikes.argmax(axis=0), -1)
    assert times.tolist() == [-1, 7, 0, 7, -1, -1]
    assert math.exp(-(1.5**2) / 2) == pytest.approx(1 - 7 / 10, abs=0.05)


@given(st.floats(0, 1), st.sampled_from([(4, 3), (8, 8), (16, 8), (16, 12), (32, 5)]))
def test_decoder_is_within_its_quantum(value: float, form: tuple[int, int]) -> None:
    steps, neurons = form
    found = decode_population(population([value], steps, neurons))
    assert abs(float(found[0]) - value) <= population_quantum(steps, neurons)


def test_quantum_falls_with_steps() -> None:
    quanta = [population_quantum(steps) for steps in (4, 8, 16, 32)]
    assert quanta == sorted(quanta, reverse=True) and quanta[-1] < 0.02


def test_decoder_bears_a_lost_spike() -> None:
    spikes = population([0.375], 16, 8)
    first = np.argwhere(spikes)[-1]
    spikes[tuple(first)] = False
    assert abs(float(decode_population(spikes)[0]) - 0.375) < 0.2


@pytest.mark.parametrize(("call", "message"), [
    (lambda: population([0.5], 1), "steps is 1"), (lambda: population([0.5], 8, 2), "2 neurons; it must be 3 to 1024"),
    (lambda: population([0.5], 8, beta=0), "beta is 0"), (lambda: population([0.5], 8, cutoff=1), "cutoff is 1"),
    (lambda: population([1.1], 8), "values from 1.1"), (lambda: decode_population(np.zeros(4)), "give \\[steps, ..., neurons\\]")])
def test_bad_options(call: object, message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        call()  # type: ignore[operator]
