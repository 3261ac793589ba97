"""Populations: groups of equal neurons, in integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RanvierError
from ..limits import MAX_NEURONS, WORD, Ints
from ..neurons.kind import Family, Kind
from ..neurons.registry import family_of, find_kind, kind_names
from .semantics import Semantics

__all__ = ["Population"]


@dataclass(frozen=True, eq=False, init=False)
class Population:
    """Neurons of one kind.

        Population("hidden", 32, "lif", theta=40, k=60000)
        Population("image", (34, 34, 2), "input", semantics=Semantics(reset="value"))

    name
        Unique in the network; letters, digits, ``_ - . /``, at most 64 characters.
    shape
        (height, width, channels), neurons in the order (y, x, channel); a number n is (1, 1, n).
    kind
        A name in `model/neurons/registry.py`: ``input``, ``if``, ``lif``, ``li``, ``cubalif``, ``cubali``.
    parameters
        Integers, or integer arrays of ``channels`` or ``height x width x channels`` entries, by the names that the kind's family
        gives them: ``theta`` (at least 1), ``bias``, ``k`` (0 to 65536, 65536 is no leak), ``v_reset``, ``v_min``, ``v_max``,
        ``v_init``, and with a synaptic current ``k_i``, ``i_min``, ``i_max``, ``i_init``. They can also be given as keywords. Bounds
        default to the widest that the proof of headroom allows, one value for the population.
    semantics
        How the population steps; a kind that never spikes never resets, whatever stands here.
    """

    name: str
    shape: tuple[int, int, int]
    kind: str
    parameters: Mapping[str, int | Ints]
    semantics: Semantics

    def __init__(self, name: str, shape: int | tuple[int, int, int], kind: str, parameters: Mapping[str, int | Ints] | None = None,
                 semantics: Semantics | None = None, **more: int | npt.ArrayLike) -> None:
        twice = sorted(set(parameters or {}) & set(more))
        if twice:
            raise RanvierError(f"population {name}: {twice[0]} is given twice")
        whole = isinstance(shape, (int, np.integer)) and not isinstance(shape, bool)
        for key, value in (("name", name), ("shape", (1, 1, int(shape)) if whole else shape), ("kind", kind),  # type: ignore[arg-type]
                           ("parameters", {**(parameters or {}), **more}), ("semantics", semantics or Semantics())):
            object.__setattr__(self, key, value)
        self._check()

    def _check(self) -> None:
        if not isinstance(self.name, str) or not 0 < len(self.name) <= 64 or not all(
                c.isalnum() or c in "_-./" for c in self.name):
            raise RanvierError(f"population {self.name!r}: a name is 1 to 64 letters, digits or _ - . /")
        if find_kind(self.kind) is None:
            raise RanvierError(f"population {self.name}: kind is {self.kind!r}; it must be one of {', '.join(kind_names())}")
        if not isinstance(self.shape, (tuple, list)) or len(self.shape) != 3 or any(
                not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1 for n in self.shape):
            raise RanvierError(f"population {self.name}: shape is {self.shape}; it must be three positive integers, or one for (1, 1, n)")
        object.__setattr__(self, "shape", tuple(map(int, self.shape)))
        if self.size > MAX_NEURONS:
            raise RanvierError(f"population {self.name}: {self.size} neurons; at most {MAX_NEURONS} are supported")
        known = {p.name: p for p in self.family.parameters}
        unknown = sorted(set(self.parameters) - set(known))
        if unknown:
            raise RanvierError(f"population {self.name}: unknown parameter {unknown[0]!r}; it has {', '.join(known)}")
        for name, value in self.neuron.constants.items():
            if name in self.parameters and (not isinstance(value, int) or np.any(self.parameter(name, 32) != value)):
                mend = f"so {name} must be {value}" if isinstance(value, int) else f"so it has no {name}"
                raise RanvierError(f"population {self.name}: kind {self.kind} has no {known[name].effect}, {mend}")
        if self.driven and self.semantics.reset_moment != "same_tick":
            raise RanvierError(f"population {self.name}: reset_moment is {self.semantics.reset_moment!r}; an input population resets "
                               "in the same tick only")

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
        """Parameter ``name`` of every neuron: int64, shape (size,). Bounds that are not given are the ends of the word.

        `Network.parameter` has the bounds that the proof of headroom allows.
        """
        value: Any = self.parameters.get(name)
        if value is None:
            parameter = next(p for p in self.family.parameters if p.name == name)
            value = parameter.number(self.neuron.constants.get(name, parameter.default), state_bits)
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
        return np.tile(flat, self.size // flat.size)
