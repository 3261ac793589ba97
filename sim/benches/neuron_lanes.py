"""The pipelines of the neurons against `Family.step`, with every combination of options and both ways to choose among bounds.

A neuron a clock and lane, so that what is read in a wrong clock belongs to another neuron.
"""

from __future__ import annotations

import random
from collections import Counter as Tally
from collections.abc import Mapping
from typing import Any

import cocotb

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import state_fields
from ranvier.model.neurons.kind import State

from ..neuron_blocks import LANES, NEURONS, NeuronLanes
from .common import Bench, seeded
from .neurons import Neuron, arriving, group_bits, random_neuron, random_rule, step, without_currents

_STEPS = 4_000
_POOL = 400


def _random_state(rng: random.Random, neuron: Neuron, config: FabricConfig, unit: str, rule: Mapping[str, int]) -> State:
    """Words that the neuron can have; the ends of its bounds often."""
    found = []
    for field in state_fields(config, unit):
        if field.name == "flag":
            found.append(int(bool(rule["moment"]) and rule["reset"] == 2 and rng.random() < 0.5))
        elif field.name == "i" and not rule["current"]:
            found.append(0)
        else:
            ends = -(1 << field.bits - 1), (1 << field.bits - 1) - 1
            least, most = (neuron.get(f"{field.name}_{end}", free) for end, free in zip(("min", "max"), ends, strict=True))
            found.append(rng.choice([least, most, rng.randint(least, most), min(max(rng.randint(-40, 40), least), most)]))
    return tuple(found)


class _Case:
    """A neuron in one step: what it is given, and what it must make of it."""

    def __init__(self, rng: random.Random, pool: list[dict[str, int]], block: NeuronLanes, config: FabricConfig, unit: str) -> None:
        rule = random_rule(rng, config, unit, int(rng.random() < 0.9))
        neuron: Neuron = rng.choice(pool)
        state = _random_state(rng, neuron, config, unit, rule)
        current = arriving(rng, neuron, state, config, unit, rule)
        group = {**rule, "valid": int(rng.random() < 0.9), "last": int(rng.random() < 0.1)}
        found = step(neuron, state, current, config, unit, rule)
        if not rule.get("current"):
            neuron = without_currents(neuron, config)
        names = [field.name for field in state_fields(config, unit)]
        ports = {**neuron, **{f"state_{name}": value for name, value in zip(names, state, strict=True)}, "state": state[0],
                 "current": current}
        self.about = f"{group} {ports}"
        rule_bits = sum(group[name] << field.offset for name, field in block.layout["rule"].shape)
        self.given = _join(block.layout, {**ports, "rule": rule_bits})
        initial = [neuron.get(f"{name}_init", 0) for name in names]
        kept = initial if group["last"] else list(found.state)
        self.expected = {"stored": kept[0], **{f"stored_{name}": value for name, value in zip(names[1:], kept[1:], strict=True)},
                         "readout": found.state[0], "spike": found.count if group["valid"] else 0}
        self.clamps = found.clamped if group["valid"] else 0
        self.count = found.count
        self.rule = rule


def _join(layout: Any, values: Mapping[str, int]) -> int:
    return sum((values[name] & (1 << field.width) - 1) << field.offset for name, field in layout)


def _differences(block: NeuronLanes, found: int, case: _Case) -> list[str]:
    fields = {name: found >> field.offset & (1 << field.width) - 1 for name, field in block.results}
    wrong = [f"{name}: expected {value}, found {fields[name]:#x}" for name, value in case.expected.items()
             if fields[name] != value & (1 << block.results[name].width) - 1]
    if fields["clamped"].bit_count() != case.clamps:
        wrong.append(f"clamped: expected {case.clamps} words, found {fields['clamped']:#b}")
    return wrong


async def _steps(bench: Bench, name: str, rng: random.Random) -> Tally[str]:
    """`_STEPS` neuron-steps of one block; how often what was seen."""
    config, unit = NEURONS[name]
    block = NeuronLanes(config, unit)
    pool = [random_neuron(rng, config, unit) for _ in range(_POOL)]
    width, seen = block.results.size, Tally[str]()
    cases: list[list[_Case]] = []
    for clock in range(_STEPS // LANES + block.latency):
        cases.append([_Case(rng, pool, block, config, unit) for _ in range(LANES)])
        bench.set(given=group_bits([case.given for case in cases[-1]], block.layout.size))
        await bench.settle()
        for port in ("found", "found_by_or") if clock >= block.latency else ():
            found = bench.get(port)
            for lane, case in enumerate(cases[clock - block.latency]):
                wrong = _differences(block, found >> lane * width & (1 << width) - 1, case)
                assert not wrong, f"{name}, {port}, clock {clock}, lane {lane}: {'; '.join(wrong)}; {case.about}"
        if clock >= block.latency:
            for case in cases[clock - block.latency]:
                seen.update([f"count {case.count}", f"clamps {case.clamps}", *(f"{key} {value}" for key, value in case.rule.items())])
        await bench.next()
    return seen


@cocotb.test()
@cocotb.parametrize(block=list(NEURONS))
async def steps(dut: Any, block: str) -> None:
    """State words, counts, readouts and clamps, each in its clock."""
    rng = seeded(block)
    bench = Bench(dut, block)
    await bench.reset()
    seen = await _steps(bench, block, rng)
    cocotb.log.info("%s: %s", block, dict(sorted(seen.items())))
    config, unit = NEURONS[block]
    options = config.options(unit)
    assert seen["count 0"] > _STEPS // 20 and all(seen[f"count {n}"] for n in range(1, min(8, 1 << options.spike_bits))), seen
    assert seen[f"count {(1 << options.spike_bits) - 1}"] > _STEPS // 200 and seen["clamps 1"] > _STEPS // 40, seen
    assert not options.next_tick or seen["moment 1"] > _STEPS // 4, seen
    assert not options.currents or seen["before 1"] > _STEPS // 5 and seen["clamps 2"] > _STEPS // 200, seen
