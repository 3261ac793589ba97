"""A queue whose words stay where they are."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.memory import Memory

from .queue import Queue

__all__ = ["RingQueue"]


class RingQueue(Queue):
    """A `Queue` as a ring of words with a number to write, a number to read and a level. While full it takes no word."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words: Any = Memory(shape=self._width, depth=self._depth, init=[])
        m.submodules.words = words
        into, out = words.write_port(), words.read_port(domain="comb")
        level = Signal(range(self._depth + 1))
        full = level == self._depth
        write, read = self.w_en & ~full, self.r_en & self.r_rdy
        m.d.comb += [
            into.data.eq(self.w_data), into.en.eq(self.w_may & ~full),
            self.r_data.eq(out.data), self.r_rdy.eq(level != 0), self.more.eq(level > 1),
        ]
        for moves, place in ((write, into.addr), (read, out.addr)):
            number = Signal.like(place)
            m.d.comb += place.eq(number)
            with m.If(moves):
                m.d.sync += number.eq(Mux(number == self._depth - 1, 0, number + 1))
        m.d.sync += level.eq(level + write - read)
        return m
