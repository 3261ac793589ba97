"""Populations: groups of equal neurons, in integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..errors import RanvierError
from ..limits import MAX_NEURONS, WORD, Ints
from ..neurons.kind import Family, Kind
from ..neurons.registry import family_of, find_kind, kind_names
from .semantics import Semantics

__all__ = ["Population"]


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons of one kind.

    name
        Unique in the network; letters, digits, ``_ - . /``, at most 64 characters.
    shape
        (height, width, channels); a dense layer of n neurons is (1, 1, n).
    kind
        A name in `model/neurons/registry.py`: ``input``, ``if``, ``lif``, ``li``.
    parameters
        Integers, or integer arrays of ``channels`` or ``height x width x channels`` entries, by the names that the kind's family
        gives them: ``theta`` (at least 1), ``bias``, ``k`` (0 to 65536, 65536 is no leak), ``v_reset``, ``v_min``, ``v_max``,
        ``v_init``. ``v_min`` and ``v_max`` default to the whole range of the network's state word.
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
        if find_kind(self.kind) is None:
            raise RanvierError(f"population {self.name}: kind is {self.kind!r}; it must be one of {', '.join(kind_names())}")
        if len(self.shape) != 3 or any(not isinstance(n, int) or n < 1 for n in self.shape):
            raise RanvierError(f"population {self.name}: shape is {self.shape}; it must be three positive integers")
        if self.size > MAX_NEURONS:
            raise RanvierError(f"population {self.name}: {self.size} neurons; at most {MAX_NEURONS} are supported")
        known = {p.name: p for p in self.family.parameters}
        unknown = sorted(set(self.parameters) - set(known))
        if unknown:
            raise RanvierError(f"population {self.name}: unknown parameter {unknown[0]!r}")
        for name, value in self.neuron.constants.items():
            if np.any(self.parameter(name, 32) != value):
                raise RanvierError(f"population {self.name}: kind {self.kind} has no {known[name].effect}, so {name} must be {value}")

    def __repr__(self) -> str:
        return f"Population({self.name!r}, {self.shape}, {self.kind!r})"

    @property
    def size(self) -> int:
        """Number of neurons."""
        height, width, channels = self.shape
        return height * width * channels

    @property
    def neuron(self) -> Kind:
        """What its neurons are."""
        found = find_kind(self.kind)
        assert found is not None
        return found

    @property
    def family(self) -> Family:
        """The arithmetic of its neurons."""
        return family_of(self.kind)

    @property
    def spiking(self) -> bool:
        """Whether its neurons can spike; those that cannot are readouts."""
        return self.neuron.spikes

    @property
    def driven(self) -> bool:
        """Whether the host drives its neurons, in the input unit."""
        return self.neuron.driven

    def parameter(self, name: str, state_bits: int) -> Ints:
        """Parameter ``name`` of every neuron: int64, shape (size,)."""
        value = self.parameters.get(name)
        if value is None:
            value = next(p for p in self.family.parameters if p.name == name).fallback(state_bits)
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
