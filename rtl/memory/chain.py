"""The configuration chain of a unit: accesses pass its memories one after the other, and so do the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value

from ranvier.model.fabric.layout import CHUNK_BITS, MEMORY_BITS, OFFSET_BITS, Memory

from ..forms.form import Form
from ..forms.technology import platform_form
from .config_memory import ConfigMemory
from .counters import Counters
from .readback import answer_latency, merge_answers

__all__ = ["chain_latency", "join_chain"]


def chain_latency(form: Form, stages: int) -> int:
    """Clocks from a read on the bus of a unit with so many stages to the answer there."""
    return answer_latency(form) + (stages + 1) * form.chain_registers


def join_chain(m: Module, platform: object, stages: list[list[tuple[Memory, int]]], unit: Any,
               targets: Mapping[Memory, ConfigMemory | Counters]) -> dict[tuple[Memory, int], Signal]:
    """Put a unit's memories into ``stages`` (`chain_stages`) behind ``unit.bus``; ``unit.memory`` is the number that an access means.

    Gives the offset that each part of a memory sees.

    A stage has registers for the access, which moves on to the next stage, and for the answers so far. So wires go from neighbour to
    neighbour, and a read of any stage takes `chain_latency` clocks. The first stage's registers take only accesses to this unit:
    synthesis would otherwise make one chain of all units' first stages. `Form.chain_registers` leaves them out.
    A reset stops no access that is in the chain: its wire would be the longest of all.
    """
    registered = platform_form(platform).chain_registers
    domain = m.d.sync if registered else m.d.comb
    write, read, memory, offset, data = unit.bus.write, unit.bus.read, unit.memory, unit.bus.offset, unit.bus.data
    before: list[Value] = []    # the answer of the stage before
    offsets = {}
    for number, parts in enumerate(stages):
        next_write, next_read = (Signal(name=f"{kind}_{number}", reset_less=True) for kind in ("write", "read"))
        next_memory = Signal(MEMORY_BITS, name=f"memory_{number}", reset_less=True)
        next_offset = Signal(OFFSET_BITS, name=f"offset_{number}", reset_less=True)
        next_data = Signal(CHUNK_BITS, name=f"data_{number}", reset_less=True)
        domain += Cat(next_write, next_read).eq(Cat(write, read))
        with m.If(write | read | bool(number) | (not registered)):
            domain += [next_memory.eq(memory), next_offset.eq(offset), next_data.eq(data)]
        values = before
        for which, part in parts:
            bus = targets[which].bus if which == Memory.COUNTERS else targets[which].bus[part]
            writes, reads = (Signal(name=f"{kind}_{which.name.lower()}_{part}", reset_less=True) for kind in ("writes", "reads"))
            domain += [writes.eq(write & (memory == which)), reads.eq(read & (memory == which))]
            m.d.comb += [bus.offset.eq(next_offset), bus.data.eq(next_data), bus.write.eq(writes), bus.read.eq(reads)]
            offsets[which, part] = next_offset
            values = [*values, bus.value]
        answer = Signal(CHUNK_BITS, name=f"answer_{number}", reset_less=True)
        domain += answer.eq(merge_answers(values))
        before = [answer]
        write, read, memory, offset, data = next_write, next_read, next_memory, next_offset, next_data
    m.d.comb += unit.bus.value.eq(merge_answers(before))
    return offsets
