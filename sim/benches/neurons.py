"""Random neurons for the benches of the sweep and of the input unit, and what the number format makes of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import drive_fields, dynamics_fields
from ranvier.model.fixed import NO_LEAK, clamp, decay, reset, spike_count
from ranvier.model.network.semantics import RESETS
from ranvier.model.words import Field, pack

__all__ = ["Neuron", "Result", "column_bits", "drive_word", "dynamics_word", "group_bits", "random_neuron"]


@dataclass(frozen=True)
class Neuron:
    """The parameters of one neuron."""

    theta: int
    bias: int
    k: int
    v_reset: int
    v_min: int
    v_max: int
    v_init: int

    def update(self, v: int, current: int, config: FabricConfig, row: dict[str, int]) -> Result:
        """One step; ``row`` says whether it spikes, and how it compares and resets."""
        u = decay(v, self.k, config.rounding) + current + self.bias
        count = spike_count(u, self.theta, bool(row["strict"])) if row["spiking"] else 0
        after = reset(u, count, self.theta, self.v_reset, RESETS[row["reset"]])
        return Result(u, count, clamp(after, self.v_min, self.v_max), after)


@dataclass(frozen=True)
class Result:
    """Membrane before the spike, spikes, the stored membrane, and what it was before the clamp."""

    u: int
    count: int
    stored: int
    after: int


def random_neuron(rng: random.Random, config: FabricConfig) -> Neuron:
    """Parameters with a liking for the ends of their ranges."""
    high = (1 << config.state_bits - 1) - 1
    low = -high - 1
    bounds = sorted([rng.choice([low, 0, rng.randint(low, high)]), rng.choice([high, 0, rng.randint(low, high)])])

    def inner() -> int:
        return rng.choice([*bounds, rng.randint(*bounds)])

    return Neuron(rng.choice([1, 2, high, rng.randint(1, high), rng.randint(1, 100)]),
                  rng.choice([0, 0, low + 1, high, rng.randint(low + 1, high), rng.randint(-50, 50)]),
                  rng.choice([NO_LEAK, 0, 1, 32767, 32768, 65535, rng.randint(0, NO_LEAK)]), inner(),
                  bounds[0], bounds[1], inner())


def group_bits(values: Sequence[int], bits: int) -> int:
    """Values side by side, the first at the lowest bits."""
    return sum((value & (1 << bits) - 1) << n * bits for n, value in enumerate(values))


def column_bits(neurons: Sequence[Neuron], name: str, bits: int) -> int:
    """One parameter of a group's neurons, as the sweep takes it."""
    return group_bits([getattr(neuron, name) for neuron in neurons], bits)


def _parameters(neurons: Sequence[Neuron], fields: tuple[Field, ...]) -> int:
    """Column after column."""
    return pack([(f.name, getattr(neuron, f.name), f.bits, f.signed) for f in fields for neuron in neurons])


def drive_word(neurons: Sequence[Neuron], config: FabricConfig) -> int:
    """A group's word of the drive memory."""
    return _parameters(neurons, drive_fields(config))


def dynamics_word(neurons: Sequence[Neuron], config: FabricConfig, unit: str) -> int:
    """A group's word of the dynamics memory of a ``core`` or of the ``input`` unit."""
    return _parameters(neurons, dynamics_fields(config, unit))
