"""The frame's CRC, a bit a clock: bytes come many clocks apart, and a byte-wide CRC-32 is several times as large."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib.crc import Algorithm
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import Component, In, Out

__all__ = ["CRC", "SerialCrc"]

#: The same as `zlib.crc32`; a test compares.
CRC: Algorithm = CRC32_ISO_HDLC


class SerialCrc(Component):
    """A sum over bytes that come at least nine clocks apart.

    in
        ``start``: a new sum begins. ``byte`` (8), with ``valid`` for one clock: the next byte, while not ``busy``.
    out
        ``busy``: the last byte is not yet in the sum. ``crc`` (32): the sum. ``match``: the last four bytes were the sum of those before.
    """

    start: Signal
    byte: Signal
    valid: Signal
    busy: Signal
    crc: Signal
    match: Signal

    def __init__(self) -> None:
        super().__init__({
            "start": In(1), "byte": In(8), "valid": In(1),
            "busy": Out(1), "crc": Out(CRC.crc_width), "match": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.processor = processor = CRC(data_width=1).create()
        shift, left = Signal(8), Signal(4)
        m.d.comb += [
            processor.start.eq(self.start), processor.data.eq(shift[0]), processor.valid.eq(left != 0),
            self.busy.eq(left != 0), self.crc.eq(processor.crc), self.match.eq(processor.match_detected),
        ]
        with m.If(left != 0):
            m.d.sync += [shift.eq(Cat(shift[1:], Const(0, 1))), left.eq(left - 1)]
        with m.If(self.valid):
            m.d.sync += [shift.eq(self.byte), left.eq(8)]
        return m
