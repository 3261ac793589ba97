"""Levels: the least that satisfy every hop, cycles by name, and a pipeline nobody can see."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from ranvier.model.errors import RanvierError
from ranvier.model.limits import MAX_DELAY
from ranvier.model.network.levels import schedule, step_order
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.run.reference import Neuron, run_reference
from tests.strategies import Inputs, random_inputs, random_network, seeds


def wired(*hops: tuple[str, str, int]) -> Network:
    """One neuron a name; names with an ``i`` in front are inputs."""
    names = sorted({name for hop in hops for name in hop[:2]})
    return Network(
        tuple(Population(name, (1, 1, 1), "input" if name[0] == "i" else "if") for name in names),
        tuple(Projection.dense(source, destination, [[1]], delay) for source, destination, delay in hops))


def test_a_chain_with_a_skip() -> None:
    net = wired(("i", "a", 0), ("a", "b", 0), ("b", "c", 0), ("i", "c", 2))
    found = schedule(net)
    assert found.level == {"i": 0, "a": 1, "b": 2, "c": 3}
    assert (found.period, found.depth) == (1, 3)
    assert [found.delay(p) for p in net.projections] == [1, 1, 1, 5]
    assert found.ticks(4) == 7
    assert found.ticks(4, windows=3) == 15


def test_a_source_delay_shortens_the_pipeline() -> None:
    assert schedule(wired(("i", "a", 1), ("a", "b", 3))).level == {"i": 0, "a": 0, "b": 0}


def test_self_recurrence_needs_no_longer_period() -> None:
    net = wired(("i", "a", 0), ("a", "a", 1))
    assert schedule(net).period == 1
    assert schedule(net).delay(net.projections[1]) == 1


@pytest.mark.parametrize(("length", "delay"), [(2, 1), (3, 1), (3, 2), (4, 1), (4, 3), (5, 2)])
def test_a_cycle_longer_than_its_delay_stretches_time(length: int, delay: int) -> None:
    """n hops of at least a tick in ``delay`` steps need steps of n / delay ticks, rounded up."""
    names = "abcde"[:length]
    hops = [("i", "a", 0), *((x, y, 0) for x, y in itertools.pairwise(names)), (names[-1], "a", delay)]
    net = wired(*hops)
    found = schedule(net)
    assert found.period == -(-length // delay)
    assert found.ticks(10) == found.depth + 9 * found.period + 1
    assert all(1 <= found.delay(p) <= MAX_DELAY for p in net.projections)


@pytest.mark.parametrize(("hops", "cycle"), [
    ([("a", "a", 0)], "a -> a"), ([("i", "a", 0), ("a", "b", 0), ("b", "a", 0)], "a -> b -> a"),
    ([("a", "b", 0), ("b", "c", 0), ("c", "a", 0), ("c", "d", 0), ("d", "e", 1)], "a -> b -> c -> a")])
def test_a_cycle_without_delay_is_refused_by_name(hops: list[tuple[str, str, int]], cycle: str) -> None:
    with pytest.raises(RanvierError) as error:
        schedule(wired(*hops))
    first, *rest = cycle.split(" -> ")[:-1]
    turns = [[first, *rest][n:] + [first, *rest][:n] for n in range(len(rest) + 1)]
    assert any(f"projections {' -> '.join([*turn, turn[0]])} form a cycle without delay" in str(error.value)
               for turn in turns)
    assert "give one of them a delay of at least 1" in str(error.value)


def test_a_population_behind_an_instant_cycle_is_not_blamed() -> None:
    with pytest.raises(RanvierError, match="projections c -> b -> c form|projections b -> c -> b form"):
        schedule(wired(("b", "c", 0), ("c", "b", 0), ("c", "a", 0)))


def test_a_population_before_an_instant_cycle_is_not_blamed() -> None:
    with pytest.raises(RanvierError, match="projections c -> b -> c form|projections b -> c -> b form"):
        schedule(wired(("a", "b", 0), ("b", "c", 0), ("c", "b", 0)))


def test_a_hop_that_is_too_long_is_refused_by_name() -> None:
    schedule(wired(("i", "a", MAX_DELAY)))
    schedule(wired(("i", "a", 0), ("i", "b", 13), ("a", "b", 0)))
    with pytest.raises(RanvierError, match="projection i -> b: its spikes would wait 16 ticks, the fabric keeps 15"):
        schedule(wired(("i", "a", 0), ("i", "b", 14), ("a", "b", 0)))


def least_levels(net: Network, period: int) -> dict[str, int] | None:
    """The least levels by trying all of them."""
    names = [p.name for p in net.populations]
    fits = [dict(zip(names, levels, strict=True))
            for levels in itertools.product(range(len(names) + 1), repeat=len(names))]
    fits = [level for level in fits if all(
        level[p.destination] >= level[p.source] + 1 - period * p.delay for p in net.projections)]
    return min(fits, key=lambda level: sum(level.values()), default=None)


@pytest.mark.parametrize("seed", range(30))
def test_levels_and_period_are_the_least(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = random_network(rng, max_neurons=1, max_hidden=3, max_inputs=1, max_readouts=1)
    found = schedule(net)
    assert found.level == least_levels(net, found.period)
    assert all(least_levels(net, period) is None for period in range(1, found.period))


@given(seeds())
@settings(max_examples=60)
def test_step_order_sends_every_instant_projection_forwards(seed: int) -> None:
    net = random_network(np.random.default_rng(seed))
    order = step_order(net)
    assert sorted(order) == sorted(p.name for p in net.populations)
    assert all(order.index(p.source) < order.index(p.destination) for p in net.projections if not p.delay)


class Pipeline:
    """The fabric's timing in plain Python: spike buffers of 16 slots, which nothing clears.

    In a tick every population whose turn it is reads what earlier ticks wrote, in an order drawn at random.
    """

    def __init__(self, net: Network, inputs: Inputs, steps: int, rng: np.random.Generator) -> None:
        self.net, self.inputs, self.steps, self.rng = net, inputs, steps, rng
        self.schedule = schedule(net)
        self.neurons = {p.name: Neuron.all_of(net, p) for p in net.populations}
        self.stored = {name: [n.initial for n in neurons] for name, neurons in self.neurons.items()}
        # What the buffers hold at power-up is unknown; here it is spikes everywhere.
        self.slots = {p.name: [[1] * p.size for _ in range(MAX_DELAY + 1)] for p in net.populations}
        self.spikes: dict[str, list[list[int]]] = {p.name: [] for p in net.populations}
        self.membranes: dict[str, list[list[int]]] = {p.name: [] for p in net.populations}
        self.readouts: dict[str, list[list[int]]] = {p.name: [] for p in net.readouts}

    def run(self, windows: int) -> None:
        for tick in range(self.schedule.ticks(self.steps, windows)):
            for index in self.rng.permutation(len(self.net.populations)):
                population = self.net.populations[index]
                since = tick - self.schedule.level[population.name]
                step, off = divmod(since, self.schedule.period)
                if off == 0 and 0 <= step < windows * self.steps:
                    self.sweep(population, tick, *divmod(step, self.steps))

    def arriving(self, population: Population, tick: int, window: int, step: int) -> list[list[int]]:
        if population.kind == "input":
            values = self.inputs[population.name][window]
            return [[int(value)] for value in (values[step] if values.ndim == 2 else values)]
        terms: list[list[int]] = [[] for _ in range(population.size)]
        for projection in self.net.incoming(population.name):
            if projection.delay <= step:
                slot = self.slots[projection.source][(tick - self.schedule.delay(projection)) % (MAX_DELAY + 1)]
                for j in np.flatnonzero(slot):
                    for n, weight in enumerate(projection.matrix[j].tolist()):
                        terms[n].append(weight << projection.exponent)
        return terms

    def sweep(self, population: Population, tick: int, window: int, step: int) -> None:
        name = population.name
        results = [neuron.step(v, terms) for neuron, v, terms in zip(
            self.neurons[name], self.stored[name], self.arriving(population, tick, window, step), strict=True)]
        self.stored[name] = [result.state for result in results]
        if step == self.steps - 1:
            if population.kind == "li":
                self.readouts[name].append([state[0] for state in self.stored[name]])
            self.stored[name] = [neuron.initial for neuron in self.neurons[name]]
        self.slots[name][tick % (MAX_DELAY + 1)] = [result.count for result in results]
        self.spikes[name].append([result.count for result in results])
        self.membranes[name].append([state[0] for state in self.stored[name]])


def agree(seed: int, **limits: Any) -> None:
    """Back-to-back windows through the pipeline against each window alone without one."""
    rng = np.random.default_rng(seed)
    net = random_network(rng, max_neurons=5, **limits)
    steps, windows = int(rng.integers(1, 9)), 3
    inputs = random_inputs(rng, net, windows, steps)
    pipeline = Pipeline(net, inputs, steps, rng)
    pipeline.run(windows)
    for window in range(windows):
        alone = run_reference(net, {name: values[window] for name, values in inputs.items()}, steps)
        turn = slice(window * steps, (window + 1) * steps)
        for population in net.populations:
            name = population.name
            assert pipeline.spikes[name][turn] == alone.spikes[name], f"seed {seed}, spikes of {name}, window {window}"
            assert pipeline.membranes[name][turn] == alone.membranes[name], f"seed {seed}, {name}, window {window}"
            if population.kind == "li":
                assert pipeline.readouts[name][window] == alone.readouts[name], f"seed {seed}, {name}, window {window}"


@given(seeds())
@settings(max_examples=250)
def test_the_pipeline_is_invisible(seed: int) -> None:
    agree(seed)


def test_the_pipeline_is_invisible_where_time_is_stretched() -> None:
    stretched = [seed for seed in range(400) if schedule(random_network(
        np.random.default_rng(seed), max_neurons=5, max_hidden=6)).period > 1]
    assert len(stretched) >= 20
    for seed in stretched[:40]:
        agree(seed, max_hidden=6)
