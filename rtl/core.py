"""The dense core, row-stationary: sequencer - scanner - weights - lanes - sweep."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, connect, flipped

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import Counter, Memory

from .forms.form import Form
from .forms.pipe import pipe
from .forms.technology import platform_form, weights_in_spram
from .lanes import Lanes
from .memory.config_memory import ConfigMemory, ResultMemory, SpikeMemory
from .scan.scanner import Scanner
from .scan.sequencer import Sequencer
from .scan.sliced_scanner import SlicedScanner
from .scan.whole_scanner import WholeScanner
from .signatures import ring_layout
from .unit import Unit, UnitParts

__all__ = ["Core"]


class Core(Unit):
    """A `Unit` of neurons in rows of ``lanes``; each row is accumulated, handed over, and swept while the next accumulates.

    in
        ``ring`` (`ring_layout`), with ``ring_valid``: a spike word of any unit, for the spike buffer.
    """

    ring_valid: Signal
    ring: Any

    def __init__(self, config: FabricConfig) -> None:
        super().__init__(config, "core", {"ring_valid": In(1), "ring": In(ring_layout(config))})

    def elaborate(self, platform: object) -> Module:
        """Spike words come from the ring into the spike buffer. The sequencer reads those that a row needs, the scanner makes a token of
        each set bit, the token reads a weight word, and the lanes add it. A token at the row's end hands the sums to the sweep.
        """
        m = Module()
        config, form = self._config, platform_form(platform)
        weights_in_spram(config, platform)    # refuses weights that do not fit
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.scanner = scanner = (SlicedScanner if form.sliced_scan else WholeScanner)(config)
        m.submodules.lanes = lanes = Lanes(config)
        parts = self._parts(m, platform, {
            Counter.SCAN: 1, Counter.WEIGHT_WORDS: 1, Counter.SYNOPS: bits_for(config.core.lanes), Counter.STALLS: 1})
        self._scan(m, sequencer, scanner, parts.memories, form)
        accumulates = self._accumulate(m, scanner, lanes, parts, form)
        self._keep_readouts(m, parts)
        scanning, begun = Signal(), Signal()     # from the first spike word in hand to the last token of the tick
        m.d.comb += scanning.eq(begun | scanner.in_hand)
        m.d.sync += begun.eq(scanning & ~self.ticker.start)
        m.d.comb += [
            parts.counters.scan.eq(scanning & (sequencer.busy | scanner.busy)), parts.counters.stalls.eq(scanner.stalled),
            self.busy.eq(sequencer.busy | scanner.busy | accumulates | parts.sweep.active | parts.sweep.spiking),
        ]
        return m

    def _scan(self, m: Module, sequencer: Sequencer, scanner: Scanner, memories: dict[Memory, ConfigMemory], form: Form) -> None:
        """Ring - spike buffer - sequencer - scanner."""
        program, spikes = memories[Memory.PROGRAM], memories[Memory.SPIKES]
        assert isinstance(spikes, SpikeMemory)
        connect(m, flipped(self.ticker), sequencer.ticker)
        ring = pipe(m, form.ring_registers, Cat(self.ring_valid, self.ring), name="from_ring")
        m.d.comb += [
            Cat(spikes.write_enable, spikes.write_address, spikes.write_data).eq(ring),
            program.address.eq(sequencer.program_address), program.enable.eq(sequencer.program_enable),
            sequencer.program_data.eq(program.data),
            spikes.address.eq(sequencer.spike_address), sequencer.spike_data.eq(spikes.data),
            sequencer.spike_filled.eq(spikes.filled), sequencer.spike_used.eq(spikes.used),
            sequencer.credit.eq(scanner.credit),
            scanner.issued.eq(sequencer.issued), scanner.entry.eq(sequencer.entry),
            scanner.entry_arrives.eq(sequencer.entry_arrives), scanner.entry_valid.eq(sequencer.entry_valid),
        ]

    def _accumulate(self, m: Module, scanner: Scanner, lanes: Lanes, parts: UnitParts, form: Form) -> Value:
        """Scanner - weights - lanes - sweep; whether a row is between its last token and its sweep.

        A token reads its weight word in the clock after it, or where memories are not late in the next one, when its address has been
        added; the word is in the lanes at the same time in both.
        """
        weights, rows, counters, sweep = parts.memories[Memory.WEIGHTS], parts.memories[Memory.ROWS], parts.counters, parts.sweep
        token = scanner.token
        read, adding = Signal(3), Signal(3)   # weight, double and row_end of the tokens before: a clock ago, two clocks ago
        enable, clear = Signal(), Signal()
        m.d.sync += [
            enable.eq(read[:2].any()), clear.eq(read[2] | self.ticker.start),
            read.eq(Cat(token.weight, token.double, token.row_end)), adding.eq(read),
        ]
        if form.late_memories:
            m.d.comb += weights.address.eq(token.address)
        else:
            address = (token.address + token.number)[:len(token.address)]
            m.d.comb += weights.address.eq(pipe(m, True, address, name="address", reset_less=True))
        m.d.comb += [
            lanes.weights.eq(weights.data),
            rows.address.eq(pipe(m, True, token.row, name="row", reset_less=True)), sweep.row.eq(rows.data),
            Cat(lanes.weight, lanes.double, lanes.row_end).eq(adding),
            sweep.load.eq(lanes.row_end),    # the first group's sums are due two clocks later, and there by then
            lanes.enable.eq(enable), lanes.clear.eq(clear), lanes.take.eq(sweep.take), sweep.current.eq(lanes.group),
            counters.weight_words.eq(token.weight), counters.synops.eq(Mux(token.weight, token.neurons, 0)),
        ]
        if self._config.windows:    # with the row's end
            m.d.comb += sweep.restart.eq(pipe(m, True, pipe(m, True, token.restart, name="restarts", reset_less=True), name="restart",
                                              reset_less=True))
        accumulates: Value = token.row_end | read[2] | sweep.load
        return accumulates

    def _keep_readouts(self, m: Module, parts: UnitParts) -> None:
        """A window's last membranes, in the bank of its parity; the mapper gives readouts the first groups."""
        readout, sweep = parts.memories[Memory.READOUT], parts.sweep
        assert isinstance(readout, ResultMemory)
        m.d.comb += [
            readout.write_address.eq(Cat(sweep.trace.address[:len(readout.write_address) - 1], sweep.parity)),
            readout.write_data.eq(sweep.trace.readout), readout.write_enable.eq(sweep.trace.readout_valid),
        ]
