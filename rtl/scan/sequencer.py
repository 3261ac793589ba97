"""The row loop: walks the program and reads spike words for the scanner."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import Op, segment_word
from ranvier.model.fabric.timing import JUMP

from ..forms.stepper import Stepper
from ..forms.technology import platform_form
from ..signatures import TickBus, struct
from .entry import PIECE_BITS, SLICE_BITS, entry_layout
from .loops import Loops
from .offer import Flight, offer, offer_late
from .program import DirectProgram, ProgramAhead, ProgramReader

__all__ = ["Sequencer"]


class Sequencer(Component):
    """One clock for each segment and for each spike word, as long as ``credit`` lasts.

    in
        ``ticker`` (`TickBus`). ``program_data`` (a segment): see `ProgramReader`. ``spike_data`` (a spike word), two clocks after its
        address, one where memories are not late; late memories give ``spike_filled`` (a bit for each slice) and ``spike_used`` (for
        each piece) with it: whether any bit there is set. ``credit``: the scanner takes another entry.
    out
        ``program_address``, ``program_enable``, ``spike_address``: of the memories. ``issued``: a spike word was read, or an entry
        without one made, in the clock before. ``entry`` (`entry_layout`), with ``entry_valid``, a clock after ``issued``, or with it where
        memories are not late; ``entry_arrives`` is then high for an empty word too. ``busy``: the program runs.

    Empty words are dropped unless they end a row. Segments of a closed level, and segments whose delay reaches before the window, are
    skipped in one clock. With windows a word is empty if it is so where the segment looks; segments outside of their passes of a loop are
    skipped too; a STEP and the last LOOP take one clock, every other LOOP `JUMP`.
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
        super().__init__({
            "ticker": In(TickBus(config)),
            "program_address": Out(bits_for(config.core.program_depth - 1)), "program_enable": Out(1),
            "program_data": In(struct(segment_word(config))),
            "spike_address": Out(bits_for(config.spike_depth - 1)), "spike_data": In(config.word_bits),
            "spike_filled": In(-(-config.word_bits // SLICE_BITS)), "spike_used": In(-(-config.word_bits // PIECE_BITS)),
            "credit": In(1), "issued": Out(1),
            "entry_arrives": Out(1), "entry_valid": Out(1), "entry": Out(entry_layout(config)), "busy": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        """DECODE looks at the segment in hand and sets up the counters of address, words left and weight word; SCAN counts them.

        Both issue an entry where there is one: a pipeline of one clock (two with late memories) brings it to the output, with its word.
        """
        m = Module()
        form = platform_form(platform)
        m.submodules.program = program = (ProgramAhead if form.read_ahead else DirectProgram)(self._config)
        connect(m, flipped(self.ticker), program.ticker)
        m.d.comb += [
            self.program_address.eq(program.address), self.program_enable.eq(program.enable), program.data.eq(self.program_data)]
        pushes, reads, last_word = Signal(), Signal(), Signal()    # an entry without a word; a word; the segment's last one
        loops = None
        if self._config.windows:
            m.submodules.loops = loops = Loops(self._config)
        base = self._walk(m, program, loops, pushes, reads, last_word)
        segment = program.segment
        flight: Any = Signal(entry_layout(self._config), reset_less=True)      # the entry whose word is being read
        scanned = Signal()
        m.d.sync += [
            self.issued.eq(pushes | reads), scanned.eq(reads),
            flight.base.eq(base), flight.double.eq(segment.op == Op.DOUBLE), flight.row_last.eq(segment.row_last & (pushes | last_word)),
            flight.row.eq(segment.row), flight.hold.eq(segment.hold), flight.neurons.eq(segment.neurons),
        ]
        looks_at: Value = scanned.replicate(len(self.spike_data))    # the bits of the word that is being read
        if loops is not None:
            m.d.sync += flight.restart.eq(loops.first_pass)
            looks_at = looks_at & self._mask(m, segment, reads, last_word)
        (offer_late if form.late_memories else offer)(m, self, self._config, Flight(flight, scanned, looks_at), form)
        return m

    def _walk(self, m: Module, program: ProgramReader, loops: Loops | None, pushes: Signal, reads: Signal, last_word: Signal) -> Signal:
        """The row loop's states and counters; the weight word of the word that is read."""
        segment = program.segment
        address, remaining, base = Signal(len(self.spike_address)), Signal(len(segment.words)), Signal(len(segment.weight_base))
        slot = (self.ticker.tick - segment.delay)[:4] & ((1 << segment.slots_log2) - 1)[:4]
        scanning = Signal()
        scans: Value = program.scans
        start: Value = segment.base + slot
        if loops is not None:
            scans, start = scans & loops.inside, start + loops.offset
            m.d.comb += loops.segment.eq(segment)
        m.submodules.next_remaining = next_remaining = Stepper(len(remaining), down=True)
        m.d.comb += [
            self.spike_address.eq(address), last_word.eq(remaining == 1),
            next_remaining.count.eq(remaining), next_remaining.value.eq(segment.words), next_remaining.load.eq(~scanning),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += program.idle.eq(1)
                with m.If(self.ticker.start):
                    m.next = "DECODE"
            with m.State("DECODE"):
                m.d.comb += self.busy.eq(1)
                m.d.sync += [address.eq(start), remaining.eq(next_remaining.next), base.eq(segment.weight_base)]
                with m.If(program.ends):
                    m.next = "IDLE"
                with m.Elif(scans):
                    m.next = "SCAN"
                with m.Else():
                    m.d.comb += [pushes.eq(program.passes_on & self.credit), program.next.eq(~program.passes_on | self.credit)]
                if loops is not None:
                    self._loop(m, program, loops)
            with m.State("SCAN"):
                m.d.comb += [self.busy.eq(1), scanning.eq(1)]
                with m.If(self.credit):
                    m.d.comb += [reads.eq(1), program.next.eq(last_word)]
                    m.d.sync += [
                        address.eq(address + (1 << segment.slots_log2)), base.eq(base + self._config.word_bits),
                        remaining.eq(next_remaining.next),
                    ]
                    with m.If(last_word):
                        m.next = "DECODE"
            if loops is not None:
                self._jump(m, program)
        return base

    def _loop(self, m: Module, program: ProgramReader, loops: Loops) -> None:
        """In DECODE: the segment in hand may belong to a loop's end."""
        m.d.comb += loops.enable.eq(1)
        with m.If(loops.again):
            m.d.comb += [program.next.eq(0), program.jump.eq(1)]
            m.next = "JUMP"

    def _jump(self, m: Module, program: ProgramReader) -> None:
        """JUMP waits until every form has the segment at hand that begins the next pass: `JUMP` clocks after the LOOP that asked for it."""
        waits = Signal(JUMP - 1)
        m.d.sync += waits.eq(Cat(program.jump, waits))
        with m.State("JUMP"):
            m.d.comb += [self.busy.eq(1), program.waits.eq(1)]
            with m.If(waits[-1]):
                m.d.comb += program.next.eq(1)
                m.next = "DECODE"

    def _mask(self, m: Module, segment: Any, reads: Signal, last_word: Signal) -> Signal:
        """The bits that the segment looks at, of the word that was read in the clock before."""
        ones = Const((1 << len(self.spike_data)) - 1, len(self.spike_data))
        first, mask = Signal(init=1), Signal(len(ones), reset_less=True)
        low, high = (ones << segment.first)[:len(ones)], ones >> ~segment.last
        m.d.sync += mask.eq(Mux(first, low, ones) & Mux(last_word, high, ones))
        with m.If(reads):
            m.d.sync += first.eq(last_word)
        return mask
