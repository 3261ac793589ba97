"""Populations: groups of equal neurons, in integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RanvierError
from ..limits import MAX_NEURONS, WORD, Ints
from ..neurons.kind import Family, Kind, Reals
from ..neurons.registry import family_of, find_kind, kind_names
from .semantics import Semantics

__all__ = ["Population", "QuantityCost"]


@dataclass(frozen=True)
class QuantityCost:
    """What making an integer of a quantity cost: of its neurons the one that lost most.

    ``asked`` is the value that was wanted and ``got`` the one that the integers stand for, both in ``unit``.
    """

    name: str
    unit: str
    asked: float
    got: float

    @property
    def error(self) -> float:
        """How much too large ``got`` is, in ``unit``."""
        return self.got - self.asked


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
        A kind whose family has `quantities` takes these too, as numbers or arrays of as many entries, in their physical units; integers
        are made of them for the network's state word, and an integer that is given goes before. `QuantityCost` says what that cost.
    semantics
        How the population steps; a kind that never spikes never resets, whatever stands here, and one with a reset of its own has that.
    """

    name: str
    shape: tuple[int, int, int]
    kind: str
    parameters: Mapping[str, int | float | npt.NDArray[Any]]
    semantics: Semantics

    def __init__(self, name: str, shape: int | tuple[int, int, int], kind: str,
                 parameters: Mapping[str, int | float | npt.NDArray[Any]] | None = None,
                 semantics: Semantics | None = None, **more: float | npt.ArrayLike) -> None:
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
        quantities = [q.name for q in self.family.quantities]
        unknown = sorted(set(self.parameters) - set(known) - set(quantities))
        if unknown:
            raise RanvierError(f"population {self.name}: unknown parameter {unknown[0]!r}; it has {', '.join([*quantities, *known])}")
        for name, value in self.neuron.constants.items():
            if name in self.parameters and (not isinstance(value, int) or np.any(self.parameter(name, 32) != value)):
                mend = f"so {name} must be {value}" if isinstance(value, int) else f"so it has no {name}"
                raise RanvierError(f"population {self.name}: kind {self.kind} has no {known[name].effect}, {mend}")
        if self.neuron.own_reset and self.semantics.reset_moment != "same_tick":
            raise RanvierError(f"population {self.name}: reset_moment is {self.semantics.reset_moment!r}; kind {self.kind} resets in the "
                               "same tick only")
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
        if value is None and self.family.quantities:
            value = self._quantised(state_bits).get(name)
        if value is None:
            parameter = next(p for p in self.family.parameters if p.name == name)
            value = parameter.number(self.neuron.constants.get(name, parameter.default), state_bits)
        array = np.asarray(value)
        if array.dtype.kind not in "iu":
            raise RanvierError(f"population {self.name}: {name} must be integers, not {array.dtype}")
        if array.size and (int(array.max()) >= WORD or int(array.min()) < -WORD):
            raise RanvierError(f"population {self.name}: {name} does not fit 32 bits")
        return self._spread(name, array.astype(np.int64))

    def integers(self, state_bits: int) -> dict[str, int | Ints]:
        """The parameters that it gives, and those that its quantities become, as integers: what files hold."""
        known = {p.name for p in self.family.parameters}
        found: dict[str, Any] = {name: value for name, value in self.parameters.items() if name in known}
        if self.family.quantities:
            made = {name: self.parameter(name, state_bits) for name in self._quantised(state_bits)}
            found |= {name: int(value[0]) if np.all(value == value[0]) else value for name, value in made.items()}
        return found

    def costs(self, state_bits: int) -> tuple[QuantityCost, ...]:
        """What making integers of its quantities cost, those that it gives and those that it leaves to their defaults."""
        wanted = self._wanted
        integers = {p.name: self.parameter(p.name, state_bits) for p in self.family.parameters}
        meant = self.family.meant(integers, state_bits) if self.family.quantities else {}
        found = []
        for quantity in self.family.quantities:
            if quantity.name in wanted and quantity.name in meant:
                asked, got = wanted[quantity.name], meant[quantity.name]
                worst = int(np.argmax(np.abs(got - asked)))
                found.append(QuantityCost(quantity.name, quantity.unit, float(asked[worst]), float(got[worst])))
        return tuple(found)

    @property
    def _wanted(self) -> dict[str, Reals]:
        """Its quantities: float64, shape (size,). Those without a value are left out."""
        found = {}
        for quantity in self.family.quantities:
            value: Any = self.parameters.get(quantity.name, quantity.default)
            if value is None:
                continue
            array = np.asarray(value)
            if array.dtype.kind not in "iuf" or not np.all(np.isfinite(array)):
                raise RanvierError(f"population {self.name}: {quantity.name} must be finite numbers")
            array = self._spread(quantity.name, array.astype(np.float64))
            bad = np.flatnonzero((array < quantity.least) | (array > quantity.most))
            if bad.size:
                unit = f" {quantity.unit}" if quantity.unit else ""
                raise RanvierError(f"population {self.name}: {quantity.name} of neuron {bad[0]} is {array[bad[0]]:g}{unit}; it must be "
                                   f"{quantity.least:g} to {quantity.most:g}{unit}")
            found[quantity.name] = array
        return found

    @cached_property
    def _made(self) -> dict[int, dict[str, Ints]]:
        return {}

    def _quantised(self, state_bits: int) -> dict[str, Ints]:
        """The integer parameters that its quantities become."""
        if state_bits not in self._made:
            wanted = self._wanted
            try:
                self._made[state_bits] = self.family.quantise(wanted, state_bits)
            except RanvierError as error:
                raise RanvierError(f"population {self.name}: {error}") from None
        return self._made[state_bits]

    def _spread(self, name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A value for each neuron of one for all, for each channel, or for each neuron."""
        if array.size not in (1, self.shape[2], self.size):
            raise RanvierError(
                f"population {self.name}: {name} has {array.size} entries; "
                f"it must have 1, {self.shape[2]} or {self.size}")
        return np.ascontiguousarray(np.resize(array.reshape(-1), self.size))
