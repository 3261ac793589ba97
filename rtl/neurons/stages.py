"""Values of a pipeline that know their clock, so that what meets in a stage is of the same neuron."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Const, Value, signed

from ..fixed import Register, clamp
from .unit import NeuronUnit

__all__ = ["Stages", "Timed", "narrowed"]


@dataclass(frozen=True, eq=False)
class Timed:
    """A value, and the clock of the pipeline in which it is there."""

    value: Value
    clock: int


def narrowed(value: Value, bits: int) -> Value:
    """A signed value in fewer bits, where it is known to fit them."""
    return value if len(value) <= bits else value[:bits].as_signed()


class Stages:
    """Makes the registers of a neuron's pipeline: one for each stage, and as many before it as a value has to wait.

    A value that waits for several stages has one row of registers.
    """

    def __init__(self, unit: NeuronUnit, register: Register) -> None:
        self._unit, self._register = unit, register
        self._waiting: dict[tuple[Timed, int], Value] = {}

    def state(self, name: str) -> Timed:
        """A state word; the first one's name is empty."""
        return Timed(getattr(self._unit, f"state_{name}" if name else "state"), 0)

    def parameter(self, name: str) -> Timed:
        """A parameter, in the clock that the family's timing says."""
        return Timed(getattr(self._unit, name), self._unit.timing.needs[name])

    def at(self, timed: Timed, clock: int) -> Value:
        """The value in ``clock``, which is not before its own."""
        assert clock >= timed.clock, f"a value of clock {timed.clock} is wanted in clock {clock}"
        if clock == timed.clock:
            return timed.value
        if (timed, clock) not in self._waiting:
            self._waiting[timed, clock] = self._register(f"wait_{clock}", self.at(timed, clock - 1))
        return self._waiting[timed, clock]

    def stage(self, name: str, clock: int, compute: Callable[..., Any], *operands: Timed) -> Timed:
        """What ``compute`` makes of the operands in ``clock``, a clock later."""
        return Timed(self._register(name, compute(*(self.at(operand, clock) for operand in operands))), clock + 1)

    def clamp(self, name: str, clock: int, x: Timed, low: Timed | int, high: Timed | int, bits: int, by_or: bool) -> tuple[Timed, Timed]:
        """`fixed.clamp` of ``x`` to bounds of ``bits`` bits, and whether that changed it, both a clock later."""
        ends = [self.at(end, clock) if isinstance(end, Timed) else Const(end, signed(bits)) for end in (low, high)]
        held, changed = clamp(self.at(x, clock), ends[0], ends[1], lambda part, value, where=None: self._register(
            f"{name}_{part}", value, where), by_or=by_or)
        return Timed(held.as_signed(), clock + 1), Timed(self._register(f"{name}_changed", changed), clock + 1)
