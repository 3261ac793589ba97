"""The dense core, row-stationary: sequencer - scanner - weights - lanes - sweep."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal, Value
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from ranvier.model.fabric.chain import chain_stages
from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import Counter, Memory, memory_map

from .forms.technology import technology_of, weights_in_spram
from .lanes import Lanes
from .memory.chain import join_chain
from .memory.config_memory import ConfigMemory
from .memory.counters import Counters
from .scan.scanner import Scanner
from .scan.sequencer import SLICE_BITS, Sequencer
from .signatures import ConfigBus, TickBus, Trace, ring_layout
from .sweep.sweep import Sweep

__all__ = ["CORE_MODULE", "LATE_MEMORIES", "Core", "CoreInstance", "connect_sweep"]

#: Module name of the core where it is converted apart from the fabric.
CORE_MODULE = "ranvier_core"

#: Memories whose words are needed two clocks after their address at the earliest.
LATE_MEMORIES = (Memory.PROGRAM, Memory.SPIKES, Memory.WEIGHTS, Memory.STATE, Memory.DRIVE, Memory.DYNAMICS, Memory.INPUTS)
_CORE_WRITES = (Memory.STATE, Memory.SPIKES, Memory.READOUT)


def connect_sweep(m: Module, unit: Any, sweep: Sweep, memories: dict[Memory, ConfigMemory], counters: Counters) -> None:
    """Wire a sweep to its unit's ports, to the memories that every unit has, and to the counters of its work."""
    state = memories[Memory.STATE]
    connect(m, flipped(unit.ticker), sweep.ticker)
    m.d.comb += [
        *(getattr(unit.trace, name).eq(getattr(sweep.trace, name)) for name in unit.trace.signature.members),
        unit.word.eq(sweep.word), unit.word_valid.eq(sweep.word_valid),
        counters.clear.eq(unit.ticker.clear),
        state.address.eq(sweep.state_address), sweep.state.eq(state.data),
        state.write_address.eq(sweep.trace.address), state.write_data.eq(sweep.trace.data),
        state.write_enable.eq(sweep.trace.valid),
        counters.state_reads.eq(sweep.take), counters.state_writes.eq(sweep.trace.valid),
        counters.spikes.eq(sweep.spikes), counters.clamps.eq(sweep.clamps),
        counters.spike_words.eq(sweep.word_valid),
    ]
    for memory in (memories[Memory.DRIVE], memories[Memory.DYNAMICS]):
        for name in memory.columns:
            m.d.comb += [
                getattr(memory, f"{name}_address").eq(getattr(sweep, f"{name}_address")),
                getattr(sweep, name).eq(getattr(memory, name)),
            ]


class Core(Component):
    """Neurons in rows of ``lanes``; each row is accumulated, handed over, and swept while the next accumulates.

    ``busy`` rises in the clock after ``start`` and falls when no group is left to read and no spike word of this
    tick is left in the sweep; words already on ``word`` are the ring node's.
    """

    ticker: Any
    bus: Any
    memory: Signal
    ring_valid: Signal
    ring: Any
    word_valid: Signal
    word: Any
    trace: Any
    busy: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        super().__init__({
            "ticker": In(TickBus(config)),
            "bus": In(ConfigBus()),
            "memory": In(4),
            "ring_valid": In(1), "ring": In(ring_layout(config)),
            "word_valid": Out(1), "word": Out(ring_layout(config)),
            "trace": Out(Trace(config.core.sweep_lanes, config.state_bits, config.core.state_depth)),
            "busy": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, core = self._config, self._config.core
        spram = weights_in_spram(config, technology_of(platform))
        memories = {number: ConfigMemory(layout, core_writes=number in _CORE_WRITES,
                                         host_writes=number != Memory.READOUT, spram=spram and number == Memory.WEIGHTS,
                                         late=number in LATE_MEMORIES, narrow=number == Memory.PROGRAM,
                                         slices=SLICE_BITS if number == Memory.SPIKES else 0,
                                         readable=bool(config.reads_back) or number == Memory.READOUT)
                    for number, layout in memory_map(config, "core").items()}
        for number, store in memories.items():
            m.submodules[number.name.lower()] = store
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.scanner = scanner = Scanner(config)
        m.submodules.lanes = lanes = Lanes(config)
        m.submodules.sweep = sweep = Sweep(config, "core")
        m.submodules.counters = counters = Counters({
            Counter.SCAN: 1, Counter.WEIGHT_WORDS: 1, Counter.SYNOPS: bits_for(core.lanes), Counter.STALLS: 1,
            Counter.STATE_READS: 1, Counter.STATE_WRITES: 1, Counter.SPIKES: bits_for(core.sweep_lanes),
            Counter.SPIKE_WORDS: 1, Counter.CLAMPS: bits_for(core.sweep_lanes)})
        connect(m, flipped(self.ticker), sequencer.ticker)
        join_chain(m, platform, chain_stages(config, "core"), self, {**memories, Memory.COUNTERS: counters})
        connect_sweep(m, self, sweep, memories, counters)
        lean = technology_of(platform).lut_before_register
        self._scan(m, sequencer, scanner, memories, lean)
        scanning, begun = Signal(), Signal()     # from the first spike word in hand to the last token of the tick
        m.d.comb += scanning.eq(begun | scanner.in_hand)
        m.d.sync += begun.eq(scanning & ~self.ticker.start)
        ending = self._accumulate(m, scanner, lanes, sweep, memories, lean)
        readout = memories[Memory.READOUT]
        place = Signal(len(readout.write_address) - 1)    # in the bank; the mapper gives readouts the first groups
        m.d.comb += [
            place.eq(sweep.trace.address), readout.write_address.eq(Cat(place, sweep.parity)),
            readout.write_data.eq(sweep.trace.readout), readout.write_enable.eq(sweep.trace.readout_valid),
            counters.scan.eq(scanning & (sequencer.busy | scanner.busy)),
            counters.stalls.eq(scanner.stalled),
            self.busy.eq(sequencer.busy | scanner.busy | ending | sweep.active | sweep.spiking),
        ]
        return m

    def _scan(self, m: Module, sequencer: Sequencer, scanner: Scanner, memories: dict[Memory, ConfigMemory], lean: bool) -> None:
        """Ring - spike buffer - sequencer - scanner. A word has a clock to come here, where registers are not dear."""
        program, spikes = memories[Memory.PROGRAM], memories[Memory.SPIKES]
        m.d["comb" if lean else "sync"] += [
            spikes.write_address.eq(self.ring.address), spikes.write_data.eq(self.ring.bits),
            spikes.write_enable.eq(self.ring_valid),
        ]
        m.d.comb += [
            program.address.eq(sequencer.program_address), program.enable.eq(sequencer.program_enable),
            sequencer.program_data.eq(program.data),
            spikes.address.eq(sequencer.spike_address), sequencer.spike_data.eq(spikes.data),
            sequencer.spike_filled.eq(spikes.filled), sequencer.spike_used.eq(spikes.used),
            sequencer.credit.eq(scanner.credit),
            scanner.issued.eq(sequencer.issued),
            scanner.entry_arrives.eq(sequencer.entry_arrives), scanner.entry_valid.eq(sequencer.entry_valid),
            scanner.entry.eq(sequencer.entry),
        ]

    def _accumulate(self, m: Module, scanner: Scanner, lanes: Lanes, sweep: Sweep, memories: dict[Memory, ConfigMemory],
                    lean: bool) -> Any:
        """Scanner - weights - lanes - sweep; whether a row is between its last token and its sweep."""
        weights, rows = memories[Memory.WEIGHTS], memories[Memory.ROWS]
        counters = m.submodules.counters
        token = scanner.token
        arrived, adding = Signal(3), Signal(3)   # weight, double, row_end of the token whose weight word is there, is registered
        address = Signal.like(token.address, reset_less=True)
        enable, clear, row = Signal(), Signal(), Signal.like(token.row, reset_less=True)
        m.d.sync += [
            enable.eq(arrived[:2].any()), clear.eq(arrived[2] | self.ticker.start),
            arrived.eq(Cat(token.weight, token.double, token.row_end)), adding.eq(arrived), row.eq(token.row),
        ]
        if lean:    # the memory is not late, so its address is
            m.d.sync += address.eq(token.address + token.number)
        m.d.comb += [
            weights.address.eq(address if lean else token.address), lanes.weights.eq(weights.data),
            rows.address.eq(row), sweep.row.eq(rows.data),
            Cat(lanes.weight, lanes.double, lanes.row_end).eq(adding),
            sweep.load.eq(lanes.row_end),    # the first group's sums are due two clocks later, and there by then
            lanes.enable.eq(enable), lanes.clear.eq(clear), lanes.take.eq(sweep.take),
            sweep.current.eq(lanes.group),
            counters.weight_words.eq(token.weight),
            counters.synops.eq(Mux(token.weight, token.neurons, 0)),
        ]
        return token.row_end | arrived[2] | sweep.load


class CoreInstance(Core):
    """A core by reference: the Verilog module `CORE_MODULE`, made once for all cores of a fabric.

    Converters and simulators then handle one core instead of up to sixteen equal ones.
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports = {f"{'i' if member.flow == In else 'o'}_{'__'.join(map(str, path))}": Value.cast(port)
                 for path, member, port in self.signature.flatten(self)}
        m.submodules.shared = Instance(CORE_MODULE, i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)
        return m
