"""`ConfigMemory` against a list of words: block and host at once, in every clock."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from ranvier.model.fabric.chain import PART_CHUNKS, parts_of
from ranvier.model.fabric.layout import CHUNK_BITS, Memory, MemoryLayout
from ranvier.rtl.memory.config_memory import is_late
from ranvier.rtl.memory.readback import answer_latency
from ranvier.rtl.scan.entry import PIECE_BITS, SLICE_BITS
from ranvier.rtl.unit import MEMORY_KINDS

from ..bench import MEMORIES
from .common import FORM, Bench, parts_in_use, seeded


class _Words:
    """The words, and what a clock's accesses show in the next one, or in the one after it."""

    def __init__(self, layout: MemoryLayout) -> None:
        self._layout = layout
        self._spram, self._late = layout.memory == Memory.WEIGHTS, is_late(layout.memory, FORM)
        self._words = [0] * layout.depth
        self._slices = layout.memory == Memory.SPIKES and self._late
        self._columns = layout.columns or (("data", layout.bits),)
        self._answers: list[tuple[int, int | None]] = [(0, 0)] * (answer_latency(FORM) - 1)    # of which part, or None for anything
        self._found: dict[str, int] = {}
        self._given: dict[str, int] = {}      # what the register of a late memory holds
        self._was_read = False
        self.expected: dict[str, int] = {}

    def clock(self, blocks: list[int], enable: int, access: dict[str, int], write: tuple[int, int] | None) -> None:
        """``blocks`` are the addresses of the columns, which are read with ``enable`` only. Nothing is expected of a word that is
        read while it is written, nor of an SPRAM that is written, nor of what stays while something is written.
        """
        number, chunk = divmod(access["offset"], self._layout.chunk_step)
        low = chunk * CHUNK_BITS
        mask = (1 << min(CHUNK_BITS, self._layout.bits - low)) - 1
        host_writes = access["write"] and self._layout.memory != Memory.READOUT
        written = write[0] if write is not None else number if host_writes else None
        # A host read has a late memory enabled for two clocks: the second one moves the word into the register.
        enabled = bool(enable or access["read"] or self._late and self._was_read)
        self._was_read = bool(access["read"])
        before, first = self._found, 0
        self._found = {}
        answer: int | None = None
        for (name, bits), block in zip(self._columns, blocks, strict=True):
            read = number if access["read"] else block
            if not enabled:
                if name in before and written is None and not self._spram:
                    self._found[name] = before[name]
            elif written is None or written != read and not self._spram:
                self._found[name] = self._words[read] >> first & (1 << bits) - 1
            first += bits
        if self._slices and "data" in self._found:
            self._found |= {"filled": parts_in_use(self._found["data"], SLICE_BITS), "used": parts_in_use(self._found["data"], PIECE_BITS)}
        if written != number or not access["read"]:
            answer = self._words[number] >> low & mask if access["read"] else 0
        self._answers.append((chunk // PART_CHUNKS, answer))
        part, shown = self._answers.pop(0)     # of the read that many clocks before this one
        values = {f"bus_{n}_value": shown if n == part else 0 for n in range(parts_of(self._layout))}
        if enabled:
            self._given = before
        self.expected = (self._given if self._late else self._found) | {name: v for name, v in values.items() if v is not None}
        if write is not None:
            self._words[write[0]] = write[1]
        elif host_writes:
            self._words[number] = self._words[number] & ~(mask << low) | (access["data"] & mask) << low


def _draw(rng: random.Random, layout: MemoryLayout, clock: int) -> tuple[list[int], dict[str, int], tuple[int, int] | None]:
    """The accesses of a clock; in the first ones the host writes everything, since not every memory begins with zeros."""
    kind = rng.choice(["write", "write", "read", "none"])
    word, chunk = rng.randrange(layout.depth), rng.randrange(layout.chunks)
    filling = clock < layout.depth * layout.chunks
    if filling:
        kind, (word, chunk) = "write", divmod(clock, layout.chunks)
    access = {"offset": word * layout.chunk_step + chunk, "data": rng.getrandbits(CHUNK_BITS),
              "write": int(kind == "write"), "read": int(kind == "read")}
    write = None
    if layout.memory in MEMORY_KINDS and rng.random() < 0.3 or filling and layout.memory == Memory.READOUT:
        write = word if filling else rng.randrange(layout.depth), rng.getrandbits(layout.bits)
    return [rng.randrange(layout.depth) for _ in layout.columns or (None,)], access, write


@cocotb.test()
async def accesses(dut: Any) -> None:
    """Chunk writes and reads, block reads and writes, in all combinations."""
    rng = seeded("memory")
    for name, layout in MEMORIES.items():
        bench, words = Bench(dut, name), _Words(layout)
        await bench.reset()
        filled = layout.depth * layout.chunks
        for _ in range(1200):
            blocks, access, write = _draw(rng, layout, bench.clock)
            addresses = [f"{name}_address" for name, _ in layout.columns] or ["address"]
            enable = int(rng.random() < 0.8)
            everywhere = {f"bus_{n}_{name}": value for n in range(parts_of(layout)) for name, value in access.items()}
            bench.set(**dict(zip(addresses, blocks, strict=True)), **everywhere, enable=enable)
            if layout.memory in MEMORY_KINDS:
                bench.set(write_enable=int(write is not None))
            if write is not None:
                bench.set(write_address=write[0], write_data=write[1])
            await bench.settle()
            if bench.clock > filled:
                bench.check(words.expected)
            words.clock(blocks, enable, access, write)
            await bench.next()
