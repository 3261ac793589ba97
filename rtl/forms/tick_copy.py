"""A unit's own registers of what the ticker tells it, so that no wire crosses the chip and has logic behind it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig

from ..signatures import NextTick, TickBus

__all__ = ["TickCopy", "move_steps"]


def move_steps(m: Module, ticker: Any, going: Value, begin: Value, first: Value) -> None:
    """The registers of a `TickBus`: with ``going`` level 0 takes the step ``first``, and every other level that of the one before it."""
    with m.If(going):
        m.d.sync += [ticker.tick.eq(ticker.tick + 1), ticker.steps[0].eq(first)]
        for level in range(1, len(ticker.steps)):
            m.d.sync += ticker.steps[level].eq(ticker.steps[level - 1])
    with m.If(begin):
        m.d.sync += [ticker.tick.eq(0), *(step.eq(0) for step in ticker.steps)]


class TickCopy(Component):
    """A second `TickBus`, equal to the ticker's in every clock, from registers beside one unit.

    in
        ``upcoming`` (`NextTick`): what the ticker knows of the next tick.
    out
        ``ticker`` (`TickBus`): the copy.
    """

    upcoming: Any
    ticker: Any

    def __init__(self, config: FabricConfig) -> None:
        super().__init__({"upcoming": In(NextTick(config)), "ticker": Out(TickBus(config))})

    def elaborate(self, platform: object) -> Module:
        """Synthesis merges registers that are alike. So each copy has a condition of its own: its ``start`` is low. It always is when the
        ticker is ``going``, for a tick takes more than a clock; but synthesis cannot know that.
        """
        m = Module()
        going, start = Signal(), Signal()
        m.d.comb += [
            going.eq(self.upcoming.going & ~start),
            self.ticker.start.eq(start), self.ticker.begin.eq(self.upcoming.begin), self.ticker.clear.eq(self.upcoming.clear),
        ]
        m.d.sync += start.eq(going)
        move_steps(m, self.ticker, going, self.upcoming.begin, self.upcoming.first)
        return m
