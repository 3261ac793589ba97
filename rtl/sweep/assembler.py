"""The assembler of spike words: the spikes of group after group, until the word is complete."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig

from ..signatures import word_layout
from .group import group_layout

__all__ = ["Assembler"]


class Assembler(Component):
    """Collects the spikes of groups into words. A word leaves ``latency`` clocks after the spikes of the group that completes it.

    Bits of a word whose group has not come are 0. All planes of a word leave together.

    ========== === ============== ==========================================================================================
    port       dir width          meaning
    ========== === ============== ==========================================================================================
    group      in  `group_layout` the group whose spikes are here: where they go, and whether the word leaves with them
    spikes     in  planes * lanes its spikes, plane after plane, in each the first neuron's lowest
    word_valid out 1              a word leaves in this clock
    word       out `word_layout`  it, and its address in the spike buffers
    ========== === ============== ==========================================================================================
    """

    latency = 1

    group: Any
    spikes: Signal
    word_valid: Signal
    word: Any

    def __init__(self, config: FabricConfig, unit: str, *, carry_position: bool) -> None:
        """``carry_position``: whether each group carries its place in the word; else they are counted here."""
        self._lanes, self._carry_position = config.part(unit).sweep_lanes, carry_position
        self._word_bits, self._planes = config.word_bits, config.spike_bits
        super().__init__({
            "group": In(group_layout(config, unit, position=carry_position)), "spikes": In(self._planes * self._lanes),
            "word_valid": Out(1), "word": Out(word_layout(config)),
        })

    def elaborate(self, platform: object) -> Module:
        """A word's first group clears the rest of it; the part of each place has its flip-flops' clock enable."""
        m = Module()
        group = self.group
        place = group.position if self._carry_position else self._count(m)
        bits = Signal(len(self.word.bits))
        for plane in range(self._planes):
            self._gather(m, place, self.spikes[plane * self._lanes:][:self._lanes], bits[plane * self._word_bits:][:self._word_bits])
        address = Signal.like(group.address)
        valid = Signal()
        m.d.sync += [valid.eq(group.rule.valid & group.emit), address.eq(group.address)]
        m.d.comb += [self.word_valid.eq(valid), self.word.address.eq(address), self.word.bits.eq(bits)]
        if self._planes > 1:
            step = Signal.like(group.plane_step)
            m.d.sync += step.eq(group.plane_step)
            m.d.comb += self.word.plane_step.eq(step)
        return m

    def _gather(self, m: Module, place: Value, spikes: Value, bits: Value) -> None:
        """One plane of the group into that of the word."""
        for number in range(self._word_bits // self._lanes):
            part = bits[number * self._lanes:(number + 1) * self._lanes]
            with m.If(self.group.rule.valid & (place == number)):
                m.d.sync += part.eq(spikes)
            if number:
                with m.If(self.group.rule.valid & (place == 0)):
                    m.d.sync += part.eq(0)

    def _count(self, m: Module) -> Signal:
        """The place of the group that is here: every word begins with its first place, and leaves with its last group."""
        place = Signal(range(self._word_bits // self._lanes))
        with m.If(self.group.rule.valid & self.group.rule.spiking):
            m.d.sync += place.eq(Mux(self.group.emit, 0, place + 1))
        return place
