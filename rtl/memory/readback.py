"""What a block answers to a read on the configuration bus."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Module, Signal, Value, ValueLike

from ..forms.technology import technology_of

__all__ = ["joined", "shown"]


def shown(m: Module, platform: object, name: str, value: Value, asked: ValueLike, *, late: bool = False) -> Value:
    """``value`` of the clock after one in which ``asked`` is high, and 0 of every other clock, two clocks later.

    The register takes what a block RAM gives late in its clock, and clearing it costs no logic. A ``late`` value, of the second clock
    after, passes one register, others two. Where a register costs a logic cell there is none, so the answer comes two clocks earlier.
    """
    if technology_of(platform).lut_before_register:
        chosen = Signal(name=f"{name}_chosen")
        m.d.sync += chosen.eq(asked)
        return value & chosen.replicate(len(value))
    hidden = Signal(name=f"{name}_hidden", init=1, reset_less=True)
    register = Signal(len(value), name=name, reset_less=True)
    if late:
        before, asked = Value.cast(asked), Signal(name=f"{name}_asked", reset_less=True)
        m.d.sync += asked.eq(before)
    m.d.sync += [hidden.eq(~Value.cast(asked).bool()), register.eq(value)]
    with m.If(hidden):
        m.d.sync += register.eq(0)
    if late:
        return register
    second = Signal(len(value), name=f"{name}_second", reset_less=True)
    m.d.sync += second.eq(register)
    return second


def joined(values: list[Value]) -> Value:
    """The answers of several blocks, of which at most one is not 0."""
    return reduce(or_, values, Value.cast(0))
