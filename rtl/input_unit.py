"""The input unit: populations that the host drives, swept beside the cores."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib.wiring import In, connect, flipped

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import Memory, memory_map

from .forms.stepper import Stepper
from .forms.technology import platform_form
from .rows import DirectRows, RowsAhead
from .unit import Unit, UnitParts

__all__ = ["InputUnit"]


class InputUnit(Unit):
    """A `Unit` that sweeps one row for each input population; a neuron's input is the value that the host gave it.

    in
        ``swap``: exchange the two banks of values, with a tick's start. The host writes one while the other is read.
    """

    swap: Signal

    def __init__(self, config: FabricConfig) -> None:
        super().__init__(config, "input", {"swap": In(1)})

    def elaborate(self, platform: object) -> Module:
        """DECODE skips a row whose level is closed, and hands an open one to the sweep, not before the ``hold`` of the one before is
        over; SWEEP waits for its last group.
        """
        m = Module()
        parts = self._parts(m, platform, {})
        sweep, memory = parts.sweep, parts.memories[Memory.ROWS]
        m.submodules.reader = rows = (RowsAhead if platform_form(platform).rows_ahead else DirectRows)(self._config)
        connect(m, flipped(self.ticker), rows.ticker)
        hold = Signal(len(rows.row.hold))
        m.submodules.next_hold = next_hold = Stepper(len(hold), down=True)
        m.d.comb += [
            memory.address.eq(rows.address), memory.enable.eq(rows.enable), rows.data.eq(memory.data), sweep.row.eq(rows.row),
            next_hold.count.eq(hold), next_hold.value.eq(rows.row.hold), next_hold.load.eq(sweep.load),
            self.busy.eq(~rows.idle | sweep.active | sweep.spiking),
        ]
        with m.If(sweep.load | (hold != 0)):
            m.d.sync += hold.eq(next_hold.next)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += rows.idle.eq(1)
                with m.If(self.ticker.start):
                    m.next = "DECODE"
            with m.State("DECODE"):
                with m.If(rows.ends):
                    m.next = "IDLE"
                with m.Elif(~rows.opens | (hold == 0)):
                    m.d.comb += [rows.next.eq(1), sweep.load.eq(rows.opens)]
                    with m.If(rows.opens):
                        m.next = "SWEEP"
            with m.State("SWEEP"), m.If(sweep.last_group):
                m.next = "DECODE"
        self._values(m, parts)
        return m

    def _values(self, m: Module, parts: UnitParts) -> None:
        """The bank that is read feeds the sweep; the host's writes go to the other."""
        config, sweep, inputs = self._config, parts.sweep, parts.memories[Memory.INPUTS]
        bank = Signal()
        m.d.sync += bank.eq(bank ^ self.swap)
        chunk_bits = memory_map(config, "input")[Memory.INPUTS].chunk_step.bit_length() - 1
        bits = config.input_bits
        m.d.comb += [
            inputs.address.eq(Cat(sweep.state_address, bank)),
            *(bus.offset.eq(Cat(parts.offsets[Memory.INPUTS, part][:chunk_bits + len(sweep.state_address)], ~bank))
              for part, bus in enumerate(inputs.bus)),
            sweep.current.eq(Cat(Cat(inputs.data[n * bits:(n + 1) * bits], Const(0, config.state_bits - bits))
                                 for n in range(config.input.sweep_lanes))),
        ]
