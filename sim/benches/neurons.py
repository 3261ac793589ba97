"""Random neurons for the benches of neurons, sweep and input unit, and what the number format makes of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import drive_fields, dynamics_fields
from ranvier.model.fixed import NO_LEAK
from ranvier.model.network.semantics import RESETS
from ranvier.model.neurons.kind import LOWER, UPPER, Parameter, Rule, State, Step
from ranvier.model.words import Field, pack

__all__ = ["Neuron", "arriving", "column_bits", "drive_word", "dynamics_word", "group_bits", "random_neuron", "random_rule", "step",
           "without_currents"]

#: The parameters of one neuron by name.
Neuron = Mapping[str, int]

# The adders wrap, so sums may leave the word on their way, and only the last one must fit: the model's assertion gets room for that.
_ROOM = 8


def step(neuron: Neuron, state: State, current: int, config: FabricConfig, unit: str, row: Mapping[str, int]) -> Step:
    """One step of a neuron of a ``core`` or of the ``input`` unit; ``row`` says whether it spikes, how it compares and resets, and
    whether it has a current. ``state`` has the words of the unit's memory.
    """
    room = 0 if config.family(unit).quantities else _ROOM    # of quantities the width of the state word is the unit
    rule = Rule(bool(row["spiking"]), bool(row["strict"]), RESETS[row["reset"]] if row["spiking"] else "none", config.rounding,
                config.state_bits + room, bool(row.get("moment")), bool(row.get("current")), bool(row.get("before")),
                config.options(unit))
    return config.family(unit).step(without_currents(neuron, config) if not row.get("current") else neuron, rule, state, [current])


def without_currents(neuron: Neuron, config: FabricConfig) -> Neuron:
    """The neuron with what the parameters of currents are in a population that has none."""
    far = 1 << config.state_bits - 1
    return {**neuron, **{name: value for name, value in (("k_i", 0), ("i_min", -far), ("i_max", far - 1), ("i_init", 0)) if name in neuron}}


def random_rule(rng: random.Random, config: FabricConfig, unit: str, spiking: int) -> dict[str, int]:
    """What a row says of its neurons, with each option that the unit has."""
    options = config.options(unit)
    kind = rng.randrange(3) if spiking else 0
    found = {"spiking": spiking, "strict": rng.randrange(2), "reset": kind}
    if options.next_tick:
        found["moment"] = rng.randrange(2) if kind else 0
    if options.currents:
        current = rng.randrange(2)
        found |= {"current": current, "before": rng.randrange(2) if current else 0}
    return found


def arriving(rng: random.Random, neuron: Neuron, state: State, config: FabricConfig, unit: str, row: Mapping[str, int]) -> int:
    """A sum of contributions that keeps all sums in their words, as the mapper proves it does; often one that matters."""
    high = (1 << config.state_bits - 1) - 1
    if config.family(unit).quantities:    # what arrives is a current of its own
        return rng.choice([-high - 1, high, 0, rng.randint(-high - 1, high)])
    far = 1 << config.state_bits + _ROOM - 2
    # Where the sums go without input and bounds: without spikes too, and without the decay that follows them where resets are late.
    free = {**neuron, LOWER: -far, UPPER: far, "i_min": -far, "i_max": far, "theta": far}
    if row.get("moment") and RESETS[row["reset"]] == "subtract":
        free["k"] = NO_LEAK
    after = step(free, state, 0, config, unit, row).state
    rest = after[1] if row.get("current") else after[0]
    least, most = max(-high - 1, -high - 1 - rest), min(high, high - rest)
    count = rng.randrange(1, (1 << config.spike_bits) + 2) if config.spike_bits > 1 else 1
    reach = neuron.get("theta", 0) * count - after[0]
    wanted = rng.choice([least, most, 0, reach, reach - 1, reach + 1, rng.randint(least, most)])
    return min(max(wanted, least), most)


def random_neuron(rng: random.Random, config: FabricConfig, unit: str) -> dict[str, int]:
    """Parameters with a liking for the ends of their ranges."""
    family = config.family(unit)
    high = (1 << config.state_bits - 1) - 1
    low = -high - 1

    def bounds() -> list[int]:
        return sorted([rng.choice([low, 0, rng.randint(low, high)]), rng.choice([high, 0, rng.randint(low, high)])])

    constants = dict(next((kind.constants for kind in family.kinds if kind.unit == unit == "input"), {}))
    found = dict(zip((LOWER, UPPER), bounds(), strict=True))
    if unit == "core" and config.currents:
        found |= zip(("i_min", "i_max"), bounds(), strict=True)
    found |= {p.name: p.number(constants[p.name], config.state_bits) for p in family.parameters if p.name in constants}
    for parameter in family.on(unit, config.options(unit)):
        if parameter.bounded:
            ends = [found[name] for name in parameter.bounded]
            found[parameter.name] = rng.choice([*ends, rng.randint(*ends)])
        elif parameter.name not in found:
            found[parameter.name] = _random_parameter(rng, parameter, config.state_bits)
    return found


def _random_parameter(rng: random.Random, parameter: Parameter, state_bits: int) -> int:
    least, most = parameter.range(state_bits)
    least += parameter.signed and parameter.least is None    # an input must be able to outweigh it
    usual = parameter.fallback(state_bits)
    near = [min(max(usual + rng.randint(-100, 100), least), most) for _ in range(2)]
    return rng.choice([usual, usual, *near, least, least + 1, most, most - 1, most // 2, most // 2 - 1, rng.randint(least, most)])


def group_bits(values: Sequence[int], bits: int) -> int:
    """Values side by side, the first at the lowest bits."""
    return sum((value & (1 << bits) - 1) << n * bits for n, value in enumerate(values))


def column_bits(neurons: Sequence[Neuron], name: str, bits: int) -> int:
    """One parameter of a group's neurons, as the sweep takes it."""
    return group_bits([neuron[name] for neuron in neurons], bits)


def _parameters(neurons: Sequence[Neuron], fields: tuple[Field, ...]) -> int:
    """Column after column."""
    return pack([(f.name, neuron[f.name], f.bits, f.signed) for f in fields for neuron in neurons])


def drive_word(neurons: Sequence[Neuron], config: FabricConfig, unit: str) -> int:
    """A group's word of the drive memory of a ``core`` or of the ``input`` unit."""
    return _parameters(neurons, drive_fields(config, unit))


def dynamics_word(neurons: Sequence[Neuron], config: FabricConfig, unit: str) -> int:
    """A group's word of the dynamics memory of a ``core`` or of the ``input`` unit."""
    return _parameters(neurons, dynamics_fields(config, unit))
