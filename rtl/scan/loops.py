"""The loops of a program: how often the rows of an image's line have been repeated, and how far their sources have moved on."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Signal
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import PASS_BITS, STEP_REGISTERS, Op, segment_word

from ..signatures import struct

__all__ = ["Loops"]


class Loops(Component):
    """The number of the pass, and a few offsets that are added to the first spike word of a segment.

    ============ === ======= ================================================================================
    port         dir width   meaning
    ============ === ======= ================================================================================
    segment      in  segment the one in hand
    enable       in  1       it is looked at in this clock; a STEP or a LOOP acts
    inside       out 1       its scan belongs to this pass
    offset       out address what is added to its first spike word
    again        out 1       it is a LOOP, and another pass follows
    first_pass   out 1       no LOOP has come back; high outside of loops too
    ============ === ======= ================================================================================
    """

    segment: Any
    enable: Signal
    inside: Signal
    offset: Signal
    again: Signal
    first_pass: Signal

    def __init__(self, config: FabricConfig) -> None:
        address = bits_for(config.spike_depth - 1)
        super().__init__({
            "segment": In(struct(segment_word(config))), "enable": In(1), "inside": Out(1), "offset": Out(address), "again": Out(1),
            "first_pass": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        """A STEP adds its ``base`` to its offset. A LOOP counts the pass, or after the last one clears everything."""
        m = Module()
        segment = self.segment
        number = Signal(PASS_BITS)
        offsets = [Signal(len(self.offset), name=f"offset_{n}") for n in range(1, STEP_REGISTERS)]
        loops = segment.op == Op.LOOP
        m.d.comb += [
            self.inside.eq((segment.y_least <= number) & (number <= segment.y_most)),
            self.offset.eq(Array([0, *offsets])[segment.step_register]),
            self.again.eq(loops & (number != segment.y_most)), self.first_pass.eq(number == 0),
        ]
        with m.If(self.enable & (segment.op == Op.STEP)):
            for n, offset in enumerate(offsets, start=1):
                with m.If(segment.step_register == n):
                    m.d.sync += offset.eq(offset + segment.base)
        with m.If(self.enable & loops):
            m.d.sync += number.eq(number + 1)
            with m.If(~self.again):
                m.d.sync += [number.eq(0), *(offset.eq(0) for offset in offsets)]
        return m
