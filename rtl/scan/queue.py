"""A short queue of registers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from ..forms.technology import technology_of

__all__ = ["Queue"]


class Queue(Component):
    """A first-in, first-out queue: the oldest word is on ``r_data`` while ``r_rdy``, from the clock after it was written on, and
    ``r_en`` takes it. ``more`` says that there is one behind it. A word that is written into a full queue is lost.

    ``w_en`` writes ``w_data``. That may be known late; ``w_may`` is high whenever it could be, and is what stores the word: one that
    ``w_en`` does not count is written over.

    Where a register comes with a LUT before it, words move up to the first place, so that no multiplexer stands behind them, and a full
    queue takes a word in the clock of a read.
    """

    w_data: Signal
    w_en: Signal
    w_may: Signal
    r_data: Signal
    r_rdy: Signal
    r_en: Signal
    more: Signal

    def __init__(self, *, width: int, depth: int) -> None:
        self._width, self._depth = width, depth
        super().__init__({"w_data": In(width), "w_en": In(1), "w_may": In(1), "r_data": Out(width), "r_rdy": Out(1), "r_en": In(1),
                          "more": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if technology_of(platform).lut_before_register:
            self._moving(m)
        else:
            self._ring(m)
        return m

    def _ring(self, m: Module) -> None:
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

    def _moving(self, m: Module) -> None:
        places: list[Any] = [Signal(self._width, name=f"place_{n}", reset_less=True) for n in range(self._depth)]
        taken = Signal(self._depth)          # as many ones as there are words
        read = self.r_en & taken[0]
        write = self.w_en & (~taken[-1] | self.r_en)
        m.d.comb += [self.r_data.eq(places[0]), self.r_rdy.eq(taken[0]), self.more.eq(taken[1])]
        for n, place in enumerate(places):
            above = taken[n + 1] if n + 1 < self._depth else Const(0, 1)
            below = taken[n - 1] if n else Const(1, 1)
            with m.If(read):
                m.d.sync += place.eq(places[n + 1] if n + 1 < self._depth else self.w_data)
            # The first free place, as it is after a read.
            with m.If(write & ((read & taken[n] & ~above) | (~read & ~taken[n] & below))):
                m.d.sync += place.eq(self.w_data)
        with m.If(read & ~write):
            m.d.sync += taken.eq(taken >> 1)
        with m.Elif(write & ~read):
            m.d.sync += taken.eq(taken << 1 | 1)
