"""A queue whose words move up."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Signal

from .queue import Queue

__all__ = ["MovingQueue"]


class MovingQueue(Queue):
    """A `Queue` whose oldest word is always in the first place, so that no multiplexer stands behind the words.

    A full queue takes a word in the clock of a read.
    """

    def elaborate(self, platform: object) -> Module:
        """``used`` has as many ones as there are words. A read moves every word down; a write goes to the first free place after that."""
        m = Module()
        places: list[Any] = [Signal(self._width, name=f"place_{n}", reset_less=True) for n in range(self._depth)]
        used = Signal(self._depth)
        read = self.r_en & used[0]
        write = self.w_en & (~used[-1] | self.r_en)
        m.d.comb += [self.r_data.eq(places[0]), self.r_rdy.eq(used[0]), self.more.eq(used[1])]
        for n, place in enumerate(places):
            above = used[n + 1] if n + 1 < self._depth else Const(0, 1)
            below = used[n - 1] if n else Const(1, 1)
            with m.If(read):
                m.d.sync += place.eq(places[n + 1] if n + 1 < self._depth else self.w_data)
            with m.If(write & ((read & used[n] & ~above) | (~read & ~used[n] & below))):
                m.d.sync += place.eq(self.w_data)
        with m.If(read & ~write):
            m.d.sync += used.eq(used >> 1)
        with m.Elif(write & ~read):
            m.d.sync += used.eq(used << 1 | 1)
        return m
