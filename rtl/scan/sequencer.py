"""The row loop: walks the program and reads spike words for the scanner."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import Op, segment_word

from ..forms.stepper import Stepper
from ..forms.technology import technology_of
from ..memory.config_memory import PIECE_BITS
from ..signatures import TickBus, struct

__all__ = ["SLICE_BITS", "Sequencer", "entry_layout"]

#: The scanner takes spike words in slices of so many bits.
SLICE_BITS = 8


def entry_layout(config: FabricConfig) -> data.StructLayout:
    """One piece of work for the scanner: a spike word, a doubling, or just the end of a row.

    ``filled`` says which slices of ``bits`` have set bits; what is in the other slices does not matter.
    """
    fields = {f.name: f.bits for f in segment_word(config).fields}
    return data.StructLayout({
        "bits": config.word_bits,
        "filled": -(-config.word_bits // SLICE_BITS),
        "base": fields["weight_base"],
        "double": 1,
        "row_last": 1,
        "row": fields["row"],
        "hold": fields["hold"],
        "neurons": fields["neurons"],
    })


class Sequencer(Component):
    """One clock for each descriptor and for each spike word, as long as ``credit`` lasts.

    ``spike_data`` is due two clocks after its address, and with it whether each slice of it (``spike_filled``) and each piece
    (``spike_used``) has set bits; the ``entry`` is offered in that clock, one after ``issued``, which ``entry_arrives`` says. Empty words
    are dropped unless they end a row. Segments of a closed level, and segments whose delay reaches before the window, are skipped in one
    clock. ``issued`` tells the queue that an entry may arrive in the next clock. The program is read
    ahead by two segments, so that no decision waits for the memory: one is on ``program_data``, and the next one is before the register
    of the late memory; both stay while ``program_enable`` is low. They are read when a run begins, and again when the program has ended.

    Where a register alone takes a whole logic cell, entries and segments are not kept: ``spike_data`` is due one clock after its
    address, the ``entry`` is offered in the clock of ``issued``, with all of its ``bits`` meant, and ``program_data`` is the segment
    in hand.
    """

    ticker: Any
    program_address: Signal
    program_enable: Signal
    program_data: Any
    spike_address: Signal
    spike_data: Signal
    spike_filled: Signal
    spike_used: Signal
    credit: Signal
    issued: Signal
    entry_arrives: Signal
    entry_valid: Signal
    entry: Any
    busy: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        self._segment = struct(segment_word(config))
        super().__init__({
            "ticker": In(TickBus(config)),
            "program_address": Out(bits_for(config.core.program_depth - 1)),
            "program_enable": Out(1),
            "program_data": In(self._segment),
            "spike_address": Out(bits_for(config.spike_depth - 1)),
            "spike_data": In(config.word_bits),
            "spike_filled": In(-(-config.word_bits // SLICE_BITS)),
            "spike_used": In(-(-config.word_bits // PIECE_BITS)),
            "credit": In(1),
            "issued": Out(1),
            "entry_arrives": Out(1),
            "entry_valid": Out(1),
            "entry": Out(entry_layout(config)),
            "busy": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        lean = technology_of(platform).lut_before_register
        segment: Any = self.program_data if lean else Signal(self._segment, reset_less=True)    # the one in hand
        taken: Any = self.program_data    # the one that comes in hand next
        pc = Signal(len(self.program_address), init=1)     # of the segment to be read next
        address, remaining = Signal(len(self.spike_address)), Signal(len(segment.words))
        base = Signal(len(segment.weight_base))
        advance, pushes, reads = Signal(), Signal(), Signal()

        # What the segment asks for in this tick, found out when it is taken: the ticker's steps hold through the tick.
        scans, rests, ends = (Signal(name=name, reset_less=True) for name in ("scans", "rests", "ends"))
        step = self.ticker.steps[taken.level]
        found_out = [
            scans.eq((taken.op == Op.SCAN) & (taken.words != 0) & step.open & (step.tau >= taken.source_delay)),
            rests.eq(step.open & ((taken.op == Op.DOUBLE) | taken.row_last)),    # something to pass on without a scan
            ends.eq(taken.op == Op.END),
        ]
        slot = (self.ticker.tick - segment.delay)[:4] & ((1 << segment.slots_log2) - 1)[:4]
        scanning = Signal()
        m.submodules.next_remaining = next_remaining = Stepper(len(remaining), down=True)
        m.d.comb += [
            self.program_address.eq(pc), self.program_enable.eq(advance), self.spike_address.eq(address),
            next_remaining.count.eq(remaining), next_remaining.value.eq(segment.words), next_remaining.load.eq(~scanning),
        ]
        with m.If(advance):
            m.d.sync += pc.eq(pc + 1)
            if not lean:
                m.d.sync += [segment.eq(taken), *found_out]
        if lean:
            m.d.comb += found_out

        with m.FSM():
            with m.State("IDLE"):
                if lean:
                    m.d.comb += [self.program_enable.eq(1), self.program_address.eq(0)]
                with m.If(self.ticker.start):
                    m.d.comb += advance.eq(not lean)
                    m.next = "DECODE"
                if not lean:
                    with m.Elif(self.ticker.begin):
                        m.d.sync += pc.eq(0)
                        m.next = "FIRST"
            if not lean:
                with m.State("FIRST"):     # is read in this clock
                    m.d.comb += advance.eq(1)
                    m.next = "SECOND"
                with m.State("SECOND"):
                    m.d.comb += advance.eq(1)
                    m.next = "IDLE"
            with m.State("DECODE"):
                m.d.comb += self.busy.eq(1)
                m.d.sync += [address.eq(segment.base + slot), remaining.eq(next_remaining.next), base.eq(segment.weight_base)]
                with m.If(ends):
                    m.d.sync += pc.eq(1 if lean else 0)
                    m.next = "IDLE" if lean else "FIRST"
                with m.Elif(scans):
                    m.next = "SCAN"
                with m.Else():
                    m.d.comb += [pushes.eq(rests & self.credit), advance.eq(~rests | self.credit)]
            with m.State("SCAN"):
                m.d.comb += [self.busy.eq(1), scanning.eq(1)]
                with m.If(self.credit):
                    m.d.comb += reads.eq(1)
                    m.d.sync += [
                        address.eq(address + (1 << segment.slots_log2)),
                        base.eq(base + config.word_bits),
                        remaining.eq(next_remaining.next),
                    ]
                    with m.If(remaining == 1):
                        m.d.comb += advance.eq(1)
                        m.next = "DECODE"

        flight: Any = Signal(entry_layout(config), reset_less=True)      # the entry whose word is being read
        scanned = Signal()
        m.d.sync += [
            self.issued.eq(pushes | reads),
            scanned.eq(reads),
            flight.base.eq(base),
            flight.double.eq(segment.op == Op.DOUBLE),
            flight.row_last.eq(segment.row_last & (pushes | (remaining == 1))),
            flight.row.eq(segment.row),
            flight.hold.eq(segment.hold),
            flight.neurons.eq(segment.neurons),
        ]
        if lean:
            self._offer_at_once(m, flight, scanned)
        else:
            self._offer(m, flight, scanned)
        return m

    def _offer_at_once(self, m: Module, flight: Any, scanned: Signal) -> None:
        bits = self.spike_data & scanned.replicate(len(self.spike_data))
        m.d.comb += [
            self.entry.bits.eq(bits),
            *(self.entry[name].eq(flight[name]) for name in ("base", "double", "row_last", "row", "hold", "neurons")),
            self.entry_arrives.eq(self.issued),
            self.entry_valid.eq(self.issued & (bits.any() | flight.row_last | flight.double)),
        ]

    def _offer(self, m: Module, flight: Any, scanned: Signal) -> None:
        """The entry, with its word, which is kept for no longer than a clock."""
        arrived, looks, needed = Signal(), Signal(), Signal(reset_less=True)
        m.d.sync += [
            arrived.eq(self.issued), looks.eq(scanned), needed.eq(flight.row_last | flight.double),
            *(self.entry[name].eq(flight[name]) for name in ("base", "double", "row_last", "row", "hold", "neurons")),
        ]
        m.d.comb += [
            self.entry.bits.eq(self.spike_data),
            self.entry.filled.eq(self.spike_filled & looks.replicate(len(self.spike_filled))),
            self.entry_arrives.eq(arrived),
            self.entry_valid.eq(arrived & (looks & self.spike_used.any() | needed)),
        ]
