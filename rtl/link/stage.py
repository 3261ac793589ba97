"""A register between two blocks that have time, so that neither lengthens the other's paths."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, ShapeLike, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

__all__ = ["Stage"]


class Stage(Component):
    """One item of a stream at a time, at most every other clock; neither ``valid`` nor ``ready`` goes through in the same clock.

    in
        ``i`` (a stream).
    out
        ``o`` (a stream): the same, a clock later at the earliest.
    """

    i: Any
    o: Any

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held = Signal()
        payload: Any = Signal.like(self.i.payload, reset_less=True)
        m.d.comb += [self.i.ready.eq(~held), self.o.valid.eq(held), self.o.payload.eq(payload)]
        with m.If(~held):
            m.d.sync += [payload.eq(self.i.payload), held.eq(self.i.valid)]
        with m.Elif(self.o.ready):
            m.d.sync += held.eq(0)
        return m
