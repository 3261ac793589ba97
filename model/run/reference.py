"""The plain reference: one input, one window, neuron by neuron and synapse by synapse, in Python integers.

It is the number format written as a program and nothing else: slow, without numpy in the arithmetic, and
short enough to be checked by eye; a neuron's own step is in `model/neurons/`. The golden model and the RTL are measured against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..network.levels import step_order
from ..network.network import Network
from ..network.population import Population
from ..neurons.kind import INITIAL, Family, Rule, Step

__all__ = ["Neuron", "ReferenceRun", "gather", "run_reference"]


@dataclass
class ReferenceRun:
    """What one window of one input did; all values are Python integers.

    spikes
        Population to [step][neuron], 0 or 1; also for readouts, whose entries are all 0.
    membranes
        Population to [step][neuron]: the words stored after the step.
    clamps
        Population to [step]: neurons whose membrane a bound changed.
    readouts
        Readout population to [neuron]: the membrane after the last step, before it returns to ``v_init``.
    """

    spikes: dict[str, list[list[int]]] = field(default_factory=dict)
    membranes: dict[str, list[list[int]]] = field(default_factory=dict)
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
    def initial(self) -> int:
        """Its state word at the beginning of a window."""
        return self.parameters[INITIAL]

    def step(self, state: int, contributions: Sequence[int]) -> Step:
        """One step from ``state``; asserts that no partial sum leaves the state word."""
        return self.family.step(self.parameters, self.rule, state, contributions)


def gather(network: Network, population: Population, step: int, spikes: Mapping[str, Sequence[Sequence[int]]],
           ) -> list[list[int]]:
    """Contributions to each neuron at ``step``: one entry for every synapse whose source spiked.

    ``spikes[source][s][j]`` is the spike of neuron j at step s of this window; there are none before it.
    """
    contributions: list[list[int]] = [[] for _ in range(population.size)]
    for projection in network.incoming(population.name):
        if projection.delay > step:
            continue
        weights = projection.matrix.tolist()
        for j, spike in enumerate(spikes[projection.source][step - projection.delay]):
            if spike:
                for n in range(population.size):
                    contributions[n].append(weights[j][n] << projection.exponent)
    return contributions


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
    run = ReferenceRun(spikes={p.name: [] for p in order}, membranes={p.name: [] for p in order},
                       clamps={p.name: [] for p in order})
    for step in range(steps):
        last = step == steps - 1
        for population in order:
            name = population.name
            if population.driven:
                contributions = [[value] for value in values[name][step]]
            else:
                contributions = gather(network, population, step, run.spikes)
            results = [neuron.step(v, terms) for neuron, v, terms in zip(neurons[name], stored[name], contributions, strict=True)]
            membranes = [result.state for result in results]
            if last and not population.spiking:
                run.readouts[name] = membranes
            stored[name] = [neuron.initial for neuron in neurons[name]] if last and not endless else membranes
            run.spikes[name].append([result.count for result in results])
            run.clamps[name].append(sum(result.clamped for result in results))
            run.membranes[name].append(list(stored[name]))
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
