"""The word that comes in from the payload, or goes out with the reply."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import CHUNK_BITS
from ranvier.model.link.protocol import Command, values_per_write

from .frame_reader import COMMAND_BITS

__all__ = ["WordRegister"]


class WordRegister(Component):
    """A word, and the byte whose values go into it: one shifter for both directions.

    in
        ``command`` (`Command`): says what values a byte has. ``load``: ``byte`` (8) is the next. ``shift``: the word moves down by 8 bits,
        and the byte's next value enters above. ``fetch``: ``value`` (32) becomes the word. All take effect in the next clock.
    out
        ``word`` (32): a read's count is in its upper half, a reply's next byte in its lowest bits. ``data`` (32): what is to be written,
        once all the values of an address are in.
    """

    command: Signal
    load: Signal
    byte: Signal
    shift: Signal
    fetch: Signal
    value: Signal
    word: Signal
    data: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        super().__init__({
            "command": In(COMMAND_BITS), "load": In(1), "byte": In(8), "shift": In(1), "fetch": In(1), "value": In(CHUNK_BITS),
            "word": Out(CHUNK_BITS), "data": Out(CHUNK_BITS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = Signal(8, reset_less=True)    # what is left of the byte
        word = Signal(CHUNK_BITS, reset_less=True)
        value = Mux(self.command == Command.WRITE_4, Cat(bits[:4], bits[:4]), Mux(self.command == Command.WRITE_1, bits[0], bits))
        with m.If(self.load):
            m.d.sync += bits.eq(self.byte)
        with m.Elif(self.shift):
            m.d.sync += bits.eq(Mux(self.command == Command.WRITE_4, bits >> 4, bits >> 1))
        with m.If(self.fetch):
            m.d.sync += word.eq(self.value)
        with m.Elif(self.shift):
            m.d.sync += word.eq(Cat(word[8:], value))
        m.d.comb += [self.word.eq(word), self.data.eq(word)]
        values = 8 * values_per_write(self._config)
        if values < CHUNK_BITS:      # values that do not fill a word are its last ones
            with m.If(self.command != Command.WRITE):
                m.d.comb += self.data.eq(word[CHUNK_BITS - values:])
        return m
