"""The counters of a unit, behind the configuration bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In

from ranvier.model.layout import CHUNK_BITS, Counter

from .signatures import ConfigBus

__all__ = ["Counters"]


class Counters(Component):
    """Adds ``steps`` (how much each counter grows, by name) in every clock; ``clear`` sets all to 0.

    An increment takes effect two clocks after it is presented, so that wide ones do not lengthen the unit's
    own paths.
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
        chosen = Signal(4)
        reading = Signal()
        m.d.sync += [chosen.eq(self.bus.offset), reading.eq(self.bus.read)]
        for counter, width in self._widths.items():
            name = counter.name.lower()
            step, total = Signal(width, name=f"step_{name}"), Signal(CHUNK_BITS, name=f"total_{name}")
            m.d.sync += [step.eq(getattr(self, name)), total.eq(total + step)]
            with m.If(self.clear):
                m.d.sync += total.eq(0)
            with m.If(reading & (chosen == counter)):
                m.d.comb += self.bus.value.eq(total)
        return m
