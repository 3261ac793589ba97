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
from ..limits import MAX_SPIKE_BITS, Ints
from ..neurons.kind import Options, Parameter, Rule
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
        Width B of the count that a spike carries, 1 to 8, one for the whole network: a neuron gives 0 to 2**B - 1 spikes a step.
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
        if not isinstance(self.spike_bits, int) or isinstance(self.spike_bits, bool) or not 1 <= self.spike_bits <= MAX_SPIKE_BITS:
            raise RanvierError(f"network: spike_bits is {self.spike_bits}; it must be 1 to {MAX_SPIKE_BITS}")
        if not isinstance(self.rounding, str) or self.rounding not in ROUNDING:
            raise RanvierError(f"network: rounding is {self.rounding!r}; it must be one of {', '.join(ROUNDING)}")
        if not self.populations:
            raise RanvierError("network: there are no populations")
        if len(self.by_name) != len(self.populations):
            raise RanvierError("network: two populations have the same name")
        for projection in self.projections:
            self._check_projection(projection)
        for population in self.populations:
            least, most = population.family.state_range
            if not least <= self.state_bits <= most:
                raise RanvierError(f"population {population.name}: state_bits is {self.state_bits}; kind {population.kind} needs "
                                   f"{least} to {most}")
            self._check_parameters(population)

    def __repr__(self) -> str:
        shown = " -> ".join(f"{p.name} {p.kind} {p.size}" for p in self.populations[:8]) + (" ..." if len(self.populations) > 8 else "")
        counts = f", {self.spike_bits}-bit spikes" if self.spike_bits > 1 else ""
        return (f"Network({shown}; {len(self.projections)} projections, {self.weight_bits}-bit weights, {self.state_bits}-bit states, "
                f"{self.input_bits}-bit inputs{counts})")

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

    @cached_property
    def options(self) -> Options:
        """What a fabric's cores must be built with for this network."""
        later = any(p.spiking and p.semantics.reset_moment == "next_tick" for p in self.populations)
        return Options(self.spike_bits, later, any(p.neuron.currents for p in self.populations))

    def options_of(self, population: Population) -> Options:
        """What the unit that keeps ``population`` must be built with; the input unit has no other state than membranes."""
        return Options(self.spike_bits) if population.driven else self.options

    @cached_property
    def _arrivals(self) -> dict[str, tuple[Ints, Ints]]:
        return {}

    def arrivals(self, population: Population) -> tuple[Ints, Ints]:
        """P and N of every neuron: the largest sums of positive and of negative contributions in one step.

        Both are int64 of shape (size,) and not negative. An input neuron's contribution is the host's value.
        """
        if population.name not in self._arrivals:
            positive = np.zeros(population.size, np.int64)
            negative = np.zeros(population.size, np.int64)
            if population.driven:
                positive += (1 << self.input_bits) - 1
            most = (1 << self.spike_bits) - 1
            for projection in self.incoming(population.name):
                more, less = projection.contributions(self.by_name[projection.source], population)
                positive += more * (most << projection.exponent)
                negative += less * (most << projection.exponent)
            for found in (positive, negative):
                found.setflags(write=False)
            self._arrivals[population.name] = positive, negative
        return self._arrivals[population.name]

    def parameter(self, population: Population, name: str) -> Ints:
        """Parameter ``name`` of every neuron of ``population``: int64, shape (size,)."""
        if name in self._open_bounds(population):
            return np.full(population.size, self._widest(population)[name])
        return population.parameter(name, self.state_bits)

    def parameters(self, population: Population) -> dict[str, Ints]:
        """All parameters of its family for every neuron of ``population``: int64, shape (size,)."""
        return {p.name: self.parameter(population, p.name) for p in population.family.parameters}

    def rule(self, population: Population) -> Rule:
        """What population and network lay down for every step of its neurons."""
        said, spikes = population.semantics, population.spiking
        resets = spikes and not population.neuron.own_reset
        return Rule(spikes, said.strict, said.reset if resets else "none", self.rounding, self.state_bits,
                    next_tick=resets and said.reset_moment == "next_tick", currents=population.neuron.currents,
                    before=population.neuron.currents and said.current == "before", options=self.options_of(population))

    def _open_bounds(self, population: Population) -> list[str]:
        """Bounds that the population leaves to the proof: ends of ranges that it does not give and that are its kind's to choose."""
        return [p.name for p in population.family.parameters if not isinstance(p.default, int) and p.name not in population.parameters
                and p.name not in population.neuron.constants]

    @cached_property
    def _bounds(self) -> dict[str, dict[str, int]]:
        return {}

    def _widest(self, population: Population) -> dict[str, int]:
        """The widest bounds with which the proof of headroom holds, for those left open; 0 where not even that does."""
        if population.name not in self._bounds:
            unbound = self._open_bounds(population)
            values = {p.name: np.zeros(population.size, np.int64) if p.name in unbound else population.parameter(p.name, self.state_bits)
                      for p in population.family.parameters}
            found = {name: int(population.parameter(name, self.state_bits)[0]) for name in unbound}
            high, low = (1 << self.state_bits - 1) - 1, -(1 << self.state_bits - 1)
            for reach in population.family.reach(values, self.rule(population), *self.arrivals(population)):
                found |= {reach.upper: max(high - int(reach.top.max()), 0)} if reach.upper in unbound else {}
                found |= {reach.lower: min(low - int(reach.bottom.min()), 0)} if reach.lower in unbound else {}
            self._bounds[population.name] = found
        return self._bounds[population.name]

    def _check_parameters(self, population: Population) -> None:
        parameters = population.family.parameters
        for parameter in parameters:
            value, (least, most) = population.parameter(parameter.name, self.state_bits), parameter.range(self.state_bits)
            bad = np.flatnonzero((value < least) | (value > most))
            if bad.size:
                raise RanvierError(
                    f"population {population.name}: {parameter.name} of neuron {bad[0]} is {value[bad[0]]}; "
                    f"it must be {least} to {most} with {self.state_bits} state bits")
        values = self.parameters(population)
        for parameter in parameters:
            if parameter.bounded:
                self._check_bounded(population, parameter, values)

    def _check_bounded(self, population: Population, parameter: Parameter, values: Mapping[str, Ints]) -> None:
        lower, upper = parameter.bounded
        value = values[parameter.name]
        bad = np.flatnonzero((value < values[lower]) | (value > values[upper]))
        if bad.size:
            n = int(bad[0])
            raise RanvierError(f"population {population.name}: {parameter.name} of neuron {n} is outside {lower} to {upper}, "
                               f"{values[lower][n]} to {values[upper][n]}")

    def _check_projection(self, projection: Projection) -> None:
        for end in (projection.source, projection.destination):
            if end not in self.by_name:
                raise RanvierError(f"projection {projection.name}: there is no population {end!r}")
        source, destination = self.by_name[projection.source], self.by_name[projection.destination]
        if destination.driven:
            raise RanvierError(f"projection {projection.name}: an input population has no synapses")
        if not source.spiking:
            raise RanvierError(f"projection {projection.name}: {source.name} is a readout and never spikes")
        projection.check(source, destination)
        bound = 1 << self.weight_bits - 1
        if int(projection.weights.max()) >= bound or int(projection.weights.min()) < -bound:
            raise RanvierError(f"projection {projection.name}: a weight does not fit {self.weight_bits} bits")
