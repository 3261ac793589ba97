"""The input unit: populations that the host drives, swept beside the cores."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.chain import chain_stages
from ranvier.model.config import FabricConfig, bits_for
from ranvier.model.layout import Counter, Memory, memory_map, row_word

from .chain import join_chain
from .core import LATE_MEMORIES, connect_sweep
from .counters import Counters
from .memory import ConfigMemory
from .signatures import ConfigBus, TickBus, Trace, ring_layout, struct
from .stepper import Stepper
from .sweep import Sweep

__all__ = ["InputUnit"]


class InputUnit(Component):
    """Sweeps one row for each input population; a neuron's input is the value that the host gave it.

    Values lie in two banks: the host writes one while the other is read; ``swap`` exchanges them with a tick's
    start. The list of rows ends after the row that says so, or before a row of 0 groups.
    """

    ticker: Any
    bus: Any
    memory: Signal
    swap: Signal
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
            "swap": In(1),
            "word_valid": Out(1), "word": Out(ring_layout(config)),
            "trace": Out(Trace(config.input.sweep_lanes, config.state_bits, config.input.state_depth)),
            "busy": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, part = self._config, self._config.input
        memories = {number: ConfigMemory(layout, core_writes=number == Memory.STATE, late=number in LATE_MEMORIES,
                                         readable=bool(config.reads_back))
                    for number, layout in memory_map(config, "input").items()}
        for number, store in memories.items():
            m.submodules[number.name.lower()] = store
        m.submodules.sweep = sweep = Sweep(config, "input")
        m.submodules.counters = counters = Counters({
            Counter.STATE_READS: 1, Counter.STATE_WRITES: 1, Counter.SPIKES: bits_for(part.sweep_lanes),
            Counter.SPIKE_WORDS: 1, Counter.CLAMPS: bits_for(part.sweep_lanes)})
        offsets = join_chain(m, platform, chain_stages(config, "input"), self, {**memories, Memory.COUNTERS: counters})
        connect_sweep(m, self, sweep, memories, counters)
        walking = self._walk(m, sweep, memories[Memory.ROWS])
        self._values(m, sweep, memories[Memory.INPUTS], offsets)
        m.d.comb += self.busy.eq(walking | sweep.active | sweep.spiking)
        return m

    def _walk(self, m: Module, sweep: Sweep, rows: ConfigMemory) -> Signal:
        """Load one row after the other; whether rows are left."""
        row: Any = Signal(struct(row_word(self._config, "input")))
        number, hold = Signal(len(rows.address)), Signal(len(row.hold))
        walking, ended = Signal(), Signal()
        m.d.comb += [row.eq(rows.data), sweep.row.eq(row), rows.address.eq(number)]
        m.submodules.next_hold = next_hold = Stepper(len(hold), down=True)
        m.d.comb += [next_hold.count.eq(hold), next_hold.value.eq(row.hold), next_hold.load.eq(sweep.load)]
        with m.If(sweep.load | (hold != 0)):
            m.d.sync += hold.eq(next_hold.next)
        with m.FSM():
            with m.State("IDLE"), m.If(self.ticker.start):
                m.next = "DECODE"
            with m.State("DECODE"):
                m.d.comb += walking.eq(1)
                with m.If(ended | (row.groups == 0)):
                    m.d.comb += rows.address.eq(0)
                    m.d.sync += [number.eq(0), ended.eq(0)]
                    m.next = "IDLE"
                with m.Elif(~self.ticker.steps[row.level].open | (hold == 0)):
                    m.d.comb += rows.address.eq(number + 1)
                    m.d.sync += [number.eq(number + 1), ended.eq(row.last)]
                    with m.If(self.ticker.steps[row.level].open):
                        m.d.comb += sweep.load.eq(1)
                        m.next = "SWEEP"
            with m.State("SWEEP"):
                m.d.comb += walking.eq(1)
                with m.If(sweep.last_group):
                    m.next = "DECODE"
        return walking

    def _values(self, m: Module, sweep: Sweep, inputs: ConfigMemory, offsets: dict[tuple[Memory, int], Signal]) -> None:
        """The bank being read feeds the sweep; the host's writes go to the other."""
        config, part = self._config, self._config.input
        bank = Signal()
        m.d.sync += bank.eq(bank ^ self.swap)
        chunk_bits = memory_map(config, "input")[Memory.INPUTS].chunk_step.bit_length() - 1
        m.d.comb += [
            inputs.address.eq(Cat(sweep.state_address, bank)),
            *(bus.offset.eq(Cat(offsets[Memory.INPUTS, part][:chunk_bits + len(sweep.state_address)], ~bank))
              for part, bus in enumerate(inputs.bus)),
            sweep.current.eq(Cat(
                Cat(inputs.data[n * config.input_bits:(n + 1) * config.input_bits],
                    Const(0, config.state_bits - config.input_bits))
                for n in range(part.sweep_lanes))),
        ]
