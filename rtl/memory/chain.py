"""The configuration chain of a unit: accesses pass its memories one after the other, and so do the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Module, Signal, Value

from ranvier.model.fabric.layout import CHUNK_BITS, MEMORY_BITS, OFFSET_BITS, Memory

from ..forms.technology import technology_of
from .config_memory import ConfigMemory
from .counters import Counters
from .readback import joined

__all__ = ["join_chain"]


def join_chain(m: Module, platform: object, stages: list[list[tuple[Memory, int]]], unit: Any,
               targets: Mapping[Memory, ConfigMemory | Counters]) -> dict[tuple[Memory, int], Signal]:
    """Put a unit's memories into ``stages`` (`chain_stages`) behind ``unit.bus``; ``unit.memory`` is the number that an access means.

    Gives the offset that each part of a memory sees.

    A stage is registers: of the access, which moves on to the next one, and of the answers so far. So wires go from neighbour to
    neighbour, and each read takes as long as any other. The first registers take the unit's own accesses only, or synthesis would make
    one chain of all units' first parts. Where registers are dear there are none. A reset stops no access that is in the chain: its wire
    would have the longest way of all.
    """
    lean = technology_of(platform).lut_before_register
    domain = m.d.comb if lean else m.d.sync
    write, read, memory, offset, data = unit.bus.write, unit.bus.read, unit.memory, unit.bus.offset, unit.bus.data
    answer: Value | None = None
    offsets = {}
    for number, parts in enumerate(stages):
        next_write, next_read = (Signal(name=f"{kind}_{number}", reset_less=True) for kind in ("write", "read"))
        next_memory = Signal(MEMORY_BITS, name=f"memory_{number}", reset_less=True)
        next_offset = Signal(OFFSET_BITS, name=f"offset_{number}", reset_less=True)
        next_data = Signal(CHUNK_BITS, name=f"data_{number}", reset_less=True)
        domain += [next_write.eq(write), next_read.eq(read)]
        with m.If(write | read | bool(number) | lean):
            domain += [next_memory.eq(memory), next_offset.eq(offset), next_data.eq(data)]
        values = [] if answer is None else [answer]
        for which, part in parts:
            bus = targets[which].bus if which == Memory.COUNTERS else targets[which].bus[part]
            chosen = memory == which
            writes, reads = (Signal(name=f"{kind}_{which.name.lower()}_{part}", reset_less=True) for kind in ("writes", "reads"))
            domain += [writes.eq(write & chosen), reads.eq(read & chosen)]
            m.d.comb += [bus.offset.eq(next_offset), bus.data.eq(next_data), bus.write.eq(writes), bus.read.eq(reads)]
            offsets[which, part] = next_offset
            values.append(bus.value)
        answer = Signal(CHUNK_BITS, name=f"answer_{number}", reset_less=True)
        domain += answer.eq(joined(values))
        write, read, memory, offset, data = next_write, next_read, next_memory, next_offset, next_data
    m.d.comb += unit.bus.value.eq(answer)
    return offsets
