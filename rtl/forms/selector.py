"""One of eight words, or none: in plain logic, and in the cells of an ECP5 that synthesis does not find for it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Const, Instance, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from .technology import technology_of

__all__ = ["WORDS", "Selector"]

#: Words that are selected from.
WORDS = 8

#: A LUT4 that gives D ? (C ? B : A) : 0.
_INIT = sum((d and (b if c else a)) << (a | b << 1 | c << 2 | d << 3)
            for a in range(2) for b in range(2) for c in range(2) for d in range(2))


class Selector(Component):
    """One of `WORDS` words. No register.

    in
        ``words`` (all of them), ``number`` (of one), ``enable``.
    out
        ``word``: that word, or 0 without ``enable``.

    An ECP5 joins LUTs by multiplexers of their slices (PFUMX, L6MUX21): eight words take four LUTs a bit. Synthesis uses those
    for functions of five and six inputs only, and makes this of five and a half.
    """

    words: Signal
    number: Signal
    enable: Signal
    word: Signal

    def __init__(self, width: int) -> None:
        self._width = width
        super().__init__({"words": In(WORDS * width), "number": In(3), "enable": In(1), "word": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = [self.words.word_select(n, self._width) for n in range(WORDS)]
        if technology_of(platform).ccu2c:
            for bit in range(self._width):
                m.d.comb += self.word[bit].eq(self._bit(m, bit, [word[bit] for word in words]))
        else:
            m.d.comb += self.word.eq(Mux(self.enable, Array(words)[self.number], 0))
        return m

    def _bit(self, m: Module, bit: int, found: list[Any]) -> Signal:
        """Pairs by LUTs, those by PFUMX, those by L6MUX21."""
        def cell(kind: str, n: int, output: str, **ports: Any) -> Signal:
            signal = Signal(name=f"{kind.lower()}_{bit}_{n}")
            m.submodules[f"{kind.lower()}_{bit}_{n}"] = Instance(kind, **ports, **{output: signal})
            return signal

        pairs = [cell("LUT4", n, "o_Z", p_INIT=Const(_INIT, 16), i_A=found[n], i_B=found[n + 1], i_C=self.number[0], i_D=self.enable)
                 for n in range(0, WORDS, 2)]
        fours = [cell("PFUMX", n, "o_Z", i_BLUT=pairs[n], i_ALUT=pairs[n + 1], i_C0=self.number[1]) for n in (0, 2)]
        return cell("L6MUX21", 0, "o_Z", i_D0=fours[0], i_D1=fours[1], i_SD=self.number[2])
