"""The input unit: populations that the host drives, swept beside the cores."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.chain import chain_stages
from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import Counter, Memory, memory_map, row_word

from .core import LATE_MEMORIES, connect_sweep
from .forms.stepper import Stepper
from .forms.technology import technology_of
from .memory.chain import join_chain
from .memory.config_memory import ConfigMemory
from .memory.counters import Counters
from .signatures import ConfigBus, TickBus, Trace, ring_layout, struct
from .sweep.sweep import Sweep

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
        walking = self._walk(m, sweep, memories[Memory.ROWS], technology_of(platform).lut_before_register)
        self._values(m, sweep, memories[Memory.INPUTS], offsets)
        m.d.comb += self.busy.eq(walking | sweep.active | sweep.spiking)
        return m

    def _walk(self, m: Module, sweep: Sweep, rows: ConfigMemory, lean: bool) -> Signal:
        """Load one row after the other; whether rows are left.

        ``rows.data`` is read ahead by a row, and stays until it is taken; what is to be done with it is found out then. Where a register
        takes a whole logic cell it is the row in hand.
        """
        layout = struct(row_word(self._config, "input"))
        taken: Any = Signal(layout)        # the one that comes in hand next
        row: Any = taken if lean else Signal(layout, name="in_hand", reset_less=True)
        begins = 0 if lean else 1
        number, hold = Signal(len(rows.address), init=begins), Signal(len(row.hold))    # number of ``row``, or of the one after ``taken``
        walking, advance = Signal(), Signal()
        last = Signal()        # the row before was the last one
        ends, opens = Signal(), Signal()    # there is no row any more; the row's level is open
        m.d.comb += [taken.eq(rows.data), sweep.row.eq(row), rows.address.eq(number)]
        found_out = [ends.eq(last | (taken.groups == 0)), opens.eq(self.ticker.steps[taken.level].open)]
        with m.If(advance):
            m.d.sync += number.eq(number + 1)
            if lean:
                m.d.sync += last.eq(row.last)
                m.d.comb += rows.address.eq(number + 1)
            else:
                m.d.sync += [row.eq(taken), *found_out]
        if lean:
            m.d.comb += found_out
        else:
            m.d.comb += [last.eq(walking & row.last), rows.enable.eq(advance)]
        m.submodules.next_hold = next_hold = Stepper(len(hold), down=True)
        m.d.comb += [next_hold.count.eq(hold), next_hold.value.eq(row.hold), next_hold.load.eq(sweep.load)]
        with m.If(sweep.load | (hold != 0)):
            m.d.sync += hold.eq(next_hold.next)
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.ticker.start):
                    m.d.comb += advance.eq(not lean)
                    m.next = "DECODE"
                if not lean:
                    with m.Else():    # the first row, which the host may have changed
                        m.d.comb += [rows.address.eq(0), rows.enable.eq(1)]
            with m.State("DECODE"):
                m.d.comb += walking.eq(1)
                with m.If(ends):
                    m.d.sync += number.eq(begins)
                    if lean:
                        m.d.sync += last.eq(0)
                        m.d.comb += rows.address.eq(0)
                    m.next = "IDLE"
                with m.Elif(~opens | (hold == 0)):
                    m.d.comb += advance.eq(1)
                    with m.If(opens):
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
