"""The UART: 8 data bits, no parity, 1 stop bit, a divisor that may change between bytes."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.device_config import DIVISOR_BITS
from ranvier.model.link.protocol import BREAK_BITS

from ..forms.stepper import Stepper

__all__ = ["UartReceiver", "UartTransmitter"]

# A byte whose stop bit is low has been low for up to ten bit times when it is noticed.
_BITS_AFTER_BYTE = BREAK_BITS - 10


class UartReceiver(Component):
    """Samples bits in their middle, half a bit after a falling edge that is still low then.

    in
        ``rx``: the line, of any clock. ``divisor``: clocks of a bit.
    out
        ``byte`` (8), with ``byte_valid`` for one clock: what came. ``broken``, for one clock: the stop bit was not high; the receiver waits
        for a high line. ``line_break``, for one clock: that takes `BREAK_BITS` bits by now.
    """

    rx: Signal
    divisor: Signal
    byte: Signal
    byte_valid: Signal
    broken: Signal
    line_break: Signal

    def __init__(self) -> None:
        super().__init__({
            "rx": In(1), "divisor": In(DIVISOR_BITS),
            "byte": Out(8), "byte_valid": Out(1), "broken": Out(1), "line_break": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules.line = FFSynchronizer(self.rx, line, init=1)
        timer = Signal(DIVISOR_BITS)
        bits = Signal(range(max(10, _BITS_AFTER_BYTE + 1)))
        sample = timer == 1
        halved = Signal()       # the first sample is half a bit away
        m.submodules.next_timer = next_timer = Stepper(DIVISOR_BITS, down=True)
        m.d.comb += [
            next_timer.count.eq(timer), next_timer.value.eq(Mux(halved, self.divisor >> 1, self.divisor)),
            next_timer.load.eq(halved | sample),
        ]
        m.d.sync += timer.eq(next_timer.next)
        with m.If(sample):
            m.d.sync += bits.eq(bits + 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += halved.eq(1)
                m.d.sync += bits.eq(0)
                with m.If(~line):
                    m.next = "START"
            with m.State("START"), m.If(sample):
                m.d.sync += bits.eq(0)
                m.next = "IDLE"
                with m.If(~line):
                    m.next = "DATA"
            with m.State("DATA"), m.If(sample):
                m.d.sync += self.byte.eq(Cat(self.byte[1:], line))
                with m.If(bits == 7):
                    m.next = "STOP"
            with m.State("STOP"), m.If(sample):
                m.d.sync += bits.eq(0)
                m.d.comb += [self.byte_valid.eq(line), self.broken.eq(~line)]
                m.next = "IDLE"
                with m.If(~line):
                    m.next = "LOW"
            with m.State("LOW"):
                with m.If(sample & (bits == _BITS_AFTER_BYTE - 1)):
                    m.d.comb += self.line_break.eq(1)
                    m.next = "HELD"
                with m.If(line):
                    m.next = "IDLE"
            with m.State("HELD"), m.If(line):
                m.next = "IDLE"
        return m


class UartTransmitter(Component):
    """Sends bytes one behind the other, without a gap where the next is there in time.

    in
        ``i`` (a stream of bytes): what to send. ``divisor``: clocks of a bit; a bit that has begun keeps its own.
    out
        ``tx``: the line. ``idle``: the last stop bit is over.
    """

    i: Any
    divisor: Signal
    tx: Signal
    idle: Signal

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(8)), "divisor": In(DIVISOR_BITS), "tx": Out(1), "idle": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shift = Signal(9, init=0x1FF)     # the bits still to send, the stop bit at the end
        left = Signal(range(11))          # bits on the line or to come
        timer = Signal(DIVISOR_BITS)
        line = Signal(init=1)
        last_clock = timer == 1
        m.d.comb += [
            self.tx.eq(line),
            self.idle.eq(left == 0),
            self.i.ready.eq((left == 0) | (left == 1) & last_clock),
        ]
        m.submodules.next_timer = next_timer = Stepper(DIVISOR_BITS, down=True)
        m.d.comb += [
            next_timer.count.eq(timer), next_timer.value.eq(self.divisor), next_timer.load.eq((left == 0) | last_clock),
        ]
        m.d.sync += timer.eq(next_timer.next)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [line.eq(0), shift.eq(Cat(self.i.payload, 1)), left.eq(10)]
        with m.Elif((left != 0) & last_clock):
            m.d.sync += [left.eq(left - 1), line.eq(shift[0]), shift.eq(Cat(shift[1:], 1))]
        return m
