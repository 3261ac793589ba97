"""The plain reference: one input, one window, neuron by neuron and synapse by synapse, in Python integers.

It is the number format written as a program and nothing else: slow, without numpy in the arithmetic, and
short enough to be checked by eye. The golden model and the RTL are measured against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..fixed import clamp, decay, reset, spike_count
from ..network.levels import step_order
from ..network.network import Network
from ..network.population import PARAMETERS, Population

__all__ = ["Neuron", "ReferenceRun", "gather", "run_reference", "step_neuron"]


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
        `li` population to [neuron]: the membrane after the last step, before it returns to ``v_init``.
    """

    spikes: dict[str, list[list[int]]] = field(default_factory=dict)
    membranes: dict[str, list[list[int]]] = field(default_factory=dict)
    clamps: dict[str, list[int]] = field(default_factory=dict)
    readouts: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Neuron:
    """One neuron's parameters as Python integers, and what its population lays down for it."""

    theta: int
    bias: int
    k: int
    v_reset: int
    v_min: int
    v_max: int
    v_init: int
    spiking: bool
    strict: bool
    reset: str
    rounding: str

    @classmethod
    def all_of(cls, network: Network, population: Population) -> list[Neuron]:
        """The neurons of a population, in order."""
        columns = {name: network.parameter(population, name).tolist() for name in PARAMETERS}
        return [cls(**{name: column[n] for name, column in columns.items()}, spiking=population.spiking,
                    strict=population.semantics.strict, reset=population.semantics.reset, rounding=network.rounding)
                for n in range(population.size)]


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


def step_neuron(neuron: Neuron, v: int, contributions: Sequence[int], state_bits: int) -> tuple[int, int, bool]:
    """One step of one neuron: (membrane, spike count, whether a bound changed the membrane)."""
    leaked = decay(v, neuron.k, neuron.rounding)
    _assert_headroom([leaked, neuron.bias, *contributions], state_bits)
    u = leaked + neuron.bias
    for contribution in contributions:
        u += contribution
    count = spike_count(u, neuron.theta, neuron.strict) if neuron.spiking else 0
    w = reset(u, count, neuron.theta, neuron.v_reset, neuron.reset) if neuron.spiking else u
    _assert_headroom([w], state_bits)
    held = clamp(w, neuron.v_min, neuron.v_max)
    return held, count, held != w


def run_reference(network: Network, inputs: Mapping[str, Any], steps: int, *, endless: bool = False) -> ReferenceRun:
    """Run one window of ``steps`` steps from ``v_init``.

    ``inputs[name]`` holds one unsigned value for each neuron of an input population, or a list of such rows,
    one for each step; lists or integer arrays. In an endless run the last step stores the membrane as any other.
    Raises ValueError where the inputs do not fit the network.
    """
    order = [network.by_name[name] for name in step_order(network)]
    neurons = {p.name: Neuron.all_of(network, p) for p in order}
    stored = {p.name: [neuron.v_init for neuron in neurons[p.name]] for p in order}
    values = {p.name: _per_step(network, p, inputs[p.name], steps) for p in network.inputs}
    run = ReferenceRun(spikes={p.name: [] for p in order}, membranes={p.name: [] for p in order},
                       clamps={p.name: [] for p in order})
    for step in range(steps):
        last = step == steps - 1
        for population in order:
            name = population.name
            if population.kind == "input":
                contributions = [[value] for value in values[name][step]]
            else:
                contributions = gather(network, population, step, run.spikes)
            results = [step_neuron(neuron, v, terms, network.state_bits)
                       for neuron, v, terms in zip(neurons[name], stored[name], contributions, strict=True)]
            membranes = [v for v, _, _ in results]
            if last and population.kind == "li":
                run.readouts[name] = membranes
            stored[name] = [neuron.v_init for neuron in neurons[name]] if last and not endless else membranes
            run.spikes[name].append([count for _, count, _ in results])
            run.clamps[name].append(sum(clamped for _, _, clamped in results))
            run.membranes[name].append(list(stored[name]))
    return run


def _assert_headroom(terms: Sequence[int], state_bits: int) -> None:
    """Every partial sum of ``terms``, in every order, fits the state word.

    The largest partial sum over all orders is that of the positive terms alone, the smallest that of the
    negative ones, so two sums speak for all orders.
    """
    assert sum(term for term in terms if term > 0) <= (1 << state_bits - 1) - 1, "a partial sum leaves the state word"
    assert sum(term for term in terms if term < 0) >= -(1 << state_bits - 1), "a partial sum leaves the state word"


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
