"""`ConfigMemory` against a list of words: block and host at once, in every clock."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from ranvier.model.layout import CHUNK_BITS, Memory, MemoryLayout

from ..bench import MEMORIES
from .common import Bench, seeded


class _Words:
    """The words, and what a clock's accesses show in the next one."""

    def __init__(self, layout: MemoryLayout) -> None:
        self._layout = layout
        self._words = [0] * layout.depth
        self.expected = {"data": 0, "bus_value": 0}

    def clock(self, block: int, access: dict[str, int], write: tuple[int, int] | None) -> None:
        number, chunk = divmod(access["bus_offset"], self._layout.chunk_step)
        low = chunk * CHUNK_BITS
        mask = (1 << min(CHUNK_BITS, self._layout.bits - low)) - 1
        word = self._words[number if access["bus_read"] else block]
        self.expected = {"data": word, "bus_value": word >> low & mask if access["bus_read"] else 0}
        if write is not None:
            self._words[write[0]] = write[1]
        elif access["bus_write"]:
            self._words[number] = self._words[number] & ~(mask << low) | (access["bus_data"] & mask) << low


def _draw(rng: random.Random, layout: MemoryLayout) -> tuple[int, dict[str, int], tuple[int, int] | None]:
    kind = rng.choice(["write", "write", "read", "none"])
    offset = rng.randrange(layout.depth) * layout.chunk_step + rng.randrange(layout.chunks)
    access = {"bus_offset": offset, "bus_data": rng.getrandbits(CHUNK_BITS), "bus_write": int(kind == "write"),
              "bus_read": int(kind == "read")}
    write = None
    if layout.memory == Memory.STATE and rng.random() < 0.3:
        write = rng.randrange(layout.depth), rng.getrandbits(layout.bits)
    return rng.randrange(layout.depth), access, write


@cocotb.test()
async def accesses(dut: Any) -> None:
    """Chunk writes and reads, block reads and writes, in all combinations."""
    rng = seeded("memory")
    for name, layout in MEMORIES.items():
        bench, words = Bench(dut, name), _Words(layout)
        await bench.reset()
        for _ in range(1200):
            block, access, write = _draw(rng, layout)
            bench.set(address=block, **access, write_enable=int(write is not None))
            if write is not None:
                bench.set(write_address=write[0], write_data=write[1])
            await bench.settle()
            if bench.clock:
                bench.check(words.expected)
            words.clock(block, access, write)
            await bench.next()
