"""Headroom: the proof that no partial sum can leave the state word, whatever spikes arrive in whatever order."""

from __future__ import annotations

import numpy as np

from ..errors import RanvierError
from ..limits import Ints
from ..neurons.kind import LOWER, UPPER
from .network import Network
from .population import Population

__all__ = ["input_bounds", "prove_headroom"]


def input_bounds(network: Network, population: Population) -> tuple[Ints, Ints]:
    """P and N of every neuron: the largest sums of positive and of negative contributions in one step.

    Both are int64 of shape (size,) and not negative. An input neuron's contribution is the host's value.
    """
    positive = np.zeros(population.size, np.int64)
    negative = np.zeros(population.size, np.int64)
    if population.driven:
        positive += (1 << network.input_bits) - 1
    most = (1 << network.spike_bits) - 1
    for projection in network.incoming(population.name):
        factor = most << projection.exponent
        positive += np.maximum(projection.matrix, 0).sum(axis=0) * factor
        negative += np.maximum(-projection.matrix, 0).sum(axis=0) * factor
    return positive, negative


def prove_headroom(network: Network) -> None:
    """Raise `RanvierError` naming the first neuron whose sums could leave the state word."""
    high, low = (1 << network.state_bits - 1) - 1, -(1 << network.state_bits - 1)
    for population in network.populations:
        positive, negative = input_bounds(network, population)
        parameters = network.parameters(population)
        top, bottom = population.family.reach(parameters, positive, negative)
        for reached, bound, limit, bad, mend in (
                ("rise to", top, high, np.flatnonzero(top > high), UPPER),
                ("fall to", bottom, low, np.flatnonzero(bottom < low), LOWER)):
            if bad.size:
                n = int(bad[0])
                raise RanvierError(
                    f"population {population.name}: the membrane of neuron {n} could {reached} {bound[n]}, beyond "
                    f"{limit} of {network.state_bits} state bits; "
                    + _mends(population, mend, parameters[mend][n], limit - bound[n])
                    + _wider(population, top, bottom))


def _mends(population: Population, name: str, bound: int, missing: int) -> str:
    """What would make a neuron fit; a narrower bound only where the membrane is what takes the room."""
    smaller = "use fewer input bits" if population.driven else "use smaller weights"
    if abs(missing) <= max(bound if name == UPPER else -bound, 0):
        return f"set its {name} to {bound + missing}, or {smaller}"
    return smaller


def _wider(population: Population, top: Ints, bottom: Ints) -> str:
    """The state word that would do. Bounds left open grow with the word, so for them there is none."""
    bits = max(int(top.max()).bit_length(), int(-bottom.min() - 1).bit_length()) + 1
    return f", or use {bits} state bits" if bits <= 32 and {LOWER, UPPER} <= set(population.parameters) else ""
