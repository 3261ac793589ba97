"""What a core and the input unit have in common: ports, memories, counters, and the sweep between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from ranvier.model.fabric.chain import chain_stages
from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import MEMORY_BITS, Counter, Memory, memory_map

from .memory.chain import join_chain
from .memory.config_memory import ConfigMemory, ResultMemory, SpikeMemory, WrittenMemory
from .memory.counters import Counters
from .signatures import ConfigBus, TickBus, Trace, word_layout
from .sweep.sweep import Sweep

__all__ = ["MEMORY_KINDS", "Unit", "UnitParts"]

#: Memories that the fabric writes.
MEMORY_KINDS: dict[Memory, type[ConfigMemory]] = {
    Memory.STATE: WrittenMemory, Memory.SPIKES: SpikeMemory, Memory.READOUT: ResultMemory}


@dataclass(frozen=True, eq=False)
class UnitParts:
    """The parts that every unit has. ``offsets``: what each part of a memory sees of the configuration chain's offset."""

    memories: dict[Memory, ConfigMemory]
    sweep: Sweep
    counters: Counters
    offsets: dict[tuple[Memory, int], Signal]


class Unit(Component):
    """A core or the input unit, between ticker, ring and configuration port.

    in
        ``ticker`` (`TickBus`). ``bus`` (`ConfigBus`): accesses to the unit; ``memory`` (`MEMORY_BITS`): to which of its memories.
    out
        ``word`` (`word_layout`), with ``word_valid``: a spike word for the ring. ``trace`` (`Trace`): state words as they are stored.
        ``busy``: rises in the clock after the tick's start, and falls when no group is left to read and no spike word of this tick is
        left in the sweep; words already on ``word`` are the ring node's.
    """

    ticker: Any
    bus: Any
    memory: Signal
    word_valid: Signal
    word: Any
    trace: Any
    busy: Signal

    def __init__(self, config: FabricConfig, kind: str, ports: Mapping[str, Any]) -> None:
        """``kind`` is ``core`` or ``input``, ``ports`` are those that only this kind has."""
        self._config, self._kind = config, kind
        super().__init__({
            "ticker": In(TickBus(config)), "bus": In(ConfigBus()), "memory": In(MEMORY_BITS),
            "word_valid": Out(1), "word": Out(word_layout(config)), "trace": Out(Trace(config, kind)), "busy": Out(1), **ports,
        })

    def _parts(self, m: Module, platform: object, counted: Mapping[Counter, int]) -> UnitParts:
        """Memories on the configuration chain, sweep and counters, joined; ``counted`` are widths of what only this kind counts."""
        config = self._config
        memories = {number: MEMORY_KINDS.get(number, ConfigMemory)(layout, readable=bool(config.reads_back) or number == Memory.READOUT)
                    for number, layout in memory_map(config, self._kind).items()}
        for number, store in memories.items():
            m.submodules[number.name.lower()] = store
        m.submodules.sweep = sweep = Sweep(config, self._kind)
        m.submodules.counters = counters = Counters({
            **counted, Counter.STATE_READS: 1, Counter.STATE_WRITES: 1, Counter.SPIKES: len(sweep.spikes),
            Counter.SPIKE_WORDS: bits_for(config.spike_bits), Counter.CLAMPS: len(sweep.clamps)})
        offsets = join_chain(m, platform, chain_stages(config, self._kind), self, {**memories, Memory.COUNTERS: counters})
        self._connect_sweep(m, sweep, memories, counters)
        return UnitParts(memories, sweep, counters, offsets)

    def _connect_sweep(self, m: Module, sweep: Sweep, memories: dict[Memory, ConfigMemory], counters: Counters) -> None:
        """Wire the sweep to the unit's ports, to membranes and parameters, and to the counters of its work."""
        state, planes = memories[Memory.STATE], self._config.spike_bits
        assert isinstance(state, WrittenMemory)
        connect(m, flipped(self.ticker), sweep.ticker)
        m.d.comb += [
            *(getattr(self.trace, name).eq(getattr(sweep.trace, name)) for name in self.trace.signature.members),
            self.word.eq(sweep.word), self.word_valid.eq(sweep.word_valid),
            state.address.eq(sweep.state_address), sweep.state.eq(state.data),
            state.write_address.eq(sweep.trace.address), state.write_data.eq(sweep.trace.data), state.write_enable.eq(sweep.trace.valid),
            counters.clear.eq(self.ticker.clear),
            counters.state_reads.eq(sweep.take), counters.state_writes.eq(sweep.trace.valid),
            counters.spikes.eq(sweep.spikes), counters.clamps.eq(sweep.clamps), 
            counters.spike_words.eq(Mux(sweep.word_valid, planes, 0) if planes > 1 else sweep.word_valid),
        ]
        for memory in (memories[Memory.DRIVE], memories[Memory.DYNAMICS]):
            for name in memory.columns:
                m.d.comb += [getattr(memory, f"{name}_address").eq(getattr(sweep, f"{name}_address")),
                             getattr(sweep, name).eq(getattr(memory, name))]
