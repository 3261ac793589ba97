"""The configuration chain: an access a clock, to all memories, in order, each answer after as many clocks."""

from __future__ import annotations

from typing import Any

import cocotb

from ranvier.model.fabric.layout import CHUNK_BITS, Counter, Memory
from ranvier.rtl.memory.chain import chain_latency

from ..bench import CHAIN, CHAIN_STAGES
from .common import FORM, Bench, seeded

_LATENCY = chain_latency(FORM, len(CHAIN_STAGES))


@cocotb.test()
async def accesses(dut: Any) -> None:
    """Writes and reads of every chunk in any order. A read shows every write before it, and nothing shows without a read."""
    rng = seeded("chain")
    bench = Bench(dut, "chain")
    await bench.reset()
    words: dict[tuple[Memory, int], int] = {}
    places = [(memory, word * layout.chunk_step + chunk) for memory, layout in CHAIN.items()
              for word in range(layout.depth) for chunk in range(layout.chunks)]
    answers = [0] * _LATENCY
    for clock in range(3000):
        memory, offset = places[clock] if clock < len(places) else rng.choice(places)
        kind = "write" if clock < len(places) else rng.choice(["write", "read", "read", "nothing"])
        if kind == "read" and rng.random() < 0.1:
            memory, offset = Memory.COUNTERS, int(Counter.CLAMPS)
        data = rng.getrandbits(CHUNK_BITS)
        bench.set(memory=int(memory), bus_offset=offset, bus_data=data, bus_write=int(kind == "write"), bus_read=int(kind == "read"))
        await bench.settle()
        bench.check({"bus_value": answers.pop(0)}, f"{kind} {memory.name} {offset}")
        await bench.next()
        if kind == "write":
            layout = CHAIN[memory]
            low = offset % layout.chunk_step * CHUNK_BITS
            words[memory, offset] = data & (1 << min(CHUNK_BITS, layout.bits - low)) - 1
        answers.append(words.get((memory, offset), 0) if kind == "read" else 0)
