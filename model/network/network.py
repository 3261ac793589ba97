"""The network: populations of neurons and the projections between them, in integers.

Names follow PyNN: a population is a group of equal neurons, a projection is a set of synapses from one
population to another (Davison et al., "PyNN: a common interface for neuronal network simulators", 2009).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import RanvierError
from ..fixed import ROUNDING
from ..limits import Ints
from ..neurons.kind import LOWER, UPPER, Rule
from .population import Population
from .projection import Projection

__all__ = ["Network"]


@dataclass(frozen=True, eq=False)
class Network:
    """Populations, projections, and the number format they are meant for.

    state_bits
        Width S of the membrane word, 12 to 32.
    weight_bits
        Width of a signed weight: 2, 4, 8 or 16.
    input_bits
        Width of the unsigned value that the host gives an input neuron in each step, 1 to 16.
    spike_bits
        Width of the count that a spike carries; 1 on this fabric.
    rounding
        Rounding of `decay`, one choice per fabric: ``nearest`` or ``zero``.
    info
        What the converter wants reports to say (plain JSON values).
    """

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    state_bits: int = 16
    weight_bits: int = 4
    input_bits: int = 8
    spike_bits: int = 1
    rounding: str = "nearest"
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.state_bits, int) or not 12 <= self.state_bits <= 32:
            raise RanvierError(f"network: state_bits is {self.state_bits}; it must be 12 to 32")
        if self.weight_bits not in (2, 4, 8, 16):
            raise RanvierError(f"network: weight_bits is {self.weight_bits}; it must be 2, 4, 8 or 16")
        if not isinstance(self.input_bits, int) or not 1 <= self.input_bits <= 16:
            raise RanvierError(f"network: input_bits is {self.input_bits}; it must be 1 to 16")
        if self.spike_bits != 1:
            raise RanvierError(f"network: spike_bits is {self.spike_bits}; this fabric's spikes are single bits")
        if not isinstance(self.rounding, str) or self.rounding not in ROUNDING:
            raise RanvierError(f"network: rounding is {self.rounding!r}; it must be one of {', '.join(ROUNDING)}")
        if not self.populations:
            raise RanvierError("network: there are no populations")
        if len(self.by_name) != len(self.populations):
            raise RanvierError("network: two populations have the same name")
        for population in self.populations:
            self._check_parameters(population)
        for projection in self.projections:
            self._check_projection(projection)

    def __repr__(self) -> str:
        shown = " -> ".join(f"{p.name} {p.kind} {p.size}" for p in self.populations[:8]) + (" ..." if len(self.populations) > 8 else "")
        return (f"Network({shown}; {len(self.projections)} projections, {self.weight_bits}-bit weights, {self.state_bits}-bit states, "
                f"{self.input_bits}-bit inputs)")

    @cached_property
    def by_name(self) -> dict[str, Population]:
        """Populations by their names."""
        return {population.name: population for population in self.populations}

    @property
    def inputs(self) -> tuple[Population, ...]:
        """Populations that the host drives."""
        return tuple(p for p in self.populations if p.driven)

    @property
    def readouts(self) -> tuple[Population, ...]:
        """Populations whose membranes are the answer: those that never spike."""
        return tuple(p for p in self.populations if not p.spiking)

    def incoming(self, name: str) -> tuple[Projection, ...]:
        """Projections that end in population ``name``, in the network's order."""
        return tuple(p for p in self.projections if p.destination == name)

    def parameter(self, population: Population, name: str) -> Ints:
        """Parameter ``name`` of every neuron of ``population``: int64, shape (size,)."""
        return population.parameter(name, self.state_bits)

    def parameters(self, population: Population) -> dict[str, Ints]:
        """All parameters of its family for every neuron of ``population``: int64, shape (size,)."""
        return {p.name: self.parameter(population, p.name) for p in population.family.parameters}

    def rule(self, population: Population) -> Rule:
        """What population and network lay down for every step of its neurons."""
        return Rule(population.spiking, population.semantics.strict, population.semantics.reset if population.spiking else "none",
                    self.rounding, self.state_bits)

    def _check_parameters(self, population: Population) -> None:
        values = self.parameters(population)
        for parameter in population.family.parameters:
            value, (least, most) = values[parameter.name], parameter.range(self.state_bits)
            bad = np.flatnonzero((value < least) | (value > most))
            if bad.size:
                raise RanvierError(
                    f"population {population.name}: {parameter.name} of neuron {bad[0]} is {value[bad[0]]}; "
                    f"it must be {least} to {most} with {self.state_bits} state bits")
        for parameter in population.family.parameters:
            value = values[parameter.name]
            bad = np.flatnonzero((value < values[LOWER]) | (value > values[UPPER]))
            if parameter.bounded and bad.size:
                raise RanvierError(
                    f"population {population.name}: {parameter.name} of neuron {bad[0]} is outside {LOWER} to {UPPER}")

    def _check_projection(self, projection: Projection) -> None:
        for end in (projection.source, projection.destination):
            if end not in self.by_name:
                raise RanvierError(f"projection {projection.name}: there is no population {end!r}")
        source, destination = self.by_name[projection.source], self.by_name[projection.destination]
        if destination.driven:
            raise RanvierError(f"projection {projection.name}: an input population has no synapses")
        if not source.spiking:
            raise RanvierError(f"projection {projection.name}: {source.name} is a readout and never spikes")
        if projection.matrix.shape != (source.size, destination.size):
            raise RanvierError(
                f"projection {projection.name}: weights are {projection.matrix.shape[0]} x "
                f"{projection.matrix.shape[1]}, the populations have {source.size} and {destination.size} neurons")
        bound = 1 << self.weight_bits - 1
        if int(projection.matrix.max()) >= bound or int(projection.matrix.min()) < -bound:
            raise RanvierError(f"projection {projection.name}: a weight does not fit {self.weight_bits} bits")
