"""Headroom: the proof that no partial sum can leave the state word, whatever spikes arrive in whatever order."""

from __future__ import annotations

import numpy as np

from ..errors import RanvierError
from ..neurons.kind import Reach
from .network import Network
from .population import Population

__all__ = ["prove_headroom"]


def prove_headroom(network: Network) -> None:
    """Raise `RanvierError` naming the first neuron whose sums could leave the state word."""
    high, low = (1 << network.state_bits - 1) - 1, -(1 << network.state_bits - 1)
    for population in network.populations:
        parameters = network.parameters(population)
        for reach in population.family.reach(parameters, network.rule(population), *network.arrivals(population)):
            for reached, bound, limit, bad, name in (
                    ("rise to", reach.top, high, np.flatnonzero(reach.top > high), reach.upper),
                    ("fall to", reach.bottom, low, np.flatnonzero(reach.bottom < low), reach.lower)):
                if bad.size:
                    n = int(bad[0])
                    raise RanvierError(
                        f"population {population.name}: the {reach.word} of neuron {n} could {reached} {bound[n]}, beyond "
                        f"{limit} of {network.state_bits} state bits; "
                        + _mends(network, population, reach, name, int(parameters[name][n]) if name else 0, int(limit - bound[n]))
                        + _wider(reach))


def _mends(network: Network, population: Population, reach: Reach, name: str, bound: int, missing: int) -> str:
    """What would make a neuron fit; a narrower bound only where the state word is what takes the room."""
    smaller = "use fewer input bits" if population.driven else "use smaller weights"
    if network.spike_bits > 1 and network.incoming(population.name):
        smaller += " or fewer spike bits"
    if reach.threshold and name == reach.lower:
        smaller += " or a smaller theta"
    if not name:
        return smaller
    if abs(missing) <= max(bound if name == reach.upper else -bound, 0):
        return f"set its {name} to {bound + missing}, or {smaller}"
    return smaller


def _wider(reach: Reach) -> str:
    """The state word that would do."""
    bits = max(int(reach.top.max()).bit_length(), int(-reach.bottom.min() - 1).bit_length()) + 1
    return f", or use {bits} state bits" if bits <= 32 else ""
