"""Populations: groups of equal neurons, in integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..errors import RanvierError
from ..fixed import NO_LEAK
from ..limits import MAX_NEURONS, WORD, Ints
from .semantics import Semantics

__all__ = ["KINDS", "PARAMETERS", "Population"]

#: Neuron kinds of this fabric. `input` lives in the input unit, `li` is a readout that never spikes.
KINDS = ("input", "if", "lif", "li")


#: Parameters of a neuron and the value each takes when the population does not say.
PARAMETERS: Mapping[str, int | None] = {
    "theta": 1, "bias": 0, "k": NO_LEAK, "v_reset": 0, "v_min": None, "v_max": None, "v_init": 0,
}


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons of one kind.

    name
        Unique in the network; letters, digits, ``_ - . /``, at most 64 characters.
    shape
        (height, width, channels); a dense layer of n neurons is (1, 1, n).
    kind
        One of `KINDS`.
    parameters
        Integers, or integer arrays of ``channels`` or ``height x width x channels`` entries: ``theta`` (at least
        1), ``bias``, ``k`` (0 to 65536, 65536 is no leak), ``v_reset``, ``v_min``, ``v_max``, ``v_init``.
        ``v_min`` and ``v_max`` default to the whole range of the network's state word.
    semantics
        How the population steps; a `li` never spikes and never resets, whatever stands here.
    """

    name: str
    shape: tuple[int, int, int]
    kind: str
    parameters: Mapping[str, int | Ints] = field(default_factory=dict)
    semantics: Semantics = field(default_factory=Semantics)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not 0 < len(self.name) <= 64 or not all(
                c.isalnum() or c in "_-./" for c in self.name):
            raise RanvierError(f"population {self.name!r}: a name is 1 to 64 letters, digits or _ - . /")
        if self.kind not in KINDS:
            raise RanvierError(f"population {self.name}: kind is {self.kind!r}; it must be one of {', '.join(KINDS)}")
        if len(self.shape) != 3 or any(not isinstance(n, int) or n < 1 for n in self.shape):
            raise RanvierError(f"population {self.name}: shape is {self.shape}; it must be three positive integers")
        if self.size > MAX_NEURONS:
            raise RanvierError(f"population {self.name}: {self.size} neurons; at most {MAX_NEURONS} are supported")
        unknown = sorted(set(self.parameters) - set(PARAMETERS))
        if unknown:
            raise RanvierError(f"population {self.name}: unknown parameter {unknown[0]!r}")
        if self.kind in ("input", "if") and np.any(self.parameter("k", 32) != NO_LEAK):
            raise RanvierError(f"population {self.name}: kind {self.kind} has no leak, so k must be {NO_LEAK}")

    def __repr__(self) -> str:
        return f"Population({self.name!r}, {self.shape}, {self.kind!r})"

    @property
    def size(self) -> int:
        """Number of neurons."""
        height, width, channels = self.shape
        return height * width * channels

    @property
    def spiking(self) -> bool:
        """Whether its neurons can spike (all kinds but `li`)."""
        return self.kind != "li"

    def parameter(self, name: str, state_bits: int) -> Ints:
        """Parameter ``name`` of every neuron: int64, shape (size,)."""
        value = self.parameters.get(name, PARAMETERS[name])
        if value is None:
            value = -(1 << state_bits - 1) if name == "v_min" else (1 << state_bits - 1) - 1
        array = np.asarray(value)
        if array.dtype.kind not in "iu":
            raise RanvierError(f"population {self.name}: {name} must be integers, not {array.dtype}")
        if array.size and (int(array.max()) >= WORD or int(array.min()) < -WORD):
            raise RanvierError(f"population {self.name}: {name} does not fit 32 bits")
        if array.size not in (1, self.shape[2], self.size):
            raise RanvierError(
                f"population {self.name}: {name} has {array.size} entries; "
                f"it must have 1, {self.shape[2]} or {self.size}")
        flat = array.astype(np.int64).reshape(-1)
        return np.ascontiguousarray(np.resize(flat, self.size))
