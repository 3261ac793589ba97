"""The counters of a unit, behind the configuration bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import Component, In

from ranvier.model.fabric.config import bits_for
from ranvier.model.fabric.layout import CHUNK_BITS, Counter
from ranvier.model.fabric.timing import COUNTER_LATENCY

from ..forms.technology import technology_of
from ..signatures import ConfigBus
from .readback import shown
from .storage import RamStorage

__all__ = ["Counters"]


class Counters(Component):
    """Adds ``steps`` (how much each counter grows, by name) in every clock; ``clear`` sets all to 0, the clock's steps too.

    Both pass a register first, for they come from everywhere in the unit; where registers are dear only ``clear`` does, and forgets
    the next clock's steps instead: a run begins later.

    A short register for each counter collects its steps. One after the other they are emptied into a memory, which
    holds the counters: an increment is there `COUNTER_LATENCY` clocks after it is presented, and so is a clear. Reads
    borrow the memory, so they delay this; nothing is lost unless the host reads in more than every second clock while the
    unit works.
    """

    clear: Signal
    bus: Any
    scan: Signal
    weight_words: Signal
    synops: Signal
    stalls: Signal
    state_reads: Signal
    state_writes: Signal
    spikes: Signal
    spike_words: Signal
    clamps: Signal

    def __init__(self, widths: Mapping[Counter, int]) -> None:
        self._widths = dict(widths)
        super().__init__({
            "clear": In(1),
            "bus": In(ConfigBus()),
            **{counter.name.lower(): In(width) for counter, width in self._widths.items()},
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        numbers = range(min(self._widths), max(self._widths) + 1)
        bits = bits_for(len(Counter))
        m.submodules.totals = totals = RamStorage(CHUNK_BITS, 1 << bits)     # the last word is 0 and stays it
        number = Signal(range(max(numbers) + 1), init=min(numbers))
        fresh = Signal()    # the first round after a clear, which forgets what the memory holds
        clear = Signal()
        m.d.sync += clear.eq(self.clear)
        steps = {counter: getattr(self, counter.name.lower()) for counter in self._widths}
        if not technology_of(platform).lut_before_register:
            for counter, now in steps.items():
                steps[counter] = Signal.like(now, name=f"step_{counter.name.lower()}")
                m.d.sync += steps[counter].eq(now)
        amount = self._collect(m, number, steps, clear)
        keep, taken = Signal(), Signal()
        m.d.comb += [
            totals.address.eq(Mux(self.bus.read, self.bus.offset, number | fresh.replicate(bits))),
            totals.write_data.eq(totals.data + amount),
            # Nothing is written while nothing is counted, so a host that reads a fabric at rest never meets a write.
            totals.write_enable.eq(taken & (~keep | (amount != 0))),
        ]
        m.d.comb += self.bus.value.eq(shown(m, platform, "shown", totals.data, self.bus.read))
        m.d.sync += [keep.eq(~fresh), totals.write_address.eq(number), taken.eq(~self.bus.read)]
        with m.If(~self.bus.read):
            m.d.sync += number.eq(number + 1)
            with m.If(number == max(numbers)):
                m.d.sync += [number.eq(min(numbers)), fresh.eq(0)]
        with m.If(clear):
            m.d.sync += [number.eq(min(numbers)), fresh.eq(1)]
        return m

    def _collect(self, m: Module, number: Signal, steps: Mapping[Counter, Signal], clear: Signal) -> Signal:
        """The short registers: what ``number``'s has collected, in the clock after, while it begins again at 0."""
        amount = Signal(max(self._short(width) for width in self._widths.values()))
        m.d.sync += amount.eq(0)
        for counter, width in self._widths.items():
            name = counter.name.lower()
            short = Signal(self._short(width), name=f"short_{name}")
            collected = Signal.like(short, name=f"collected_{name}")
            m.d.comb += collected.eq(short + steps[counter])
            taken = (number == counter) & ~self.bus.read
            m.d.sync += short.eq(collected)
            with m.If(taken | clear):
                m.d.sync += short.eq(0)
            with m.If(number == counter):
                m.d.sync += amount.eq(collected)
        return amount

    def _short(self, width: int) -> int:
        """Bits for the steps of two rounds: reads may take every second clock."""
        return min(bits_for(((1 << width) - 1) * COUNTER_LATENCY), CHUNK_BITS)
