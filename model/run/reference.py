"""The plain reference: one input, one window, neuron by neuron and synapse by synapse, in Python integers.

It is the number format written as a program and nothing else: slow, without numpy in the arithmetic, and
short enough to be checked by eye; a neuron's own step is in `model/neurons/`. The golden model and the RTL are measured against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..network.levels import step_order
from ..network.network import Network
from ..network.population import Population
from ..network.projection import Projection
from ..neurons.kind import Family, Rule, State, Step

__all__ = ["Neuron", "ReferenceRun", "gather", "run_reference"]


@dataclass
class ReferenceRun:
    """What one window of one input did; all values are Python integers.

    spikes
        Population to [step][neuron]: counts, 0 to 2**spike_bits - 1; also for readouts, whose entries are all 0.
    membranes
        Population to [step][neuron]: the membranes stored after the step.
    states
        Population to name to [step][neuron]: the other state words stored after the step, of those that the network needs.
    clamps
        Population to [step]: state words that a bound changed.
    readouts
        Readout population to [neuron]: the membrane after the last step, before it returns to ``v_init``.
    """

    spikes: dict[str, list[list[int]]] = field(default_factory=dict)
    membranes: dict[str, list[list[int]]] = field(default_factory=dict)
    states: dict[str, dict[str, list[list[int]]]] = field(default_factory=dict)
    clamps: dict[str, list[int]] = field(default_factory=dict)
    readouts: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Neuron:
    """One neuron: its arithmetic, its parameters as Python integers, and what its population lays down for it."""

    family: Family
    rule: Rule
    parameters: Mapping[str, int]

    @classmethod
    def all_of(cls, network: Network, population: Population) -> list[Neuron]:
        """The neurons of a population, in order."""
        columns = {name: values.tolist() for name, values in network.parameters(population).items()}
        rule = network.rule(population)
        return [cls(population.family, rule, {name: column[n] for name, column in columns.items()}) for n in range(population.size)]

    @property
    def initial(self) -> State:
        """Its state words at the beginning of a window."""
        return self.family.initial(self.parameters, self.rule)

    def step(self, state: State, contributions: Sequence[int], step: int = 0) -> Step:
        """The step of number ``step`` from ``state``; asserts that no partial sum leaves the state word."""
        return self.family.step_at(step, self.parameters, self.rule, state, contributions)


def gather(network: Network, population: Population, step: int, spikes: Mapping[str, Sequence[Sequence[int]]],
           ) -> list[list[int]]:
    """Contributions to each neuron at ``step``: one entry for every synapse and every bit of its source's count that is 1.

    ``spikes[source][s][j]`` is the count of neuron j at step s of this window; there are none before it.
    """
    contributions: list[list[int]] = [[] for _ in range(population.size)]
    for projection in network.incoming(population.name):
        if projection.delay > step:
            continue
        source, counts = network.by_name[projection.source], spikes[projection.source][step - projection.delay]
        shifts = [[projection.exponent + plane for plane in range(network.spike_bits) if count >> plane & 1] for count in counts]
        for j, n, weight in _synapses(projection, source, population, [j for j, count in enumerate(counts) if count]):
            contributions[n] += [weight << shift for shift in shifts[j]]
    return contributions


def _synapses(projection: Projection, source: Population, destination: Population, spiking: list[int]) -> Iterator[tuple[int, int, int]]:
    """Every synapse from the neurons ``spiking``: its source neuron, its destination neuron, its weight."""
    weights = projection.weights.tolist()
    if projection.is_dense(source, destination):
        for j in spiking:
            for n in range(destination.size):
                yield j, n, weights[0][0][j][n]
        return
    spikes = set(spiking)
    kernel_height, kernel_width, of_group, _ = projection.weights.shape
    (in_height, in_width, in_channels), (height, width, channels) = source.shape, destination.shape
    for y in range(height):
        for x in range(width):
            for ky in range(kernel_height):
                for kx in range(kernel_width):
                    in_y = y * projection.stride[0] - projection.padding[0] + ky * projection.dilation[0]
                    in_x = x * projection.stride[1] - projection.padding[2] + kx * projection.dilation[1]
                    if not (0 <= in_y < in_height and 0 <= in_x < in_width):
                        continue
                    for channel in range(channels):
                        first = channel // (channels // projection.groups) * of_group
                        for c in range(of_group):
                            j = (in_y * in_width + in_x) * in_channels + first + c
                            if j in spikes:
                                yield j, (y * width + x) * channels + channel, weights[ky][kx][c][channel]


def run_reference(network: Network, inputs: Mapping[str, Any], steps: int, *, endless: bool = False) -> ReferenceRun:
    """Run one window of ``steps`` steps from ``v_init``.

    ``inputs[name]`` holds one unsigned value for each neuron of an input population, or a list of such rows,
    one for each step; lists or integer arrays. In an endless run the last step stores the membrane as any other.
    Raises ValueError where the inputs do not fit the network.
    """
    order = [network.by_name[name] for name in step_order(network)]
    neurons = {p.name: Neuron.all_of(network, p) for p in order}
    stored = {p.name: [neuron.initial for neuron in neurons[p.name]] for p in order}
    values = {p.name: _per_step(network, p, inputs[p.name], steps) for p in network.inputs}
    words = {p.name: [word.name for word in p.family.words(network.options_of(p))] for p in order}
    run = ReferenceRun(spikes={p.name: [] for p in order}, membranes={p.name: [] for p in order},
                       states={p.name: {word: [] for word in words[p.name][1:]} for p in order}, clamps={p.name: [] for p in order})
    for step in range(steps):
        last = step == steps - 1
        for population in order:
            name = population.name
            if population.driven:
                contributions = [[value] for value in values[name][step]]
            else:
                contributions = gather(network, population, step, run.spikes)
            results = [neuron.step(state, terms, step)
                       for neuron, state, terms in zip(neurons[name], stored[name], contributions, strict=True)]
            states = [result.state for result in results]
            if last and not population.spiking:
                run.readouts[name] = [state[0] for state in states]
            stored[name] = [neuron.initial for neuron in neurons[name]] if last and not endless else states
            run.spikes[name].append([result.count for result in results])
            run.clamps[name].append(sum(result.clamped for result in results))
            columns = [list(column) for column in zip(*stored[name], strict=True)]
            for kept, column in zip((run.membranes[name], *run.states[name].values()), columns, strict=True):
                kept.append(column)
    return run


def _per_step(network: Network, population: Population, values: Any, steps: int) -> list[list[int]]:
    """The host's values as [step][neuron]."""
    rows = values.tolist() if hasattr(values, "tolist") else list(values)
    if not rows or not isinstance(rows[0], (list, tuple)):
        rows = [rows] * steps
    if len(rows) != steps or any(len(row) != population.size for row in rows):
        raise ValueError(f"{population.name}: the values must be {population.size} a step, for {steps} steps")
    if any(not 0 <= value < 1 << network.input_bits for row in rows for value in row):
        raise ValueError(f"{population.name}: a value does not fit {network.input_bits} bits")
    return rows
