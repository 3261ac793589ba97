"""The program in front of the sequencer, read when it is needed or ahead."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import Op, segment_word

from ..forms.technology import platform_form
from ..signatures import TickBus, struct

__all__ = ["DirectProgram", "ProgramAhead", "ProgramReader"]


class ProgramReader(Component):
    """Shows the segments of the program one after the other, from the clock after a tick's start on.

    in
        ``ticker`` (`TickBus`): steps of the levels. ``idle``: no program runs; the ``start`` comes while it is high. ``next``: the segment
        in hand is done with. ``data`` (a segment): what the memory gives.
    out
        ``address``, ``enable``: of the program memory. ``segment``: the one in hand. ``scans``: it has spike words to read in this
        tick. ``passes_on``: without a scan there is still a doubling or a row's end. ``ends``: the program is over.

    With windows ``jump`` (in) asks for the segment that the one in hand names: it is in hand in the clock after a ``next`` that comes three
    clocks later or more. Until then ``waits`` (in) is high, and what is in hand means nothing.
    """

    ticker: Any
    idle: Signal
    next: Signal
    address: Signal
    enable: Signal
    data: Any
    segment: Any
    scans: Signal
    passes_on: Signal
    ends: Signal
    jump: Signal
    waits: Signal

    def __init__(self, config: FabricConfig) -> None:
        segment = struct(segment_word(config))
        self._windows = config.windows
        super().__init__({
            "ticker": In(TickBus(config)), "idle": In(1), "next": In(1),
            "address": Out(bits_for(config.core.program_depth - 1)), "enable": Out(1), "data": In(segment),
            "segment": Out(segment), "scans": Out(1), "passes_on": Out(1), "ends": Out(1),
            **({"jump": In(1), "waits": In(1)} if config.windows else {}),
        })

    def _decode(self) -> list[tuple[Any, Value]]:
        """The outputs, and their values for the segment on ``data``. The ticker's steps hold through a tick, from its start on."""
        segment = self.data
        step = self.ticker.steps[segment.level]
        return [
            (self.segment, segment),
            (self.scans, (segment.op == Op.SCAN) & (segment.words != 0) & step.open & (step.tau >= segment.source_delay)),
            (self.passes_on, step.open & ((segment.op == Op.DOUBLE) | segment.row_last)),
            (self.ends, segment.op == Op.END),
        ]


class DirectProgram(ProgramReader):
    """A `ProgramReader` whose segment in hand is the memory's output. The memory must not be late."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        number = Signal(len(self.address), init=1)    # of the segment to be read next
        m.d.comb += [self.enable.eq(self.idle | self.next), self.address.eq(number),
                     *(port.eq(value) for port, value in self._decode())]
        with m.If(self.next):
            m.d.sync += number.eq(number + 1)
        if self._windows:
            with m.If(self.jump):
                m.d.sync += number.eq(self.segment.to)
        with m.If(self.idle):
            m.d.comb += self.address.eq(0)
            m.d.sync += number.eq(1)
        return m


class ProgramAhead(ProgramReader):
    """A `ProgramReader` with the decoded segment in registers, so that no decision waits for the memory.

    The next segment is on ``data``; where memories are late the one after it is before the memory's register. Both stay while
    ``enable`` is low.
    """

    def elaborate(self, platform: object) -> Module:
        """The first segments are read when a run begins, for the host may have changed them, and again when the program has ended."""
        m = Module()
        refill = Signal(2 if platform_form(platform).late_memories else 1)    # clocks in which they are read, one-hot
        number = Signal(len(self.address), init=1)    # of the segment to be read next
        rewind, advance = Signal(), Signal()
        over: Value = ~self.idle & self.ends
        restarts: Value = rewind
        if self._windows:
            over, restarts = over & ~self.waits, rewind | self.jump
        m.d.comb += [
            rewind.eq((self.idle & self.ticker.begin) | over),
            advance.eq(self.next | (self.idle & self.ticker.start) | refill.any()),
            self.enable.eq(advance), self.address.eq(number),
        ]
        m.d.sync += refill.eq(Cat(restarts, refill))
        with m.If(advance):
            m.d.sync += number.eq(number + 1)
        with m.If(rewind):
            m.d.sync += number.eq(0)
        if self._windows:
            with m.If(self.jump):
                m.d.sync += number.eq(self.segment.to)
        for port, value in self._decode():
            register = Signal.like(port, reset_less=True)
            m.d.comb += port.eq(register)
            with m.If(advance):
                m.d.sync += register.eq(value)
        return m
