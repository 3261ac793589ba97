"""The counters of a unit, behind the configuration bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import Component, In

from ranvier.model.fabric.config import bits_for
from ranvier.model.fabric.layout import CHUNK_BITS, Counter
from ranvier.model.fabric.timing import COUNTER_LATENCY

from ..forms.pipe import pipe
from ..forms.technology import platform_form
from ..signatures import ConfigBus
from .readback import answer
from .storage import RamStorage

__all__ = ["Counters"]


class Counters(Component):
    """Sums of steps, `CHUNK_BITS` wide; they wrap.

    in
        ``scan``, ``weight_words``, ``synops``, ``stalls``, ``state_reads``, ``state_writes``, ``spikes``, ``spike_words``, ``clamps``
        (a width for each, only those that are counted): how much the counter grows in this clock. ``clear``: all counters become 0, and
        the steps of this clock are forgotten, without `Form.step_registers` those of the next clock too; a run begins later.
        ``bus`` (`ConfigBus`): the host's reads; its offset is the number of the counter.

    A step shows in a read `COUNTER_LATENCY` clocks later, and so does a clear. Nothing is lost unless the host reads in more than every
    second clock while the unit works.
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
            "clear": In(1), "bus": In(ConfigBus()), **{counter.name.lower(): In(width) for counter, width in self._widths.items()}})

    def elaborate(self, platform: object) -> Module:
        """A short register for each counter collects its steps. One after the other is emptied into a memory of totals: ``number`` says
        which. In the round after a clear the memory is read at its last word instead, which is always 0. A host's read takes the
        memory's port, so the round waits. Nothing is written while nothing is counted, so a read at rest never meets a write.
        """
        m = Module()
        form = platform_form(platform)
        least, most = min(self._widths), max(self._widths)
        bits = bits_for(len(Counter))
        m.submodules.totals = totals = RamStorage(CHUNK_BITS, 1 << bits)
        number, first_round = Signal(range(most + 1), init=least), Signal()
        clear = pipe(m, True, self.clear, name="clear_after")
        steps = {counter: pipe(m, form.step_registers, getattr(self, counter.name.lower()), name=f"step_{counter.name.lower()}")
                 for counter in self._widths}
        amount = self._collect(m, number, steps, clear)
        adds, moves = pipe(m, True, ~first_round, name="adds"), pipe(m, True, ~self.bus.read, name="moves")
        m.d.comb += [
            totals.address.eq(Mux(self.bus.read, self.bus.offset, number | first_round.replicate(bits))),
            totals.write_data.eq(totals.data + amount),
            totals.write_enable.eq(moves & (~adds | (amount != 0))),
            self.bus.value.eq(answer(m, platform, "answer", totals.data, self.bus.read)),
        ]
        m.d.sync += totals.write_address.eq(number)
        with m.If(~self.bus.read):
            m.d.sync += number.eq(number + 1)
            with m.If(number == most):
                m.d.sync += [number.eq(least), first_round.eq(0)]
        with m.If(clear):
            m.d.sync += [number.eq(least), first_round.eq(1)]
        return m

    def _collect(self, m: Module, number: Signal, steps: Mapping[Counter, Signal], clear: Signal) -> Signal:
        """The short registers: what ``number``'s has collected, in the clock after, while it begins again at 0."""
        amount = Signal(max(self._short_bits(width) for width in self._widths.values()))
        m.d.sync += amount.eq(0)
        for counter, width in self._widths.items():
            short = Signal(self._short_bits(width), name=f"short_{counter.name.lower()}")
            collected = Signal.like(short, name=f"collected_{counter.name.lower()}")
            m.d.comb += collected.eq(short + steps[counter])
            m.d.sync += short.eq(collected)
            with m.If(((number == counter) & ~self.bus.read) | clear):
                m.d.sync += short.eq(0)
            with m.If(number == counter):
                m.d.sync += amount.eq(collected)
        return amount

    def _short_bits(self, width: int) -> int:
        """Bits for the steps of two rounds: reads may take every second clock."""
        return min(bits_for(((1 << width) - 1) * COUNTER_LATENCY), CHUNK_BITS)
