"""The ticker: starts every tick for all units together, and keeps the place of each level in its window."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import CHUNK_BITS, RUN_BITS, Control

from .forms.stepper import Stepper
from .forms.technology import technology_of
from .forms.tick_copy import move_steps
from .memory.readback import joined, shown
from .signatures import ConfigBus, NextTick, TickBus, step_layout

__all__ = ["Ticker"]


class Ticker(Component):
    """Registers of `Control`, and the tick loop: wait for input values where a step needs new ones, start, run.

    A tick begins with ``start``, and ``tick`` and ``steps`` change with it; all units are busy from the next clock on; the tick after
    begins `TICK_OVERHEAD` clocks after the last of them is idle. The step of level 0 moves up by one level with every
    tick, so a level is told the step that level 0 took that many ticks ago. ``room`` says that the host
    may write the bank of input values. No tick begins while ``hold`` is high.
    """

    bus: Any
    ticker: Any
    upcoming: Any
    idle: Signal
    hold: Signal
    swap: Signal
    room: Signal
    running: Signal
    waiting: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        super().__init__({
            "bus": In(ConfigBus()),
            "ticker": Out(TickBus(config)),
            "upcoming": Out(NextTick(config)),
            "idle": In(1),
            "hold": In(1),
            "swap": Out(1),
            "room": Out(1),
            "running": Out(1),
            "waiting": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        command = Signal()    # the host writes the command register
        begin = Signal()
        m.d.comb += command.eq(self.bus.write & (self.bus.offset[:4] == Control.COMMAND))
        m.d.sync += [begin.eq(command & self.bus.data[0] & ~self.running), self.ticker.clear.eq(command & self.bus.data[1])]
        registers = self._registers(m)
        ready = Signal()      # the bank that the host writes is complete
        with m.If(command & self.bus.data[2]):
            m.d.sync += ready.eq(1)
        m.d.comb += self.room.eq(~ready)
        going, swaps = Signal(), Signal()    # a tick starts in the next clock; this one takes new input values
        new_values = self._steps(m, registers, begin, going)
        m.d.sync += swaps.eq(new_values)
        left = Signal(RUN_BITS)
        waits, clocks = self._readable(m, platform)
        blocked = new_values & ~ready | self.hold
        over = Signal()       # no tick is left; a start is two clocks ago when that is asked for
        m.d["comb" if technology_of(platform).lut_before_register else "sync"] += over.eq(left == 0)
        m.submodules.next_left = next_left = Stepper(RUN_BITS, down=True)
        m.d.comb += [
            self.running.eq(1), self.ticker.begin.eq(begin),
            next_left.count.eq(left), next_left.value.eq(registers[Control.TICKS]), next_left.load.eq(~self.running),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.running.eq(0)
                with m.If(begin & (registers[Control.TICKS] != 0)):
                    m.d.sync += left.eq(next_left.next)
                    m.next = "BEGIN"
            with m.State("BEGIN"):    # what the first step is like is found out
                m.next = "WAIT"
            with m.State("WAIT"):
                m.d.comb += [self.waiting.eq(1), going.eq(~blocked)]
                m.d.sync += waits.eq(waits + 1)
                with m.If(~blocked):
                    m.next = "START"
            with m.State("START"):
                m.d.comb += [self.ticker.start.eq(1), self.swap.eq(swaps)]
                m.d.sync += [left.eq(next_left.next), clocks.eq(clocks + 1)]
                with m.If(swaps):
                    m.d.sync += ready.eq(0)
                m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.sync += clocks.eq(clocks + 1)
                m.next = "RUN"
            with m.State("RUN"):
                m.d.sync += clocks.eq(clocks + 1)
                with m.If(self.idle):
                    with m.If(over):
                        m.next = "IDLE"
                    with m.Elif(blocked):
                        m.next = "WAIT"
                    with m.Else():
                        m.d.comb += going.eq(1)
                        m.next = "START"
        with m.If(self.ticker.clear):
            m.d.sync += [waits.eq(0), clocks.eq(0)]
        return m

    def _registers(self, m: Module) -> dict[Control, Signal]:
        """The registers that the host writes while the fabric is idle."""
        widths = {Control.TICKS: RUN_BITS, Control.STEPS: 16, Control.TOTAL: RUN_BITS, Control.PERIOD: 5,
                  Control.PER_STEP: 1}
        registers = {which: Signal(width, name=which.name.lower()) for which, width in widths.items()}
        for which, register in registers.items():
            with m.If(self.bus.write & (self.bus.offset[:4] == which)):
                m.d.sync += register.eq(self.bus.data)
        return registers

    def _readable(self, m: Module, platform: object) -> tuple[Signal, Signal]:
        """What the host reads: whether the fabric runs, and the clock counts, which are given back."""
        waits, clocks = Signal(CHUNK_BITS), Signal(CHUNK_BITS)
        values = {Control.COMMAND: self.running, Control.CLOCKS: clocks, Control.WAITS: waits}
        m.d.comb += self.bus.value.eq(joined([
            shown(m, platform, f"shown_{which.name.lower()}", Value.cast(value), self.bus.read & (self.bus.offset[:4] == which))
            for which, value in values.items()]))
        return waits, clocks

    def _steps(self, m: Module, registers: dict[Control, Signal], begin: Signal, going: Signal) -> Signal:
        """Level 0's next step, moved in before each start; whether that step needs new input values."""
        config = self._config
        longest = config.delays
        pause = Signal(5)           # ticks until level 0's next step
        step = Signal(16)           # its number in the window
        taken = Signal(RUN_BITS)    # steps of the run so far
        parity = Signal()
        tau = Signal(range(longest + 1))
        first: Any = Signal(step_layout(config))
        # What follows from these is there up to two clocks after a step is moved in, and no tick begins before: steps are left, this
        # is the window's last one, it is taken in the next tick, and it needs new values.
        more, last, opened, new_values = Signal(), Signal(), Signal(), Signal()
        opens = (pause == 0) & more
        m.d.sync += [
            more.eq(taken != registers[Control.TOTAL]), last.eq(step + 1 == registers[Control.STEPS]),
            opened.eq(opens), new_values.eq(opens & (registers[Control.PER_STEP] | (tau == 0))),
        ]
        m.d.comb += [
            first.open.eq(opened), first.last.eq(last), first.parity.eq(parity), first.tau.eq(tau),
            self.upcoming.begin.eq(begin), self.upcoming.clear.eq(self.ticker.clear), self.upcoming.going.eq(going),
            self.upcoming.first.eq(first),
        ]
        move_steps(m, self.ticker, going, begin, first)
        with m.If(going):
            m.d.sync += pause.eq(Mux(pause == 0, registers[Control.PERIOD] - 1, pause - 1))
            with m.If(opened):
                m.d.sync += [step.eq(step + 1), taken.eq(taken + 1), tau.eq(Mux(tau == longest, longest, tau + 1))]
                with m.If(last):
                    m.d.sync += [step.eq(0), tau.eq(0), parity.eq(~parity)]
        with m.If(begin):
            m.d.sync += [more.eq(1), pause.eq(0), step.eq(0), tau.eq(0), taken.eq(0), parity.eq(0)]
        return new_values
