"""The ticker: starts every tick for all units together, and keeps the place of each level in its window."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import CHUNK_BITS, RUN_BITS, Control

from .forms.pipe import pipe
from .forms.stepper import Stepper
from .forms.technology import platform_form
from .forms.tick_copy import move_steps
from .memory.readback import answer, merge_answers
from .signatures import ConfigBus, NextTick, TickBus, step_layout

__all__ = ["StepCounter", "Ticker"]

#: Widths of the registers that the host writes, besides the command.
_REGISTERS = {Control.TICKS: RUN_BITS, Control.STEPS: 16, Control.TOTAL: RUN_BITS, Control.PERIOD: 5, Control.PER_STEP: 1}


class StepCounter(Component):
    """Counts the steps of level 0 through windows and run.

    in
        ``begin``: a run begins. ``going``: a tick starts in the next clock. ``steps``, ``total``, ``period``, ``per_step``: the
        registers of `Control`.
    out
        ``first`` (`step_layout`): level 0's step in the next tick. ``new_values``: that step needs new input values.

    Both outputs follow ``begin`` or ``going`` two clocks later; no tick may start before.
    """

    begin: Signal
    going: Signal
    steps: Signal
    total: Signal
    period: Signal
    per_step: Signal
    first: Any
    new_values: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._longest, self._numbers = config.delays, bool(config.random)
        super().__init__({
            "begin": In(1), "going": In(1),
            **{which.name.lower(): In(width) for which, width in _REGISTERS.items() if which != Control.TICKS},
            "first": Out(step_layout(config)), "new_values": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        """Counters move with ``going``. What follows from them is found out in one clock, and what follows from that in another."""
        m = Module()
        longest = self._longest
        numbered = RUN_BITS if self._numbers else 16
        # Ticks until the next step; its number in the window, in the run.
        pause, step, done = Signal(5), Signal(numbered), Signal(RUN_BITS)
        parity, tau = Signal(), Signal(range(longest + 1))
        more, last, opened = Signal(), Signal(), Signal()    # steps are left; it is the window's last; it is taken in the next tick
        opens = (pause == 0) & more
        m.d.sync += [
            more.eq(done != self.total), last.eq(step + 1 == self.steps),
            opened.eq(opens), self.new_values.eq(opens & (self.per_step | (tau == 0))),
        ]
        m.d.comb += [self.first.open.eq(opened), self.first.last.eq(last), self.first.parity.eq(parity), self.first.tau.eq(tau)]
        if self._numbers:
            m.d.comb += self.first.number.eq(step)
        with m.If(self.going):
            m.d.sync += pause.eq(Mux(pause == 0, self.period - 1, pause - 1))
            with m.If(opened):
                m.d.sync += [step.eq(step + 1), done.eq(done + 1), tau.eq(Mux(tau == longest, longest, tau + 1))]
                with m.If(last):
                    m.d.sync += [step.eq(0), tau.eq(0), parity.eq(~parity)]
        with m.If(self.begin):
            m.d.sync += [more.eq(1), pause.eq(0), step.eq(0), tau.eq(0), done.eq(0), parity.eq(0)]
        return m


class Ticker(Component):
    """Registers of `Control`, and the tick loop: wait for input values where a step needs new ones, start, run.

    in
        ``bus`` (`ConfigBus`): the host's accesses. ``idle``: no unit is busy; looked at from two clocks after a start on. ``hold``: no
        tick begins.
    out
        ``ticker`` (`TickBus`), and ``upcoming`` (`NextTick`) a clock before it. ``swap``: with a start that takes new input values.
        ``room``: the host may write the bank of input values. ``running``: a run is not over. ``waiting``: a tick waits for ``hold``
        or for input values.

    A tick begins `TICK_OVERHEAD` clocks after the last unit of the one before is idle. The step of level 0 moves up by one level with
    every tick, so a level is told the step that level 0 took that many ticks ago.
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
            "bus": In(ConfigBus()), "ticker": Out(TickBus(config)), "upcoming": Out(NextTick(config)), "idle": In(1), "hold": In(1),
            "swap": Out(1), "room": Out(1), "running": Out(1), "waiting": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        """The states of `_loop` start ticks; `StepCounter` says what each is like, and shift registers bring it to the levels."""
        m = Module()
        m.submodules.counter = counter = StepCounter(self._config)
        command, begin = Signal(), Signal()    # the host writes the command register; a run begins
        m.d.comb += command.eq(self.bus.write & (self.bus.offset[:4] == Control.COMMAND))
        m.d.sync += [begin.eq(command & self.bus.data[0] & ~self.running), self.ticker.clear.eq(command & self.bus.data[1])]
        registers = {which: Signal(width, name=which.name.lower()) for which, width in _REGISTERS.items()}
        for which, register in registers.items():
            with m.If(self.bus.write & (self.bus.offset[:4] == which)):
                m.d.sync += register.eq(self.bus.data)
        ready = Signal()      # the bank that the host writes is complete
        with m.If(command & self.bus.data[2]):
            m.d.sync += ready.eq(1)
        going = self._loop(m, platform, begin, registers[Control.TICKS], counter, ready)
        move_steps(m, self.ticker, going, begin, counter.first)
        m.d.comb += [
            self.room.eq(~ready), self.ticker.begin.eq(begin),
            *(getattr(counter, which.name.lower()).eq(registers[which]) for which in _REGISTERS if which != Control.TICKS),
            counter.begin.eq(begin), counter.going.eq(going),
            self.upcoming.begin.eq(begin), self.upcoming.clear.eq(self.ticker.clear), self.upcoming.going.eq(going),
            self.upcoming.first.eq(counter.first),
        ]
        return m

    def _loop(self, m: Module, platform: object, begin: Signal, ticks: Signal, counter: StepCounter, ready: Signal) -> Signal:
        """The tick loop, which clears ``ready`` with a start that takes new values; whether a tick starts in the next clock."""
        going, left = Signal(), Signal(RUN_BITS)
        swaps = pipe(m, True, counter.new_values, name="swaps")
        waits, clocks = self._clock_counts(m, platform)
        blocked = counter.new_values & ~ready | self.hold
        over = pipe(m, platform_form(platform).end_flags, left == 0, name="over")    # asked for two clocks after a start, or later
        m.submodules.next_left = next_left = Stepper(RUN_BITS, down=True)
        m.d.comb += [self.running.eq(1), next_left.count.eq(left), next_left.value.eq(ticks), next_left.load.eq(~self.running)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.running.eq(0)
                with m.If(begin & (ticks != 0)):
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
        return going

    def _clock_counts(self, m: Module, platform: object) -> tuple[Signal, Signal]:
        """Clocks spent waiting and in ticks. The host reads them, and whether the fabric runs."""
        waits, clocks = Signal(CHUNK_BITS), Signal(CHUNK_BITS)
        values = {Control.COMMAND: self.running, Control.CLOCKS: clocks, Control.WAITS: waits}
        m.d.comb += self.bus.value.eq(merge_answers([
            answer(m, platform, f"answer_{which.name.lower()}", value, self.bus.read & (self.bus.offset[:4] == which))
            for which, value in values.items()]))
        return waits, clocks
