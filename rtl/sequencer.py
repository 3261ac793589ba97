"""The row loop: walks the program and reads spike words for the scanner."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.config import FabricConfig, bits_for
from ranvier.model.layout import Op, segment_word

from .signatures import TickBus, struct

__all__ = ["Sequencer", "entry_layout"]


def entry_layout(config: FabricConfig) -> data.StructLayout:
    """One piece of work for the scanner: a spike word, a doubling, or just the end of a row."""
    fields = {f.name: f.bits for f in segment_word(config).fields}
    return data.StructLayout({
        "bits": config.word_bits,
        "base": fields["weight_base"],
        "double": 1,
        "row_last": 1,
        "row": fields["row"],
        "hold": fields["hold"],
        "neurons": fields["neurons"],
    })


class Sequencer(Component):
    """One clock for each descriptor and for each spike word, as long as ``credit`` lasts.

    An ``entry`` is offered two clocks after its word's read began, one after its issue; empty words are dropped
    unless they end a row. Segments of a closed level, and segments whose delay reaches before the window, are
    skipped in one clock. ``issued`` tells the queue that an entry may arrive in the next clock.
    """

    ticker: Any
    program_address: Signal
    program_data: Any
    spike_address: Signal
    spike_data: Signal
    credit: Signal
    issued: Signal
    entry_valid: Signal
    entry: Any
    busy: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        self._segment = struct(segment_word(config))
        super().__init__({
            "ticker": In(TickBus(config)),
            "program_address": Out(bits_for(config.core.program_depth - 1)),
            "program_data": In(self._segment),
            "spike_address": Out(bits_for(config.spike_depth - 1)),
            "spike_data": In(config.word_bits),
            "credit": In(1),
            "issued": Out(1),
            "entry_valid": Out(1),
            "entry": Out(entry_layout(config)),
            "busy": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, segment = self._config, self.program_data
        pc = Signal(len(self.program_address))
        address, remaining = Signal(len(self.spike_address)), Signal(len(segment.words))
        step_size = Signal(5)
        current: Any = Signal(entry_layout(config))     # flags of the segment being scanned
        row_last = Signal()                        # of that segment
        flight: Any = Signal(entry_layout(config))      # the entry whose word is being read
        flight_scans = Signal()

        step = self.ticker.steps[segment.level]
        slot = (self.ticker.tick - segment.delay)[:4] & ((1 << segment.slots_log2) - 1)[:4]
        opened = Signal()
        scans = Signal()
        pushes = Signal()
        m.d.comb += [
            opened.eq(step.open),
            scans.eq((segment.op == Op.SCAN) & opened & (step.tau >= segment.source_delay) & (segment.words != 0)),
            pushes.eq(opened & ~scans & ((segment.op == Op.DOUBLE) | segment.row_last)),
            self.program_address.eq(pc),
            self.spike_address.eq(address),
        ]
        m.d.sync += self.issued.eq(0)

        with m.FSM():
            with m.State("IDLE"), m.If(self.ticker.start):
                m.next = "DECODE"
            with m.State("DECODE"):
                m.d.comb += self.busy.eq(1)
                with m.If(segment.op == Op.END):
                    m.d.comb += self.program_address.eq(0)
                    m.d.sync += pc.eq(0)
                    m.next = "IDLE"
                with m.Elif(~pushes | self.credit):
                    m.d.comb += self.program_address.eq(pc + 1)
                    m.d.sync += [
                        pc.eq(pc + 1),
                        address.eq(segment.base + slot),
                        remaining.eq(segment.words),
                        step_size.eq(1 << segment.slots_log2),
                        row_last.eq(segment.row_last),
                        current.base.eq(segment.weight_base),
                        current.row.eq(segment.row),
                        current.hold.eq(segment.hold),
                        current.neurons.eq(segment.neurons),
                    ]
                    with m.If(pushes):
                        m.d.sync += [
                            self.issued.eq(1),
                            flight_scans.eq(0),
                            flight.double.eq(segment.op == Op.DOUBLE),
                            flight.row_last.eq(segment.row_last),
                            flight.row.eq(segment.row),
                            flight.hold.eq(segment.hold),
                            flight.neurons.eq(segment.neurons),
                        ]
                    with m.If(scans):
                        m.next = "SCAN"
            with m.State("SCAN"):
                m.d.comb += self.busy.eq(1)
                with m.If(self.credit):
                    m.d.sync += [
                        self.issued.eq(1),
                        flight_scans.eq(1),
                        flight.eq(current),
                        flight.row_last.eq(row_last & (remaining == 1)),
                        address.eq(address + step_size),
                        current.base.eq(current.base + config.word_bits),
                        remaining.eq(remaining - 1),
                    ]
                    with m.If(remaining == 1):
                        m.next = "DECODE"

        m.d.comb += [
            self.entry.eq(flight),
            self.entry.bits.eq(self.spike_data & flight_scans.replicate(config.word_bits)),
            self.entry_valid.eq(self.issued & (self.entry.bits.any() | flight.row_last | flight.double)),
        ]
        return m
