"""What every family of neurons promises to proof, mapper and golden model, whatever its arithmetic is; and that nobody goes round it."""

from __future__ import annotations

import ast
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Fragment

from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.timing import DECODE, REREAD, TICK_OVERHEAD, settling, word_latency, write_latency
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.neurons.kind import INITIAL, LOWER, UPPER, Family, Options
from ranvier.model.neurons.registry import FAMILIES, all_parameters, driven_family, family_of, find_kind, kind_names
from ranvier.model.run.reference import Neuron
from ranvier.rtl.neurons.registry import UNITS
from ranvier.verify.random_networks import random_network

ROOT = Path(__file__).resolve().parents[3]


OPTIONS = [Options(planes, bool(late), bool(currents)) for planes, late, currents in product((1, 2, 3, 5, 8), (0, 1), (0, 1))]


def built_with(options: Options, neurons: str = "integrate") -> FabricConfig:
    """A fabric with these options."""
    return FabricConfig(neurons=neurons, cores=1, word_bits=64, core=CoreConfig(sweep_lanes=2), input=InputConfig(sweep_lanes=2),
                        spike_bits=options.spike_bits, next_tick=int(options.next_tick), currents=int(options.currents))


@pytest.fixture(params=list(FAMILIES))
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]


def populations(count: int) -> list[tuple[int, Network, Population]]:
    networks = [(seed, random_network(np.random.default_rng(seed), rich=seed % 3 == 0)) for seed in range(count)]
    return [(seed, network, population) for seed, network in networks for population in network.populations]


def test_names_are_unique_and_found() -> None:
    names = kind_names()
    assert len(set(names)) == len(names) and {"input", "if", "lif", "li"} <= set(names)
    for name in names:
        kind = find_kind(name)
        assert kind is not None and kind in family_of(name).kinds
    assert find_kind("lof") is None
    with pytest.raises(KeyError):
        family_of("lof")
    assert [kind.name for kind in driven_family().kinds if kind.driven] == ["input"]


def test_a_family_is_whole(family: Family) -> None:
    names = [p.name for p in family.parameters]
    assert len(set(names)) == len(names) and {INITIAL, LOWER, UPPER} <= set(names) <= set(all_parameters())
    assert all(set(kind.constants) <= set(names) for kind in family.kinds)
    for options in OPTIONS:
        timing = family.timing(options)
        assert set(timing.needs) == {p.name for p in family.on("core", options)}
        assert family.words(options)[0].name == "v" and timing.interval == 1
        assert timing.spikes <= timing.latency and max(timing.needs.values()) <= timing.latency


def test_the_hardware_is_made_for_the_clocks_of_the_model(family: Family) -> None:
    for options in OPTIONS:
        unit = UNITS[family.name](built_with(options, neurons=family.name), "core", clamp_by_or=False)
        assert (unit.options, unit.timing) == (options, family.timing(options))
        Fragment.get(unit, None)    # the pipeline asserts each clock that it counts on


@pytest.mark.parametrize(("options", "write", "word"), [
    (Options(), 6, 7), (Options(2), 7, 8), (Options(8), 13, 14), (Options(next_tick=True), 8, 7), (Options(2, next_tick=True), 8, 8),
    (Options(currents=True), 9, 10), (Options(8, True, True), 17, 17)])
def test_clocks_of_integrate(options: Options, write: int, word: int) -> None:
    config = built_with(options)
    assert (write_latency(config, "core"), word_latency(config, "core")) == (write, word)


def test_a_group_is_written_before_it_is_read_again() -> None:
    """A group that sends no spikes keeps its core busy where its pipeline is longer than from tick to tick, and not a clock more."""
    for options in OPTIONS:
        config = built_with(options)
        free = REREAD - write_latency(config, "core")
        assert settling(config) == max(0, 1 - free)
        # Groups that send spikes keep it busy until their words are on the ring, which takes longer.
        assert word_latency(config, "core") + REREAD - 1 > write_latency(config, "core")
        # The input unit's send spikes all: from the clock in which it is idle to its first group pass fewer clocks.
        assert word_latency(config, "input") + TICK_OVERHEAD + DECODE + 1 > write_latency(config, "input")
    assert settling(built_with(Options(8, True, True))) == 4 and settling(FabricConfig()) == 0


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_defaults_lie_within_their_ranges(family: Family, bits: int) -> None:
    for parameter in family.parameters:
        least, most = parameter.range(bits)
        assert least <= parameter.fallback(bits) <= most
        width = parameter.width(bits)
        assert (-(1 << width - 1) if parameter.signed else 0) <= least < most < 1 << width - parameter.signed


def test_units_keep_what_their_kinds_choose() -> None:
    family = FAMILIES["integrate"]
    assert [p.name for p in family.on("core", Options(currents=True))] == [p.name for p in family.parameters]
    currents = {"k_i", "i_min", "i_max", "i_init"}
    assert {p.name for p in family.parameters} - {p.name for p in family.on("core", Options())} == currents
    assert {p.name for p in family.parameters} - {p.name for p in family.on("input", Options(currents=True))} == {"k", *currents}


def test_what_rests_stays_silent_and_unmoved() -> None:
    """Padding: in every step the state word stays, nothing spikes, no bound acts."""
    changed = 0
    for seed, network, population in populations(150):
        rule = network.rule(population)
        for neuron in Neuron.all_of(network, population):
            calm = population.family.rest(neuron.parameters, rule)
            first = population.family.initial(calm, rule)
            step = population.family.step(calm, rule, first, [])
            assert (step.state, step.count, step.clamped) == (first, 0, 0), f"seed {seed}, {population.name}: {calm}"
            for parameter in population.family.parameters:
                least, most = parameter.range(network.state_bits)
                assert least <= calm[parameter.name] <= most
            changed += calm != dict(neuron.parameters)
    assert changed > 100


def test_the_interval_holds_every_step() -> None:
    """A state between the ends, any contributions: the next state, before bounds act, lies between the next ends."""
    rng = np.random.default_rng(5)
    far = 1 << 40
    checked = 0
    for seed, network, population in populations(60):
        rule, parameters = network.rule(population), network.parameters(population)
        free = replace(rule, state_bits=50)
        ends = np.sort(rng.integers(parameters[LOWER], parameters[UPPER] + 1, (2, population.size)), axis=0)
        positive, negative = (rng.integers(0, 60, population.size) for _ in range(2))
        found = population.family.interval(parameters, rule, ends[0], ends[1], positive, negative)
        if found is None:
            continue
        for n, neuron in enumerate(Neuron.all_of(network, population)):
            unbound = {**neuron.parameters, LOWER: -far, UPPER: far}
            for state in (ends[0][n], ends[1][n], rng.integers(ends[0][n], ends[1][n] + 1)):
                for contribution in (-negative[n], positive[n], rng.integers(-negative[n], positive[n] + 1)):
                    step = population.family.step(unbound, free, (int(state), *neuron.initial[1:]), [int(contribution)])
                    assert found[0][n] <= step.state[0] <= found[1][n], f"seed {seed}, {population.name}, neuron {n}"
                    checked += 1
    assert checked > 5000


def kind_comparisons(source: str, names: set[str]) -> list[int]:
    """Lines on which something's ``kind`` is compared with one of ``names``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            asked = any(getattr(side, "attr", getattr(side, "id", "")) == "kind" for side in sides)
            constants = {part.value for side in sides for part in ast.walk(side) if isinstance(part, ast.Constant)}
            if asked and constants & names:
                found.append(node.lineno)
    return found


def test_nobody_compares_kinds_by_name() -> None:
    assert kind_comparisons('a = p.kind == "li" or kind in ("if", "lif")', set(kind_names())) == [1, 1]
    files = [path for top in ("model", "rtl", "sim", "boards", "src") for path in (ROOT / top).rglob("*.py")
             if not any(parent.is_symlink() for parent in path.parents)]
    assert len(files) > 100
    # "input" also names a unit and a direction, which are no kinds.
    wrong = [f"{path.relative_to(ROOT)}:{line}" for path in files if path.parent != ROOT / "model" / "neurons"
             for line in kind_comparisons(path.read_text(), set(kind_names()) - {"input"})]
    assert not wrong, f"kinds compared by name: {', '.join(wrong)}"
