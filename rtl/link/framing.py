"""Frames: flags, escapes, length and CRC on the way in and on the way out."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.link.protocol import CRC_BYTES, ESCAPE, ESCAPE_XOR, FLAG, HEADER_BYTES, MOST_PAYLOAD

from .crc import SerialCrc

__all__ = ["Deframer", "Framer", "reply_layout"]

_FRAME_BYTES = HEADER_BYTES + CRC_BYTES     # besides the payload


class Deframer(Component):
    """Takes bytes from the line, and gives the bytes of frames, header and CRC among them, escapes undone.

    in
        ``byte`` (8), with ``byte_valid`` for one clock: from the line. ``broken``, for one clock: a byte was lost, and with it its frame.
        ``full``: there is no room for the byte that is pushed, and with it its frame is lost.
    out
        ``data`` (8), with ``push`` for one clock: a byte of a frame. After a frame's last one ``commit``, if it is good, or ``drop``, for
        one clock. ``overrun``: with ``drop``, there was no room.
    """

    byte: Signal
    byte_valid: Signal
    broken: Signal
    full: Signal
    data: Signal
    push: Signal
    commit: Signal
    drop: Signal
    overrun: Signal

    def __init__(self) -> None:
        super().__init__({
            "byte": In(8), "byte_valid": In(1), "broken": In(1), "full": In(1),
            "data": Out(8), "push": Out(1), "commit": Out(1), "drop": Out(1), "overrun": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.crc = crc = SerialCrc()
        escaped, bad, overrun = Signal(), Signal(), Signal()
        count = Signal(range(_FRAME_BYTES + 1))     # bytes of header and CRC so far
        left = Signal(range(MOST_PAYLOAD + 1))      # bytes of the payload that are still to come, once the header is complete
        # The byte, and what it is, for one clock.
        byte, arrived, is_flag, is_escape = Signal(8, reset_less=True), Signal(), Signal(), Signal()
        m.d.sync += [byte.eq(self.byte), arrived.eq(self.byte_valid), is_flag.eq(self.byte == FLAG), is_escape.eq(self.byte == ESCAPE)]
        flag = arrived & is_flag
        escape = arrived & is_escape & ~escaped
        whole = count == _FRAME_BYTES
        good = crc.match & ~bad & ~escaped & ~overrun & whole
        too_long = Cat(left[:8], self.data) > MOST_PAYLOAD      # in the clock of the length's second byte
        m.d.comb += [
            self.data.eq(byte ^ Mux(escaped, ESCAPE_XOR, 0)),
            self.push.eq(arrived & ~flag & ~escape & ~whole),
            crc.byte.eq(self.data), crc.valid.eq(self.push), crc.start.eq(flag),
            self.commit.eq(flag & good),
            self.drop.eq(flag & ~good & ((count != 0) | bad | escaped)),
            self.overrun.eq(overrun),
        ]
        with m.If(self.push):
            m.d.sync += escaped.eq(0)
            with m.If(self.full):
                m.d.sync += overrun.eq(1)
            with m.If((count == HEADER_BYTES) & (left != 0)):
                m.d.sync += left.eq(left - 1)
            with m.Else():
                m.d.sync += count.eq(count + 1)
            with m.If(count == HEADER_BYTES - 2):
                m.d.sync += left[:8].eq(self.data)
            with m.If(count == HEADER_BYTES - 1):
                m.d.sync += [left[8:].eq(self.data), bad.eq(bad | too_long)]
        with m.Elif(escape):
            m.d.sync += escaped.eq(1)
        with m.Elif(flag):
            m.d.sync += [count.eq(0), bad.eq(0), overrun.eq(0), escaped.eq(0)]
        with m.Elif(arrived):     # longer than it says
            m.d.sync += bad.eq(1)
        with m.If(self.broken):
            m.d.sync += bad.eq(1)
        return m


def reply_layout() -> data.StructLayout:
    """A byte of a reply before framing; the CRC follows the ``last``."""
    return data.StructLayout({"byte": 8, "last": 1})


class Framer(Component):
    """Puts replies between flags: flag, the bytes up to the last, their CRC, flag; escaped.

    in
        ``i`` (a stream of bytes, each of which may be the ``last``): replies.
    out
        ``o`` (a stream of bytes): what goes over the line. ``idle``: between replies.
    """

    i: Any
    o: Any
    idle: Signal

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(reply_layout())), "o": Out(stream.Signature(8)), "idle": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.crc = crc = SerialCrc()
        escaped = Signal()       # the escape of the byte in hand has been sent
        place = Signal(range(CRC_BYTES))
        chosen, take, sent = Signal(8), Signal(), Signal()
        special = (chosen == FLAG) | (chosen == ESCAPE)
        with m.If(take & self.o.ready):
            m.d.sync += escaped.eq(special & ~escaped)
            m.d.comb += sent.eq(~special | escaped)
        m.d.comb += crc.byte.eq(self.i.payload.byte)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.idle.eq(1), crc.start.eq(1), self.o.payload.eq(FLAG), self.o.valid.eq(self.i.valid)]
                with m.If(self.i.valid & self.o.ready):
                    m.next = "BODY"
            with m.State("BODY"):
                m.d.comb += [
                    chosen.eq(self.i.payload.byte), take.eq(self.i.valid & ~crc.busy),
                    self.i.ready.eq(sent), crc.valid.eq(sent),
                ]
                with m.If(sent & self.i.payload.last):
                    m.d.sync += place.eq(0)
                    m.next = "CRC"
            with m.State("CRC"):
                m.d.comb += [chosen.eq(crc.crc.word_select(place, 8)), take.eq(~crc.busy)]
                with m.If(sent):
                    m.d.sync += place.eq(place + 1)
                    with m.If(place == CRC_BYTES - 1):
                        m.next = "END"
            with m.State("END"):
                m.d.comb += [self.o.payload.eq(FLAG), self.o.valid.eq(1)]
                with m.If(self.o.ready):
                    m.next = "IDLE"
        with m.If(take):
            m.d.comb += [
                self.o.valid.eq(1),
                self.o.payload.eq(Mux(special, Mux(escaped, chosen ^ ESCAPE_XOR, ESCAPE), chosen)),
            ]
        return m
