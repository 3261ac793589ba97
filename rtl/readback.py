"""What a block answers to a read on the configuration bus."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Module, Signal, Value, ValueLike

from .technology import technology_of

__all__ = ["joined", "shown"]


def shown(m: Module, platform: object, name: str, value: Value, asked: ValueLike) -> Value:
    """``value`` of the clock after one in which ``asked`` is high, and 0 of every other clock, one clock later.

    The register takes what a block RAM gives late in its clock, and clearing it costs no logic. Where a register costs a logic
    cell there is none, so the answer comes a clock earlier.
    """
    if technology_of(platform).lut_before_register:
        chosen = Signal(name=f"{name}_chosen")
        m.d.sync += chosen.eq(asked)
        return value & chosen.replicate(len(value))
    hidden = Signal(name=f"{name}_hidden", init=1)
    register = Signal(len(value), name=name, reset_less=True)
    m.d.sync += [hidden.eq(~Value.cast(asked).bool()), register.eq(value)]
    with m.If(hidden):
        m.d.sync += register.eq(0)
    return register


def joined(values: list[Value]) -> Value:
    """The answers of several blocks, of which at most one is not 0."""
    return reduce(or_, values, Value.cast(0))
