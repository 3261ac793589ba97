"""Random neurons for the benches of the sweep and of the input unit, and what the number format makes of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import drive_fields, dynamics_fields
from ranvier.model.network.semantics import RESETS
from ranvier.model.neurons.kind import LOWER, UPPER, Parameter, Rule, Step
from ranvier.model.words import Field, pack

__all__ = ["Neuron", "before_spike", "column_bits", "drive_word", "dynamics_word", "group_bits", "random_neuron", "step"]

#: The parameters of one neuron by name.
Neuron = Mapping[str, int]

# The adders wrap, so sums may leave the word on their way, and only the last one must fit: the model's assertion gets room for that.
_ROOM = 8


def step(neuron: Neuron, state: int, current: int, config: FabricConfig, unit: str, row: Mapping[str, int]) -> Step:
    """One step of a neuron of a ``core`` or of the ``input`` unit; ``row`` says whether it spikes, and how it compares and resets."""
    rule = Rule(bool(row["spiking"]), bool(row["strict"]), RESETS[row["reset"]] if row["spiking"] else "none", config.rounding,
                config.state_bits + _ROOM)
    return config.family(unit).step(neuron, rule, (state,), [current])


def before_spike(neuron: Neuron, state: int, config: FabricConfig, unit: str) -> int:
    """Where the state word goes without input, spike and bounds."""
    far = 1 << config.state_bits + _ROOM - 2
    return step({**neuron, LOWER: -far, UPPER: far}, state, 0, config, unit, {"spiking": 0, "strict": 0}).state[0]


def random_neuron(rng: random.Random, config: FabricConfig, unit: str) -> dict[str, int]:
    """Parameters with a liking for the ends of their ranges."""
    family = config.family(unit)
    high = (1 << config.state_bits - 1) - 1
    low = -high - 1
    bounds = sorted([rng.choice([low, 0, rng.randint(low, high)]), rng.choice([high, 0, rng.randint(low, high)])])
    found: dict[str, int] = {LOWER: bounds[0], UPPER: bounds[1]}
    if unit == "input":
        (constants,) = (kind.constants for kind in family.kinds if kind.unit == unit)
        found |= {p.name: p.number(constants[p.name], config.state_bits) for p in family.parameters if p.name in constants}
    for parameter in family.on(unit, config.options(unit)):
        if parameter.bounded:
            found[parameter.name] = rng.choice([*bounds, rng.randint(*bounds)])
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
